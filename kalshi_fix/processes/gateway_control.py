"""The lane's control socket: one JSON line per question of the edge, one per answer.

A thread per connection, because an answer waits for the core. Knows lines and sockets; what they
mean is `gateway_opening`.

The FIX engine looks once more at a socket it has closed, by its number. Had the question of a
client that comes back at once been given that number, the engine would swallow it. So connections
are accepted on a low number kept for that, and moved out of the engine's reach.
"""

import fcntl
import os
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from kalshi_fix.adapters.control import OpenAnswer, OpenRequest, from_line, to_line
from kalshi_fix.adapters.logs import Log

LINE_BYTES_MAX: Final = 4_096
_IDLE_SECONDS: Final = 30.0
_OUT_OF_REACH: Final = 512  # above any number the engine's own connections get
Answer = Callable[[OpenRequest], OpenAnswer]


class ControlServer:
    """Listens on the unix socket; a file left by a killed process is replaced."""

    def __init__(self, path: Path, answer: Answer, connections_max: int, log: Log) -> None:
        self._path = path
        with suppress(FileNotFoundError):
            path.unlink()
        self._server = _Server(path, answer, connections_max, log)
        path.chmod(0o600)

    def start(self) -> None:
        """Starts answering."""
        threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="control", daemon=True
        ).start()

    def stop(self) -> None:
        """Answers nobody any more."""
        self._server.shutdown()
        self._server.server_close()
        with suppress(FileNotFoundError):
            self._path.unlink()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, path: Path, answer: Answer, connections_max: int, log: Log) -> None:
        self.answer = answer
        self.log = log
        self._free = threading.BoundedSemaphore(connections_max)
        self._reserved = os.open(os.devnull, os.O_RDONLY)
        super().__init__(str(path), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accepts on the reserved number, then moves the connection up; see the module."""
        os.close(self._reserved)
        try:
            with self.socket.accept()[0] as accepted:
                moved = fcntl.fcntl(accepted.fileno(), fcntl.F_DUPFD_CLOEXEC, _OUT_OF_REACH)
        finally:
            self._reserved = os.open(os.devnull, os.O_RDONLY)
        return socket.socket(fileno=moved), ""

    def server_close(self) -> None:
        """Closes the listener and what was reserved."""
        super().server_close()
        os.close(self._reserved)

    def process_request(self, request: Any, client_address: Any) -> None:
        """One thread per connection, as many as are allowed."""
        if not self._free.acquire(blocking=False):
            self.log.warning("too_many_control_connections")
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Gives the place back, however the connection ends."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Called within the handler of what went wrong."""
        self.log.error("control_connection_failed", exc_info=True)  # noqa: LOG014


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    timeout = _IDLE_SECONDS

    def handle(self) -> None:
        """Answers line by line until the edge closes."""
        with suppress(ConnectionError, socket.timeout):
            while line := self.rfile.readline(LINE_BYTES_MAX):
                try:
                    request = from_line(OpenRequest, line)
                except (ValueError, TypeError):
                    self.server.log.exception("control_line_not_understood")
                    return
                self.wfile.write(to_line(self.server.answer(request)))
