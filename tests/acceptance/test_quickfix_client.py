"""A stock QuickFIX client trades on every role and finds nothing to complain about."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from clients.fix_socket import Field, Message, utc_now
from clients.quickfix_engine import QuickFixClient
from running_system import RunningSystem

pytestmark = pytest.mark.acceptance
MARKET = "KXTEST-Y"


class Desk:
    """A firm's sessions on the venue, all on stock engines."""

    def __init__(self, system: RunningSystem, stack: ExitStack, firm: str, run: str) -> None:
        self._run = run
        self._number = 0
        self.clients = {
            role: stack.enter_context(
                QuickFixClient(system.port(role), f"{firm}-{role}", f"Kalshi{role}")
            )
            for role in ("NR", "RT", "DC", "PT", "MD")
        }
        for client in self.clients.values():
            client.wait_logon()

    def order(self, role: str, side: str, quantity: str, price: str, *more: Field) -> str:
        """Sends a limit order and returns its ClOrdID."""
        self._number += 1
        name = f"{self._run}-{self._number}"
        head = [(35, "D"), (11, name), (55, MARKET), (54, side), (38, quantity), (40, "2")]
        self.clients[role].send([*head, (44, price), *more, (60, utc_now())])
        return name

    def check(self) -> None:
        """No engine has complained about anything the venue sent, and nothing is left over."""
        for role, client in self.clients.items():
            assert client.complaints == [], (role, client.complaints)
            assert client.admin.empty(), (role, client.admin.get())


@pytest.fixture
def desks(system: RunningSystem) -> Iterator[tuple[Desk, Desk]]:
    with ExitStack() as stack:
        both = Desk(system, stack, "ALPHA", "qa"), Desk(system, stack, "BRAVO", "qb")
        yield both
        clients = [client for desk in both for client in desk.clients.values()]
        with ThreadPoolExecutor(len(clients)) as pool:
            list(pool.map(QuickFixClient.stop, clients))


def replacing(order: str, quantity: str, price: str) -> list[Field]:
    """A replace of a buy order."""
    head = [(35, "G"), (11, f"{order}-r"), (41, order), (55, MARKET), (54, "1")]
    return [*head, (38, quantity), (40, "2"), (44, price), (60, utc_now())]


def state(message: Message) -> tuple[str, str]:
    return message.get(150), message.get(39)


def test_a_stock_client_trades_and_never_rejects_a_message(desks: tuple[Desk, Desk]) -> None:
    alpha, bravo = desks
    rt, dc, md = alpha.clients["RT"], alpha.clients["DC"], alpha.clients["MD"]

    # the book: a snapshot, then changes
    kinds = [(267, "5"), *((269, kind) for kind in "012BC")]
    asked = [(35, "V"), (262, "all"), (263, "1"), (264, "0"), (265, "1")]
    md.send([*asked, *kinds, (146, "1"), (55, MARKET)])
    snapshot = md.expect("W")
    assert (snapshot.get(262), snapshot.get(55)) == ("all", MARKET)

    # an order rests, is replaced, is partly filled
    first = alpha.order("RT", "1", "10", "0.40")
    assert state(rt.expect("8", lambda m: m.get(11) == first)) == ("0", "0")
    assert md.expect("X").get(270) == "0.4000"
    rt.send(replacing(first, "8", "0.45"))
    assert state(rt.expect("8", lambda m: m.get(41) == first)) == ("5", "0")
    sold = bravo.order("NR", "2", "3", "0.45")
    nr = bravo.clients["NR"]
    assert state(nr.expect("8", lambda m: m.get(11) == sold)) == ("0", "0")
    assert state(nr.expect("8", lambda m: m.get(32) == "3.00")) == ("F", "2")
    assert state(rt.expect("8", lambda m: m.get(32) == "3.00")) == ("F", "1")

    # questions, a refusal, and the end of everything
    rt.send([(35, "H"), (11, first), (55, MARKET), (54, "1"), (790, "q1")])
    assert rt.expect("8", lambda m: m.get(150) == "I").get(151) == "5.00"
    rt.send([(35, "AF"), (584, "m1"), (585, "7")])
    assert rt.expect("8", lambda m: m.get(584) == "m1").get(912) == "Y"
    wrong = alpha.order("RT", "1", "10", "0.405")
    assert rt.expect("8", lambda m: m.get(11) == wrong).get(58) == "PRICE_OFF_TICK"
    rt.send([(35, "F"), (11, "none"), (41, "never"), (55, MARKET), (54, "1"), (60, utc_now())])
    assert rt.expect("9").get(102) == "1"
    day = alpha.order("RT", "2", "1", "0.90", (59, "0"))
    assert rt.expect("8", lambda m: m.get(11) == day).get(126) != ""
    rt.send([(35, "q"), (11, "everything"), (530, "7"), (60, utc_now())])
    assert rt.expect("r").get(533) == "2"
    assert {state(rt.expect("8")), state(rt.expect("8"))} == {("4", "4")}

    # drop copy has seen every report of the firm's orders
    copied = [dc.expect("8") for _ in range(7)]
    assert [m.get(150) for m in copied] == ["0", "5", "F", "8", "0", "4", "4"]

    # reference data
    md.send([(35, "x"), (320, "list"), (559, "4")])
    assert md.await_type("y").get(320) == "list"
    md.send([(35, "e"), (324, "status"), (55, MARKET), (263, "0")])
    assert md.await_type("f").get(326) == "17"
    kinds = [(267, "1"), (269, "0"), (146, "1"), (55, MARKET)]
    md.send([(35, "V"), (262, "all"), (263, "2"), (264, "0"), *kinds])
    md.send([(35, "e"), (324, "after"), (55, MARKET), (263, "0")])  # what follows V has come too
    assert md.await_type("f").get(324) == "after"

    alpha.check()
    bravo.check()
