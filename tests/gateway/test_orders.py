from pathlib import Path

from gateway_support import rig

from kalshi_fix.messages import commands as c


def test_an_order_becomes_a_command_and_its_event_a_report(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        logon = client.log_on(reset=True)
        assert [(t, v) for t, v in logon.fields if t not in {49, 56, 52}] == [
            (34, "1"), (98, "0"), (108, "30"), (141, "Y"),
        ]  # fmt: skip
        number = client.order("one")
        report = client.receive()
        assert (report.get(35) or report.msg_type, report.get(11)) == ("8", "one")
        assert (report.get(150), report.get(49), report.get(56)) == ("0", "KalshiRT", "ALPHA-RT")
        (order,) = system.core.executed(c.NewOrder)
        assert (order.seq, order.epoch, order.price, order.order_qty) == (number, 1, 5000, 1000)
