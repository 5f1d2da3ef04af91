#!/usr/bin/env bash
# Creates .venv and installs everything. The first time QuickFIX is compiled from source, because
# its authors publish no binary wheels; pip keeps the result, so later set-ups take seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

fail() { printf 'setup: %s\n' "$1" >&2; exit 2; }
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  fail "Python 3.11 or newer is needed (PYTHON=python3.12 make ... picks another one)"
"$PYTHON" -c 'import venv, ensurepip' 2>/dev/null ||
  fail "the venv module is missing: install python3-venv"
[ -f "$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h" ] ||
  fail "the Python headers are missing: install python3-dev"
for tool in gcc g++; do
  command -v "$tool" >/dev/null || fail "$tool is missing: install $tool"
done

[ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check)

if ! .venv/bin/python -c 'import quickfix' 2>/dev/null; then
  echo "setup: installing QuickFIX 1.16.0. There is no binary wheel of it, so the first set-up"
  echo "setup: compiles it from C++ (about 3 minutes, 2 GB of memory); later ones take seconds."
  config=$(mktemp)
  printf '[build_ext]\nparallel=%s\n' "$(nproc)" >"$config"
  started=$SECONDS
  DIST_EXTRA_CONFIG=$config CXXFLAGS="-O1 -g0" \
    "${pip[@]}" install -c constraints.txt quickfix &
  builder=$!
  while kill -0 "$builder" 2>/dev/null; do
    sleep 1
    if (((SECONDS - started) % 20 == 0)); then echo "setup: still compiling, $((SECONDS - started)) s"; fi
  done
  wait "$builder" || fail "QuickFIX did not compile; the lines above say why"
  rm -f "$config"
  echo "setup: QuickFIX ready after $((SECONDS - started)) s"
fi
"${pip[@]}" install -c constraints.txt -e '.[dev]'
touch .venv/.ready
echo "setup: ready"
