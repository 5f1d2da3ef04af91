"""The admin service's protocol: JSON lines over a unix socket only its owner may open.

A connection starts with a `Login`; after it is accepted every line is a `Request` and gets one
`Answer`. The server bounds connections, line length and idle time; what a request means is decided
by the handler it is given.
"""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from attrs import asdict, frozen

from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.settings import AdminSettings
from kalshi_fix.services.admin import Answer, Request, ShardAnswer, Status

T = TypeVar("T")

ACCEPT_RETRY_SECONDS: Final = 0.2


class AdminUnreachableError(Exception):
    """Nobody answers on the socket; the message is one line with the way out."""


@frozen(kw_only=True)
class Login:
    """The first line of a connection."""

    operator: str
    token: str


Authenticate = Callable[[Login], str]  # "" = welcome, else the reason
Handle = Callable[[str, Request], Answer]  # operator, request


def to_line(message: Login | Request | Answer) -> bytes:
    """One JSON line."""
    return json.dumps(asdict(message), separators=(",", ":")).encode() + b"\n"


def from_line(cls: type[T], line: bytes) -> T:
    """The message of a line.

    Raises:
        ValueError: the line is not JSON, not an object, or has other fields than ``cls``.
    """
    row: Any = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError("a line is one JSON object")  # noqa: TRY004 - one kind of refusal
    try:
        return cls(**row)
    except TypeError as error:
        raise ValueError(str(error).partition(" ")[2]) from error


def login_from_line(line: bytes) -> Login:
    """The login of a line.

    Raises:
        ValueError: as `from_line`, or a field is not text.
    """
    login = from_line(Login, line)
    _check_text(login, "operator", "token")
    return login


def request_from_line(line: bytes) -> Request:
    """The request of a line, every part of the kind it must be.

    Raises:
        ValueError: as `from_line`, or a field is not text (``args``: not a table).
    """
    request = from_line(Request, line)
    _check_text(request, "operation", "request_id", "why", "shard")
    if not isinstance(request.args, dict):
        raise ValueError("args is a table of fields")  # noqa: TRY004 - one kind of refusal
    return request


def _check_text(message: object, *names: str) -> None:
    for name in names:
        if not isinstance(getattr(message, name), str):
            raise ValueError(f"{name} is text")  # noqa: TRY004 - one kind of refusal


def answer_from_line(line: bytes) -> Answer:
    """The answer of a line. Raises ValueError as `from_line`."""
    row = json.loads(line)
    shards = tuple(ShardAnswer(**shard) for shard in row.pop("shards"))
    return Answer(**{**row, "shards": shards, "rows": tuple(row["rows"])})


class AdminServer:
    """Accepts connections and serves each in a thread of its own."""

    def __init__(
        self,
        path: Path,
        settings: AdminSettings,
        log: Log,
        authenticate: Authenticate,
        handle: Handle,
    ) -> None:
        self._path = path
        self._settings = settings
        self._log = log
        self._authenticate = authenticate
        self._handle = handle
        self._free = threading.Semaphore(settings.connections_max)
        self._stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Listens.

        Raises:
            OSError: the socket cannot be made, or another service answers on it.
        """
        self._listener = _listen(self._path)
        self._acceptor = threading.Thread(target=self._accept, name="admin-accept", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Stops listening and cuts what is open; a command already written stays written."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        self._acceptor.join()
        self._listener.close()
        self._path.unlink(missing_ok=True)
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):  # the peer was faster
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if not self._stopping.is_set():  # out of file descriptors: it will pass
                    self._log.error("admin_accept_failed", cause=str(error))
                    self._stopping.wait(ACCEPT_RETRY_SECONDS)
                continue
            connection.settimeout(self._settings.idle_seconds)
            if not self._free.acquire(blocking=False):
                self._log.warning("admin_connection_refused", reason="connections_max")
                _send(connection, Answer(status=Status.REFUSED, reason="too many connections"))
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
        try:
            with connection, connection.makefile("rb") as lines:
                self._converse(connection, lines.readline)
        except OSError as error:
            self._log.info("admin_connection_lost", cause=str(error))
        finally:
            with self._lock:
                self._open.discard(connection)
            self._free.release()

    def _converse(self, connection: socket.socket, read_line: Callable[[int], bytes]) -> None:
        operator = ""
        while line := read_line(self._settings.line_bytes + 1):
            if not line.endswith(b"\n"):
                too_long = f"a line is at most {self._settings.line_bytes} bytes"
                _send(connection, Answer(status=Status.INVALID, reason=too_long))
                return
            operator, answer = self._answer(operator, line)
            _send(connection, answer)
            if not operator:
                return

    def _answer(self, operator: str, line: bytes) -> tuple[str, Answer]:
        """Who the connection belongs to after a line ("" = nobody), and the answer to it."""
        try:
            message = request_from_line(line) if operator else login_from_line(line)
        except (ValueError, RecursionError) as error:
            return operator, Answer(status=Status.INVALID, reason=str(error))
        try:
            if isinstance(message, Login):
                return self._log_in(message)
            return operator, self._handle(operator, message)
        except Exception:  # noqa: BLE001 - whatever failed, the operator learns that it is open
            self._log.exception("admin_request_failed", operator=operator)
            return operator, Answer(status=Status.UNCONFIRMED, reason="INTERNAL_ERROR")

    def _log_in(self, login: Login) -> tuple[str, Answer]:
        reason = self._authenticate(login)
        if reason:
            self._stopping.wait(self._settings.failed_login_seconds)
            return "", Answer(status=Status.REFUSED, reason=reason)
        return login.operator, Answer(status=Status.DONE)


class AdminClient:
    """One operator's connection; use it in a ``with`` block."""

    def __init__(self, path: Path, timeout_seconds: float) -> None:
        self._path = path
        self._timeout_seconds = timeout_seconds

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(self._timeout_seconds)
        try:
            self._socket.connect(os.fspath(self._path))
        except OSError as error:
            self._socket.close()
            raise AdminUnreachableError(
                f"no admin service on {self._path} ({error.strerror or error}): "
                "is the system running, and is this its --data directory?"
            ) from error
        self._lines = self._socket.makefile("rb")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._socket.close()

    def ask(self, message: Login | Request) -> Answer:
        """Sends one line and waits for its answer.

        Raises:
            AdminUnreachableError: no answer came; what was asked may have been carried out.
        """
        try:
            with contextlib.suppress(
                BrokenPipeError
            ):  # its reason for closing may be there to read
                self._socket.sendall(to_line(message))
            line = self._lines.readline()
        except OSError as error:
            raise AdminUnreachableError(f"the admin service did not answer: {error}") from error
        if not line:
            raise AdminUnreachableError("the admin service closed the connection")
        return answer_from_line(line)


def _listen(path: Path) -> socket.socket:
    """A listening socket with mode 0600; what a dead service left behind is replaced."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
        try:
            probe.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError):
            path.unlink(missing_ok=True)
        else:
            raise OSError(f"another admin service answers on {path}")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.fspath(path))  # its directory has mode 0700: nobody is faster than the chmod
    path.chmod(0o600)
    listener.listen()
    return listener


def _send(connection: socket.socket, answer: Answer) -> None:
    with contextlib.suppress(OSError):  # a peer that left does not want its answer
        connection.sendall(to_line(answer))
