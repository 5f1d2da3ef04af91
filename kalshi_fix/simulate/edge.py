"""The edge's part in a Logon: asks the lane's gateway, then lets the bytes through or refuses.

A stand-in for the real edge, whose sockets and credentials are no part of a simulation; questions
and answers are the real ones. `Controls` stands where a gateway opens its control socket.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

from kalshi_fix.adapters.control import (
    CONNECTION_TAG,
    SECRET_TAG,
    VERDICT_TAG,
    OpenAnswer,
    OpenRequest,
)
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.wire import frame
from kalshi_fix.model import NANOS
from kalshi_fix.simulate.network import Connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kalshi_fix.adapters.logs import Log
    from kalshi_fix.simulate.engine import Ports
    from kalshi_fix.simulate.machine import Machine, Process
    from kalshi_fix.simulate.trader import Trader

_TRIP_NANOS: Final = 1_000_000  # up to
_PATIENCE_NANOS: Final = 5 * NANOS


class Controls:
    """Which gateway process answers for which lane."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.open: dict[str, Control] = {}

    def make(
        self, path: Path, answer: Callable[[OpenRequest], OpenAnswer], _most: int, _log: Log
    ) -> Control:
        """Stands where the gateway says ``ControlServer(...)``."""
        lane = path.stem.removeprefix("control-")
        return Control(self, lane, answer, self._machine.process)


class Control:
    """`gateway_control.ControlServer`, simulated."""

    def __init__(
        self,
        controls: Controls,
        lane: str,
        answer: Callable[[OpenRequest], OpenAnswer],
        process: Process,
    ) -> None:
        self._controls = controls
        self._lane = lane
        self.answer = answer
        self.process = process

    def start(self) -> None:
        """Answers from now on, as long as the process lives."""
        self._controls.open[self._lane] = self
        self.process.at_death.append(self.stop)

    def stop(self) -> None:
        """Answers nobody any more."""
        if self._controls.open.get(self._lane) is self:
            del self._controls.open[self._lane]


class Edge:
    """See the module."""

    def __init__(self, machine: Machine, controls: Controls, ports: Ports) -> None:
        self._machine = machine
        self._controls = controls
        self._ports = ports
        self._names = count(1)
        self.connections: dict[str, Connection] = {}  # session -> its latest

    def connect(self, client: Trader, logon: FixMessage) -> None:
        """A client's Logon has arrived."""
        attempt = _Attempt(self, client, logon, f"c{next(self._names)}")
        request = OpenRequest(
            session=client.name,
            connection=attempt.name,
            reset=logon.get(141) == "Y",
            cancel_on_disconnect={"Y": 1, "N": 0}.get(logon.get(8013), -1),
            replay=logon.get(20902) == "Y",
        )
        self._machine.after(self._trip(), partial(self._ask, attempt, request))

    def _ask(self, attempt: _Attempt, request: OpenRequest) -> None:
        control = self._controls.open.get(attempt.client.settings.lane)
        if control is None or not control.process.is_alive:
            attempt.fail()
            return
        control.process.at_death.append(attempt.fail)
        self._machine.after(_PATIENCE_NANOS, attempt.fail)

        def answer() -> None:
            found = control.answer(request)
            self._machine.after(self._trip(), partial(self._answered, attempt, request, found))

        self._machine.spawn(control.process, f"control {attempt.name}", answer)

    def _answered(self, attempt: _Attempt, request: OpenRequest, answer: OpenAnswer) -> None:
        said = answer.reason or ("live" if answer.live else "yes")
        self._machine.note("edge", f"{request.session} {attempt.name}: {said}")
        if attempt.is_over:
            return
        if answer.live:
            attempt.fail()
        elif answer.reason and (request.reset or request.verdict):
            attempt.fail()  # a Logout with 34=1 that nobody counts, and the end
        elif answer.reason:
            verdict = OpenRequest(
                session=request.session, connection="", reset=False, verdict=answer.reason
            )
            self._ask(attempt, verdict)
        else:
            self._pass_on(attempt, request, answer)

    def _pass_on(self, attempt: _Attempt, request: OpenRequest, answer: OpenAnswer) -> None:
        engine = self._ports.engines.get(answer.port)
        if engine is None:
            attempt.fail()
            return
        attempt.is_over = True
        client, settings = attempt.client, attempt.client.settings
        connection = Connection(self._machine, attempt.name)
        self.connections[client.name] = connection
        tag = (
            (VERDICT_TAG, request.verdict)
            if request.verdict
            else (CONNECTION_TAG, request.connection)
        )
        number, sent_at, *fields = attempt.logon.fields
        logon = FixMessage("A", [*fields, (SECRET_TAG, answer.secret), tag])
        data = frame(
            logon, settings.sender_comp_id, settings.target_comp_id, int(number[1]), sent_at[1]
        )
        client.session.connected(connection)
        client.connect_done()
        engine.accept(connection)
        connection.to_engine.push(data)

    def _trip(self) -> int:
        return self._machine.random.randrange(100_000, _TRIP_NANOS)


class _Attempt:
    """One Logon on its way; it fails at most once."""

    def __init__(self, edge: Edge, client: Trader, logon: FixMessage, name: str) -> None:
        self._edge = edge
        self.client = client
        self.logon = logon
        self.name = name
        self.is_over = False

    def fail(self) -> None:
        """The client finds its connection closed."""
        if not self.is_over:
            self.is_over = True
            self.client.connect_failed()
