"""The admin service's link to one shard: its picture of the shard, and the way to write to it.

A thread reads `evt`, from where the saved view ends; whoever asks takes the lock. A command is
appended by the asking thread, again under the same request id when the outcome is unknown, and its
answer is waited for in the view. It must not know operators or operations.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from kalshi_fix.adapters.bus import Bus, BusError, OutcomeUnknownError, Position, ShardState
from kalshi_fix.adapters.logs import Log
from kalshi_fix.messages.batch import CommandBatch, EventEntry
from kalshi_fix.messages.commands import AdminCommand
from kalshi_fix.messages.content import content_of
from kalshi_fix.processes.admin_saves import SavedView
from kalshi_fix.services.admin import ShardAnswer, Status
from kalshi_fix.services.admin_view import REQUEST_ID_USED, ShardView

T = TypeVar("T")

WRITER: Final = "admin"
READER: Final = "admin"
READ_COUNT: Final = 200  # entries at a time
READ_BLOCK_MS: Final = 500
SPACING_SECONDS: Final = 0.02
RETRY_SECONDS: Final = 0.2


class ShardLink:
    """One shard, seen and written."""

    def __init__(
        self, shard: str, connect: Callable[[str], Bus], path: Path, save_seconds: float, log: Log
    ) -> None:
        self.shard = shard
        self.fault = ""  # why the view follows no longer
        self._log = log.bind(shard=shard)
        self._view = ShardView()
        self._saved = SavedView(path, self._log)
        self._save_seconds = save_seconds
        self._save_due = 0.0  # 0 = the saved view is still to be loaded
        self._state_hash = b""
        self._changed = threading.Condition()  # guards the view
        self._events = connect(shard)
        self._commands = connect(shard)
        self._writing = threading.Lock()  # a bus is one thread's at a time
        self._stopping = threading.Event()
        self._reader = threading.Thread(
            target=self._read, name=f"admin-events-{shard}", daemon=True
        )

    def start(self) -> None:
        """Starts reading events."""
        self._reader.start()

    def stop(self) -> None:
        """Stops reading and closes both connections."""
        self._stopping.set()
        self._events.close()
        self._reader.join()
        with self._writing:
            self._commands.close()

    def look(self, read: Callable[[ShardView], T]) -> T:
        """What ``read`` finds in the view; nothing of the view may be kept."""
        with self._changed:
            return read(self._view)

    def catch_up(self, seconds: float) -> bool:
        """Waits until the view holds everything that had happened when this was called.

        Raises:
            BusError: the store does not answer.
        """
        number = self.newest()
        with self._changed:
            return self._changed.wait_for(lambda: self._view.number >= number, seconds)

    def newest(self) -> int:
        """Number of the shard's last event, 0 = none yet.

        Raises:
            BusError: the store does not answer.
        """
        with self._writing:
            entry = self._commands.last_event()
        return int(entry.id.partition("-")[0]) if entry else 0

    def pause(self, seconds: float) -> None:
        """Waits, but not beyond `stop`."""
        self._stopping.wait(seconds)

    def carry_out(self, command: AdminCommand, deadline: float) -> ShardAnswer:
        """Appends a command and waits for what the shard says; ``deadline`` as `monotonic`."""
        earlier = self._answer_to(command, repeated=True)
        if earlier is not None:
            return earlier
        unwritten = self._append(command, deadline)
        if unwritten is not None:
            return unwritten
        with self._changed:
            self._changed.wait_for(
                lambda: command.request_id in self._view.answers,
                max(0.0, deadline - time.monotonic()),
            )
        found = self._answer_to(command, repeated=False)
        if found is not None:
            return found
        return ShardAnswer(
            shard=self.shard,
            status=Status.UNCONFIRMED,
            reason="NOT_ANSWERED",
            detail="written, but not answered in time",
        )

    def state(self) -> tuple[ShardState, dict[str, Position]]:
        """Who leads the shard and how far its readers are.

        Raises:
            BusError: the store does not answer.
        """
        with self._writing:
            return self._commands.state(), self._commands.positions()

    def _answer_to(self, command: AdminCommand, *, repeated: bool) -> ShardAnswer | None:
        """The answer the shard has given to this request id, if it has."""
        event = self.look(lambda view: view.answers.get(command.request_id))
        if event is None:
            return None
        if event.content not in {"", content_of(command)}:
            return ShardAnswer(
                shard=self.shard,
                status=Status.REFUSED,
                reason=REQUEST_ID_USED,
                detail=f"{event.operator} used it for {event.command}, with what it then asked for",
            )
        return ShardAnswer(
            shard=self.shard,
            status=Status.REFUSED if event.reason else Status.DONE,
            reason=event.reason,
            detail=event.detail,
            repeated=repeated,
        )

    def _append(self, command: AdminCommand, deadline: float) -> ShardAnswer | None:
        """Writes the command; None when it is written, else what to say."""
        payload = CommandBatch(WRITER, {}, [command]).pack()
        may_be_written = False
        failure: BusError
        while True:
            try:
                with self._writing:
                    self._commands.append_commands(payload)
            except OutcomeUnknownError as error:
                may_be_written = True  # the same request id again is harmless
                failure = error
            except BusError as error:
                failure = error
            else:
                return None
            self._log.warning("admin_append_failed", cause=str(failure))
            if time.monotonic() + RETRY_SECONDS > deadline or self._stopping.is_set():
                break
            self._stopping.wait(RETRY_SECONDS)
        if may_be_written:
            return ShardAnswer(
                shard=self.shard,
                status=Status.UNCONFIRMED,
                reason="NOT_ANSWERED",
                detail=f"it may have been written: {failure}",
            )
        return ShardAnswer(
            shard=self.shard,
            status=Status.UNREACHABLE,
            reason="STORE_UNREACHABLE",
            detail=f"nothing was written: {failure}",
        )

    def _read(self) -> None:
        try:
            while not self._stopping.is_set():
                self._read_some()
            self._saved.save(self._view, self._state_hash)
        except Exception as error:  # noqa: BLE001 - events of a newer version, a view gone wrong
            self.fault = f"shard {self.shard}: {error}"
            self._log.exception("admin_view_stopped")

    def _read_some(self) -> None:
        try:
            if not self._save_due:
                self._load()
            entries = self._events.read_events(self._view.number, READ_COUNT, READ_BLOCK_MS)
            if time.monotonic() > self._save_due:
                self._save()
        except BusError as error:
            if not self._stopping.is_set():
                self._log.warning("admin_events_unreachable", cause=str(error))
            self._stopping.wait(RETRY_SECONDS)
            return
        for entry in entries:
            self._take(EventEntry.unpack(entry.payload))
        if entries:
            self._stopping.wait(SPACING_SECONDS)  # nobody here is in such a hurry

    def _load(self) -> None:
        view, self._state_hash = self._saved.load(self._events)
        with self._changed:
            self._view = view
        self._save_due = time.monotonic() + self._save_seconds

    def _save(self) -> None:
        """The position keeps the entry by which the saved view is recognised from being trimmed."""
        self._save_due = time.monotonic() + self._save_seconds
        if self._saved.save(self._view, self._state_hash):
            self._events.set_position(READER, self._view.number - 1, time.time_ns())

    def _take(self, entry: EventEntry) -> None:
        """One entry at a time: an answer is never seen without what it was about."""
        events = [*entry.market_events(), *entry.events()]
        with self._changed:
            for event in events:
                self._view.apply(event)
            self._view.number = entry.last
            self._state_hash = entry.state_hash
            self._changed.notify_all()
