"""Paths, metrics, logs: what every process starts with."""

import io
import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.metrics import CHILDREN_MAX, Metrics, instance_ports
from kalshi_fix.adapters.paths import SOCKET_PATH_MAX_BYTES, DataDir, DataDirError, next_boot
from kalshi_fix.adapters.settings import LogSettings

# --- paths


def test_every_process_computes_the_same_paths(tmp_path: Path) -> None:
    assert DataDir.create(tmp_path) == DataDir.create(tmp_path) == DataDir.find(tmp_path)


def test_directories_are_private(tmp_path: Path) -> None:
    data = DataDir.create(tmp_path / "var")
    for directory in (data.root, data.store, data.sockets, data.fix_store("gw1"), data.logs):
        assert directory.stat().st_mode & 0o777 == 0o700


def test_sockets_stay_short_below_a_deep_directory(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    data, again = DataDir.create(deep), DataDir.find(deep)
    longest = data.control_socket("l" * 24)
    assert len(str(longest)) < SOCKET_PATH_MAX_BYTES
    assert again.control_socket("l" * 24) == longest
    assert data.sockets.stat().st_mode & 0o777 == 0o700
    data.sockets.rmdir()  # as a reboot would
    assert DataDir.find(deep).sockets.is_dir()
    DataDir.find(deep).sockets.rmdir()


def test_a_directory_is_the_same_whichever_way_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    long = tmp_path / ("long" * 40)
    long.symlink_to(tmp_path / "data")
    assert DataDir.create(long).admin_socket == DataDir.create(tmp_path / "data").admin_socket


def test_looking_for_a_system_that_was_never_started_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataDirError, match="no system was ever started here"):
        DataDir.find(tmp_path / "nowhere")


def test_a_place_that_cannot_be_a_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirError, match="file/var"):
        DataDir.create(tmp_path / "file" / "var")


def test_boots_are_counted_over_starts(tmp_path: Path) -> None:
    assert [next_boot(tmp_path / "boot") for _ in range(3)] == [1, 2, 3]


# --- metrics


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_answers_say_what_is_wrong_and_who_says_it() -> None:
    metrics = Metrics("core-s0")
    port = metrics.serve("127.0.0.1", [0], lambda: "", lambda: "store lost")
    assert get(port, "/healthz")[0] == 200
    status, text = get(port, "/readyz")
    assert status == 503
    assert text.startswith("store lost (core-s0 pid ")
    assert get(port, "/else")[0] == 404
    metrics.close()


def test_a_scrape_has_values_and_no_created_samples() -> None:
    metrics = Metrics("x")
    metrics.counters("fixgw_things_total", "Things", ["kind"])("new").inc(2)
    metrics.histogram("fixgw_work_seconds", "Work").observe(0.004)
    port = metrics.serve("127.0.0.1", [0], lambda: "", lambda: "")
    text = get(port, "/metrics")[1]
    assert 'fixgw_things_total{kind="new"} 2.0' in text
    assert 'fixgw_work_seconds_bucket{le="0.005"} 1.0' in text
    assert "_created" not in text
    metrics.close()


def test_label_values_are_bounded() -> None:
    metrics = Metrics("x")
    family = metrics.counters("fixgw_things_total", "Things", ["kind"])
    for number in range(CHILDREN_MAX + 100):
        family(str(number)).inc()
    lines = metrics.render().decode().splitlines()
    assert sum(line.startswith("fixgw_things_total{") for line in lines) == CHILDREN_MAX + 1
    assert 'fixgw_things_total{kind="other"} 100.0' in lines


def test_an_extra_instance_takes_the_next_port_and_a_last_one_fails() -> None:
    assert instance_ports(9302, 1, 2)[:3] == (9312, 9322, 9332)
    first, second = Metrics("a"), Metrics("b")
    port = first.serve("127.0.0.1", [0], lambda: "", lambda: "")
    with pytest.raises(OSError, match="in use"):
        second.serve("127.0.0.1", [port], lambda: "", lambda: "")
    assert second.serve("127.0.0.1", [port, 0], lambda: "", lambda: "") != port
    first.close()
    second.close()


# --- logs


def test_secrets_are_masked_by_key_and_by_tag(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    log = open_log("x", LogSettings(), path, io.StringIO())
    log.info(
        "logon",
        raw="8=FIX.4.4\x01554=hunter2\x0195=3\x0196=abc\x0189=sig\x01925=new\x0120998=s\x0134=1",
        piped="35=A|554=hunter2|34=1",
        password="hunter2",
        inner={"admin_token": "hunter2", "list": ["|96=hunter2|"]},
        data=b"35=A\x01554=hunter2\x01",
    )
    text = path.read_text()
    assert "hunter2" not in text
    row = json.loads(text)
    assert row["raw"] == (
        "8=FIX.4.4\x01554=***\x0195=3\x0196=***\x0189=***\x01925=***\x0120998=***\x0134=1"
    )
    assert (row["event"], row["process"], row["level"]) == ("logon", "x", "info")


def test_stderr_gets_what_matters_and_the_file_everything(tmp_path: Path) -> None:
    path, stderr = tmp_path / "x.log", io.StringIO()
    log = open_log("x", LogSettings(), path, stderr)
    log.debug("detail")
    log.info("news")
    log.warning("trouble")
    assert "trouble" in stderr.getvalue()
    assert "news" not in stderr.getvalue()
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == [
        "news",
        "trouble",
    ]


def test_a_traceback_shows_no_local_variables(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    log = open_log("x", LogSettings(), path, io.StringIO())

    def fail(password: str) -> None:
        raise ValueError(len(password))

    try:
        fail("".join(reversed("2retnuh")))
    except ValueError:
        log.exception("failed")
    assert "ValueError: 7" in path.read_text()
    assert "hunter2" not in path.read_text()


def test_files_are_rotated_and_only_so_many_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    settings = LogSettings(file_max_bytes=1_000, files_kept=2)
    log = open_log("x", settings, path, io.StringIO())
    for number in range(60):
        log.info("line", number=number)
    assert {file.name for file in tmp_path.iterdir()} == {"x.log", "x.log.1", "x.log.2"}
    assert all(file.stat().st_size <= 1_000 for file in tmp_path.iterdir())
    assert json.loads(path.read_text().splitlines()[-1])["number"] == 59
