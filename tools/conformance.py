"""``make conformance``: every session scenario against a running system, with its evidence.

``--out DIR`` takes ``report.json`` and ``report.md`` (default ``var/conformance``): case, expected
behaviour, verdict, every message either way. ``--document`` only writes docs/CONFORMANCE.md.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
TESTS: Final = ROOT / "tests" / "conformance"
_WRITE_DOCUMENT: Final = """
import sys
sys.path[:0] = ["tools", "tests", "tests/conformance"]
from conformance_report import DOCUMENT, document
from conformance_run import all_cases, session_scenarios
DOCUMENT.write_text(document(all_cases(), session_scenarios()), encoding="utf-8")
"""


def main() -> int:
    """Runs everything; 1 where a case fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "conformance")
    parser.add_argument("--document", action="store_true", help="only write docs/CONFORMANCE.md")
    options = parser.parse_args()
    if options.document:
        command = [sys.executable, "-c", _WRITE_DOCUMENT]
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    out = options.out.resolve()
    command = [sys.executable, "-m", "pytest", "-q", str(TESTS), "--evidence", str(out)]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    report = out / "report.json"
    if not report.exists():
        return code or 1
    rows = json.loads(report.read_text(encoding="utf-8"))
    verdicts = Counter((row["kind"], row["verdict"]) for row in rows)
    for (kind, verdict), count in sorted(verdicts.items()):
        print(f"{kind:10} {verdict:9} {count}")
    print(f"evidence: {out}/report.md and report.json")
    return code


if __name__ == "__main__":
    sys.exit(main())
