"""The admin service: the only way for a person to change the exchange.

Authenticates the operator, turns the request into a command, appends it to every shard concerned
and answers when each has said what came of it; reads are answered from the shards' events. It keeps
nothing of its own but a picture: the history of operators' actions is what the bus holds.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from attrs import asdict

from kalshi_fix.adapters.admin_socket import AdminServer, Login
from kalshi_fix.adapters.audit.recorder import UNRECORDED, OperatorsTrail, Recorder
from kalshi_fix.adapters.audit.records import Kind
from kalshi_fix.adapters.audit.segments import AuditError
from kalshi_fix.adapters.bus import Bus, BusError
from kalshi_fix.adapters.logs import Log, masked, open_log
from kalshi_fix.adapters.metrics import Metrics, instance_ports
from kalshi_fix.adapters.passwords import hash_password, verify_password
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.adapters.store import Store
from kalshi_fix.messages.commands import Drain
from kalshi_fix.model import IDS_PER_SHARD
from kalshi_fix.processes.admin_checks import check_rows
from kalshi_fix.processes.admin_drain import DrainWatch
from kalshi_fix.processes.admin_metrics import AdminMetrics
from kalshi_fix.processes.admin_roster import ACCESS, CHANGES, SessionRoster
from kalshi_fix.processes.admin_shard import ShardLink
from kalshi_fix.processes.admin_status import status_row
from kalshi_fix.processes.exit_codes import CLEAN, refuse
from kalshi_fix.processes.stopping import stop_event
from kalshi_fix.services.admin import (
    Answer,
    InvalidRequestError,
    RefusedError,
    Request,
    Stamp,
    Status,
    combine,
    is_reading,
    operation_of,
    reader_of,
    to_command,
)
from kalshi_fix.services.admin_operations import OPERATIONS, Operation, Reach
from kalshi_fix.services.admin_reads import CHECK, READINGS, STATUS
from kalshi_fix.services.admin_values import InvalidValueError, parse_identity

WRONG_LOGIN: Final = "operator or token wrong"


class AdminService:
    """Runs inside the supervisor, or alone (`main`); `start` and `stop` it once."""

    def __init__(
        self,
        settings: Settings,
        data: DataDir,
        connect: Callable[[str], Bus],
        *,
        configured: Settings | None = None,
        follow: Callable[[], bool] = lambda: False,
        stop: Callable[[], None] | None = None,
        ready: Callable[[], str] = lambda: "",
        metrics: Metrics | None = None,
        log: Log | None = None,
        audit: Recorder = UNRECORDED,
    ) -> None:
        """Builds the service.

        Args:
            settings: Of the system.
            data: Holds its state.
            connect: A bus of a shard.
            configured: The settings without what operators changed about sessions.
            follow: Makes the running processes take up such changes; False: only a restart will.
            ready: What of the system is not ready, "" if everything is.
            stop: Stops the whole system, at the end of a drain; None: nobody here can.
            metrics: Of the process this runs in.
            log: Of the process this runs in.
            audit: Takes every request and what came of it.
        """
        self._audit = audit
        self._settings = settings
        self._ready = ready
        self._disk = data.root
        self._roster = SessionRoster(configured or settings, data, self._change, follow)
        self._log = log or open_log("admin", settings.log, data.log_file("admin"))
        self._tokens = {operator.name: operator.token_scrypt for operator in settings.operators}
        self._nobody = hash_password("")  # an unknown operator costs as much as a wrong token
        self._links = {
            shard: ShardLink(
                shard,
                connect,
                data.shard(shard) / "admin.view",
                settings.admin.view_save_seconds,
                self._log,
            )
            for shard in settings.core.shards
        }
        self._drain = DrainWatch(self._links.values(), stop, self._log)
        self._server = AdminServer(
            data.admin_socket, settings.admin, self._log, self.authenticate, self.handle
        )
        metrics = metrics or Metrics("admin")
        self._meters = AdminMetrics(metrics)

    def start(self) -> None:
        """Reads the shards' events and listens.

        Raises:
            OSError: the socket cannot be made, or another service answers on it.
        """
        self._server.start()
        for link in self._links.values():
            link.start()
        self._log.info("admin_listening", shards=list(self._links))

    def close(self) -> None:
        """Stops listening. What was written stays written."""
        self._server.stop()

    def stop(self) -> None:
        """Stops listening and reading; ends a drain: no gateway may be left to let anybody in."""
        self._server.stop()
        self._drain.end()
        for link in self._links.values():
            link.stop()

    def healthy(self) -> str:
        """What is wrong with the service, "" if nothing."""
        return next((link.fault for link in self._links.values() if link.fault), "")

    def authenticate(self, login: Login) -> str:
        """The reason to refuse, the same for every kind of wrong; "" when the token is right.

        Takes tens of milliseconds (scrypt).
        """
        known = login.operator in self._tokens
        stored = self._tokens.get(login.operator, self._nobody)
        if verify_password(login.token, stored) and known:
            return ""
        self._meters.failed_logins.inc()
        facts = {"operator": login.operator[:64], "status": Status.REFUSED, "reason": WRONG_LOGIN}
        self._audit.record(Kind.OPERATOR, "", "", facts)
        self._log.warning("admin_login_refused", operator=login.operator[:64])
        return WRONG_LOGIN

    def handle(self, operator: str, request: Request) -> Answer:
        """Carries one request of an authenticated operator out."""
        try:
            reading = is_reading(request)
            if reading:
                answer = self._read(request)
            elif request.operation == ACCESS:
                answer = self._roster.access()
            elif request.operation in CHANGES:
                answer = self._roster.carry_out(operator, request)
            else:
                answer = self._change(operator, request)
        except InvalidRequestError as error:
            answer = Answer(status=Status.INVALID, reason=str(error))
        except RefusedError as error:
            answer = Answer(status=Status.REFUSED, reason=str(error), request_id=request.request_id)
        except BusError as error:
            answer = Answer(
                status=Status.UNREACHABLE, reason="STORE_UNREACHABLE", detail=str(error)
            )
        self._record(operator, request, answer)
        return answer

    # --- reading

    def _read(self, request: Request) -> Answer:
        reader = reader_of(request)
        links = list(self._links.values())
        if request.operation == STATUS:
            seconds = self._settings.admin.answer_seconds
            return Answer(
                status=Status.DONE, rows=tuple(status_row(link, seconds) for link in links)
            )
        if request.operation == CHECK:
            rows_found = check_rows(
                links, self._ready, self._disk, self._settings.admin.answer_seconds
            )
            return Answer(status=Status.DONE, rows=tuple(rows_found))
        self._catch_up(links)
        found = reader.join({link.shard: link.look(reader.look) for link in links})
        return Answer(status=Status.DONE, rows=tuple(found))

    def _catch_up(self, links: Sequence[ShardLink]) -> None:
        """What has happened until now is seen before it is judged."""
        for link in links:
            if not link.catch_up(self._settings.admin.answer_seconds):
                raise BusError(f"shard {link.shard}: still reading its history, try again")

    # --- changing

    def _change(self, operator: str, request: Request) -> Answer:
        operation = operation_of(request)
        links = self._links_of(operation, request)
        stamp = Stamp(request.request_id, operator, request.why, time.time_ns())
        command = links[0].look(lambda view: to_command(request, stamp, view))
        deadline = time.monotonic() + self._settings.admin.answer_seconds
        with ThreadPoolExecutor(len(links)) as pool:  # a dead shard must not hold the others up
            answers = pool.map(lambda link: link.carry_out(command, deadline), links)
            answer = combine(request.request_id, list(answers))
        return self._drain.begin(command, answer) if isinstance(command, Drain) else answer

    def _links_of(self, operation: Operation, request: Request) -> list[ShardLink]:
        """The shards a command goes to.

        Only what needs the view waits for it: a kill switch must work while history is read.
        """
        every = list(self._links.values())
        if request.shard and request.shard not in self._links:
            raise InvalidRequestError(f"shard: {request.shard!r} is not one of {[*self._links]}")
        if operation.base is not None or (operation.reach is Reach.MARKET and len(every) > 1):
            self._catch_up(every)
        if operation.reach is Reach.EVERY:
            if request.shard:
                raise InvalidRequestError("shard: this goes to every shard")
            return every
        if operation.reach is Reach.MARKET:
            return [self._home(request)]
        if operation.reach is Reach.IDENTITY:
            return [self._maker(operation.fields[0].name, request)]
        if len(every) > 1 and not request.shard:
            raise InvalidRequestError(f"shard: name one of {', '.join(self._links)}")
        return [self._links[request.shard or every[0].shard]]

    def _home(self, request: Request) -> ShardLink:
        """The shard a market lives in; an unknown one's refusal is for the first core to say."""
        symbol = str(request.args.get("symbol"))
        for link in self._links.values():
            if link.look(lambda view: symbol in view.markets):
                if request.shard not in {"", link.shard}:
                    raise InvalidRequestError(f"shard: {symbol} lives in {link.shard}")
                return link
        return self._links[request.shard] if request.shard else next(iter(self._links.values()))

    def _maker(self, field: str, request: Request) -> ShardLink:
        """The shard whose number it is; what is no number is for `to_command` to say."""
        shards = list(self._links)
        written = str(request.args.get(field))
        try:
            index = parse_identity(written) // IDS_PER_SHARD
        except InvalidValueError:
            index = 0
        if index >= len(shards):
            raise InvalidRequestError(f"{field}: {written} is of none of {', '.join(shards)}")
        if request.shard not in {"", shards[index]}:
            raise InvalidRequestError(f"shard: {written} is of {shards[index]}")
        return self._links[shards[index]]

    def _record(self, operator: str, request: Request, answer: Answer) -> None:
        known = request.operation in OPERATIONS or request.operation in READINGS
        operation = request.operation if known else "unknown"
        self._meters.requests(operation, answer.status).inc()
        asked = masked("", asdict(request)) | {"operator": operator}
        answered = {"status": answer.status, "reason": answer.reason, "detail": answer.detail}
        self._audit.record(Kind.OPERATOR, "", "", asked, answered)
        self._log.info(
            "admin_request",
            operator=operator,
            operation=operation,
            request_id=request.request_id,
            why=request.why,
            status=answer.status,
            reason=answer.reason,
        )


def main(settings: Settings, data: DataDir) -> int:
    """Runs the service alone, where processes are started one by one."""
    stop = stop_event()
    metrics = Metrics("admin")
    log = open_log("admin", settings.log, data.log_file("admin"))
    trail = OperatorsTrail(settings, data, metrics, log)
    connect = Store.of(settings.store, data).bus
    service = AdminService(settings, data, connect, metrics=metrics, log=log, audit=trail)
    host, port = settings.metrics.host, settings.metrics.supervisor
    try:
        metrics.serve(host, instance_ports(port), service.healthy, service.healthy)
    except OSError as error:
        return refuse(f"metrics port {host}:{port}: {error.strerror}")
    try:
        service.start()
        trail.begin()
    except (AuditError, OSError) as error:
        return refuse(f"admin service: {error}")
    stop.wait()
    service.stop()
    trail.stop()
    metrics.close()
    return CLEAN
