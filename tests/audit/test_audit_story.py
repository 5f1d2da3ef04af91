"""A real system's audit trail: an order's life told, the trail verified, exported and replayed."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clients.fix_socket import FixSocket, utc_now
from running_system import KALSHI_FIX, RunningSystem
from waiting import wait_until

from kalshi_fix import cli_audit_files
from kalshi_fix.adapters.audit.segments import AuditError, segments_of

pytestmark = pytest.mark.acceptance


def order(client: FixSocket, cl_ord_id: str, side: str, price: str, quantity: str) -> None:
    client.send(
        [(35, "D"), (11, cl_ord_id), (1, f"{client.sender[:5]}-1"), (55, "KXTEST-A"), (54, side),
         (38, quantity), (40, "2"), (44, price), (59, "1"), (60, utc_now())]
    )  # fmt: skip


class Market:
    """Two firms on a running system, and what they did."""

    def __init__(self, system: RunningSystem) -> None:
        self.system = system
        self.alpha = FixSocket(system.port("RT"), "ALPHA-RT", "KalshiRT", "demo-alpha")
        self.bravo = FixSocket(system.port("RT"), "BRAVO-RT", "KalshiRT", "demo-bravo")

    def trade(self) -> None:
        alpha, bravo = self.alpha, self.bravo
        for client in (alpha, bravo):
            assert client.logon(reset=True).msg_type == "A"
        order(alpha, "STORY-1", "1", "0.5500", "10.00")
        assert alpha.receive().get(150) == "0"
        order(bravo, "STORY-1", "2", "0.5500", "4.00")  # the same name at another firm
        assert [bravo.receive().get(150) for _ in range(2)] == ["0", "F"]
        assert alpha.receive().get(150) == "F"
        replace = [(35, "G"), (11, "STORY-2"), (41, "STORY-1"), (1, "ALPHA-1"), (55, "KXTEST-A")]
        alpha.send([*replace, (54, "1"), (38, "12.00"), (40, "2"), (44, "0.5400"), (60, utc_now())])
        assert alpha.receive().get(150) == "5"
        order(alpha, "STORY-BAD", "1", "0.5405", "1.00")
        assert alpha.receive().get(58) == "PRICE_OFF_TICK"
        for client in (alpha, bravo):
            client.logout()

    def tool(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(KALSHI_FIX), *arguments, "--data", str(self.system.data)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def why(self, cl_ord_id: str) -> list[dict[str, Any]]:
        done = self.tool("why", cl_ord_id, "--json")
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def is_told(self) -> bool:
        """Whether the trail, which is written a moment later, has the last report."""
        steps = self.why("STORY-BAD")[0]["steps"]
        return any(step["what"].startswith("told ALPHA-RT") for step in steps)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with RunningSystem(tmp_path_factory.mktemp("story") / "data").running() as system:
        made = Market(system)
        made.trade()
        wait_until(made.is_told, "the trail")
        yield made


def test_why_tells_who_sent_it_what_it_passed_whom_it_met_and_what_each_side_was_told(
    market: Market,
) -> None:
    alpha, bravo = market.why("STORY-1")
    assert (alpha["firm"], bravo["firm"]) == ("ALPHA", "BRAVO")
    assert alpha["cl_ord_ids"] == ["STORY-1", "STORY-2"]
    assert alpha["outcome"].startswith("partially filled, 4.00 of 12.00 at 0.5500")
    (fill,) = alpha["fills"]
    assert (fill["quantity"], fill["price"], fill["other_session"]) == (
        "4.00",
        "0.5500",
        "BRAVO-RT",
    )
    steps = [(step["where"], step["what"]) for step in alpha["steps"]]
    expected = [
        ("edge", "received from ALPHA-RT (34=2)"),
        ("gateway gw1", "in sequence and well formed"),
        ("store s0", "NewOrder ClOrdID STORY-1 (epoch 1, MsgSeqNum 2)"),
        ("core s0", "passed session and entitlement, ClOrdID and age, market and its state"),
        ("core s0", "accepted as order 1"),
        ("edge", "told ALPHA-RT (34=2)"),
        ("core s0", "trade 1: 4.00 at 0.5500 as maker"),
        ("edge", "told ALPHA-RT (34=3)"),
        ("edge", "received from ALPHA-RT (34=3)"),
        ("store s0", "ReplaceOrder ClOrdID STORY-2 for STORY-1"),
        ("core s0", "replaced: buy 12.00 KXTEST-A at 0.5400"),
        ("edge", "told ALPHA-RT (34=4)"),
    ]
    at = 0
    for where, what in steps:
        if at < len(expected) and where == expected[at][0] and what.startswith(expected[at][1]):
            at += 1
    assert at == len(expected), (expected[at], steps)
    told = [step for step in alpha["steps"] if step["what"].startswith("told BRAVO-RT")]
    assert "150=F" in told[0]["fix"]
    assert [step["at_ns"] for step in alpha["steps"]] == sorted(
        step["at_ns"] for step in alpha["steps"]
    )


def test_an_order_is_accepted_before_it_trades_though_both_have_one_time(market: Market) -> None:
    _, bravo = market.why("STORY-1")
    core = [step["what"].partition(" ")[0] for step in bravo["steps"] if step["where"] == "core s0"]
    assert core == ["passed", "accepted", "trade"]


def test_why_names_the_check_that_refused(market: Market) -> None:
    (life,) = market.why("STORY-BAD")
    assert life["outcome"] == "rejected (PRICE_OFF_TICK)"
    (refusal,) = [step["what"] for step in life["steps"] if step["where"] == "core s0"]
    assert refusal.endswith("market and its state, order type and instructions: price)")
    page = market.tool("why", "STORY-BAD")
    assert "rejected (PRICE_OFF_TICK)" in page.stdout
    missing = market.tool("why", "NO-SUCH-ORDER")
    assert (missing.returncode, missing.stderr) == (1, "no order has the ClOrdID NO-SUCH-ORDER\n")


def test_show_and_export_hold_both_directions(market: Market, tmp_path: Path) -> None:
    shown = market.tool("audit", "show", "--order", "STORY-2", "--json").stdout.splitlines()
    edge = [row for row in map(json.loads, shown) if row["chain"] == "edge"]
    assert [(row["msg_type"], row["direction"]) for row in edge] == [
        ("G", "to exchange"), ("8", "from exchange"),
    ]  # fmt: skip
    counts = {}
    for form in ("jsonl", "csv", "parquet"):
        path = tmp_path / f"out.{form}"
        done = market.tool(
            "audit", "export", "--format", form, "--out", str(path), "--chain", "edge"
        )
        assert done.returncode == 0, done.stderr
        counts[form] = done.stdout.split()[0]
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    replaced = next(row for row in rows if row["cl_ord_id"] == "STORY-2" and row["exec_type"])
    assert (replaced["orig_cl_ord_id"], replaced["order_flow_id"]) == ("STORY-1", "1")
    assert (replaced["firm"], replaced["msg_seq_num"]) == ("ALPHA", "4")
    from pyarrow import parquet  # noqa: PLC0415 - after the tool has shown that it is there

    table = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert len(table) == len(rows) == int(counts["jsonl"])
    assert next(row for row in table if row["cl_ord_id"] == "STORY-2")["symbol"] == "KXTEST-A"


def test_an_export_without_a_choice_holds_every_chain(market: Market, tmp_path: Path) -> None:
    written = iter(tmp_path / str(number) for number in range(1_000))

    def export(form: str) -> tuple[Path, int]:
        path = next(written)
        done = market.tool("audit", "export", "--format", form, "--out", str(path))
        assert done.returncode == 0, done.stderr
        return path, int(done.stdout.split()[0])

    def kinds() -> set[tuple[str, str]]:
        path, count = export("jsonl")
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert len(rows) == count
        return {(row["chain"], row["kind"]) for row in rows}

    shard = {("core-s0", "commands"), ("core-s0", "events")}
    wait_until(lambda: shard <= kinds(), "a round of the archivist")
    chains = {path.name for path in (market.system.data / "audit").iterdir()}
    assert {chain for chain, _kind in kinds()} == chains
    for form in ("csv", "parquet"):
        assert export(form)[1] > 0


def test_without_pyarrow_parquet_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(AuditError, match=r"^parquet needs pyarrow: pip install"):
        cli_audit_files.write("parquet", tmp_path / "out", [])
    assert not list(tmp_path.iterdir())


def test_operators_requests_are_on_record_and_their_secrets_are_not(market: Market) -> None:
    paused = market.tool("admin", "--as", "op1", "markets", "pause", "KXTEST-B", "--why", "drill 7")
    assert paused.returncode == 0, paused.stderr

    def found() -> list[dict[str, Any]]:
        out = market.system.data.parent / "admin.jsonl"
        out.unlink(missing_ok=True)
        market.tool("audit", "export", "--out", str(out), "--chain", "admin")
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        return [json.loads(row["raw"]) for row in rows if row["kind"] == "operator"]

    wait_until(lambda: bool(found()), "the record")
    (request,) = [row for row in found() if row["data"]["operation"] == "markets.pause"]
    assert (request["data"]["operator"], request["data"]["why"]) == ("op1", "drill 7")
    assert request["more"]["status"] == "done"


def test_the_exchange_is_rebuilt_from_its_trail(market: Market) -> None:
    done = market.tool("audit", "replay")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("s0: ")
    assert done.stdout.rstrip().endswith(": the same")


def test_verify_is_content_until_something_is_changed(market: Market) -> None:
    """Runs last: it stops the system, and a stopped system's trail is whole without the store."""
    running = market.tool("audit", "verify")
    assert running.returncode == 0, running.stdout
    assert market.system.stop() == 0
    stopped = market.tool("audit", "verify")
    assert stopped.returncode == 0, stopped.stdout
    assert "core-s0: good" in stopped.stdout
    assert "note" not in stopped.stdout
    assert market.tool("audit", "replay").stdout.rstrip().endswith(": the same")
    assert market.why("STORY-1")[0]["outcome"].startswith("partially filled")
    (path,) = segments_of(market.system.data / "audit" / "edge")
    path.write_bytes(path.read_bytes().replace(b"38=10.00", b"38=10.01", 1))
    broken = market.tool("audit", "verify")
    assert broken.returncode == 1
    assert "edge: DAMAGED" in broken.stdout
    assert "are not what was written" in broken.stdout
