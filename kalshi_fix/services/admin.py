"""From an operator's request to a command, and what an answer is.

A request is text; the table of `admin_operations` says which command it stands for and how its
fields are read. Whether the exchange carries the command out is the core's decision. This module
must not know sockets, tokens, clocks or the bus.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from attrs import field, frozen

from kalshi_fix.messages import commands as c
from kalshi_fix.model import Scope
from kalshi_fix.services.admin_fields import REQUIRED, Field, text
from kalshi_fix.services.admin_operations import OPERATIONS, Operation
from kalshi_fix.services.admin_reads import READINGS, ByShard, Filters, Reading, Row
from kalshi_fix.services.admin_values import InvalidValueError
from kalshi_fix.services.admin_view import ShardView

REQUEST_ID_MAX: Final = 64


class Status(StrEnum):
    """How a request ended; of several shards the one that stands last here decides."""

    DONE = "done"
    UNCONFIRMED = "unconfirmed"  # written, but a shard has not said what came of it
    UNREACHABLE = "unreachable"  # a shard's store did not take it: nothing happened there
    REFUSED = "refused"  # the exchange or the authentication says no; ``reason`` says why
    INVALID = "invalid"  # not a request this service understands


@frozen(kw_only=True)
class Request:
    """What an operator asks. ``request_id`` makes a repeat harmless; ``shard`` "" = not named."""

    operation: str
    args: dict[str, Any] = field(factory=dict)
    request_id: str = ""
    why: str = ""
    shard: str = ""


@frozen(kw_only=True)
class ShardAnswer:
    """What one shard made of a command. ``repeated``: it had been answered before."""

    shard: str
    status: str
    reason: str = ""
    detail: str = ""
    repeated: bool = False


@frozen(kw_only=True)
class Answer:
    """The outcome of a request; ``rows`` is what a reading operation found."""

    status: str
    reason: str = ""
    detail: str = ""
    request_id: str = ""
    shards: tuple[ShardAnswer, ...] = ()
    rows: tuple[dict[str, Any], ...] = ()


@frozen
class Stamp:
    """Who, why, when and under which identity: the head of every operator's command."""

    request_id: str
    operator: str
    why: str
    at: int  # ns UTC


class InvalidRequestError(ValueError):
    """The request cannot be turned into a command; the message names the field."""


class RefusedError(ValueError):
    """The request can be read but not be carried out; the message is the reason."""


def to_command(request: Request, stamp: Stamp, view: ShardView) -> c.AdminCommand:
    """The command a request stands for; ``view`` is what its shard is known to hold.

    Raises:
        InvalidRequestError: unknown operation or field, a field missing or malformed.
        RefusedError: it changes something that does not exist.
    """
    _check_head(request)
    operation = operation_of(request)
    _refuse_unknown_fields(operation.fields, request.args)
    base: Mapping[str, Any] = {}
    values: dict[str, Any] = {}
    for index, spec in enumerate(operation.fields):
        values[spec.name] = _value(spec, request.args.get(spec.name), base)
        if index == 0:
            base = _base(operation, view, values[spec.name])
    command: c.AdminCommand = operation.command(
        stamp.request_id,
        stamp.operator,
        stamp.why,
        stamp.at,
        **{**base, **values, **operation.fixed},
    )
    _check_scope(command)
    return command


def is_reading(request: Request) -> bool:
    """Whether the request only looks."""
    return request.operation in READINGS


@frozen
class Reader:
    """What a reading request finds."""

    reading: Reading
    filters: Filters

    def look(self, view: ShardView) -> list[Row]:
        """In one shard's view."""
        return self.reading.rows(view, self.filters)

    def join(self, by_shard: ByShard) -> list[Row]:
        """In all of them, each row with its shards."""
        return self.reading.join(by_shard, self.filters)


def reader_of(request: Request) -> Reader:
    """How a reading request looks.

    Raises:
        InvalidRequestError: a filter is unknown or malformed.
    """
    reading = READINGS[request.operation]
    _refuse_unknown_fields(reading.filters, request.args)
    filters = {
        spec.name: _value(spec, request.args[spec.name], {})
        for spec in reading.filters
        if request.args.get(spec.name) is not None
    }
    return Reader(reading, filters)


def operation_of(request: Request) -> Operation:
    """The row of the table for a request.

    Raises:
        InvalidRequestError: there is none.
    """
    operation = OPERATIONS.get(request.operation)
    if operation is None:
        raise InvalidRequestError(f"no operation {request.operation!r}")
    return operation


def combine(request_id: str, shards: Sequence[ShardAnswer]) -> Answer:
    """One answer out of the shards': refused, silent and unreachable ones decide and are named."""
    order = list(Status)
    worst = max(shards, key=lambda answer: order.index(Status(answer.status)))
    same = [answer for answer in shards if answer.status == worst.status]
    detail = worst.detail
    if worst.status != Status.DONE and len(shards) > 1:
        names = ", ".join(answer.shard for answer in same)
        detail = f"shard {names}: {detail}" if detail else f"shard {names}"
    return Answer(
        status=worst.status,
        reason=worst.reason,
        detail=detail,
        request_id=request_id,
        shards=tuple(shards),
    )


def _check_head(request: Request) -> None:
    request_id = request.request_id
    if not 1 <= len(request_id) <= REQUEST_ID_MAX or not request_id.isprintable():
        raise InvalidRequestError(f"request_id: 1 to {REQUEST_ID_MAX} printable characters")
    try:
        text(request.why)
    except InvalidValueError as error:
        raise InvalidRequestError(f"why: {error}") from error


def _refuse_unknown_fields(fields: Sequence[Field], args: Mapping[str, Any]) -> None:
    allowed = [spec.name for spec in fields]
    for name in args:
        if name not in allowed:
            listed = ", ".join(allowed) or "none"
            raise InvalidRequestError(f"no field {name!r} here; the fields are: {listed}")


def _value(spec: Field, given: object, base: Mapping[str, Any]) -> Any:
    """What a field is: as given, else as it is now, else its default."""
    if given is None:
        found = base.get(spec.name, spec.default)
        if found is REQUIRED:
            raise InvalidRequestError(f"{spec.name} is missing")
        return found
    try:
        return spec.read(given)
    except InvalidValueError as error:
        raise InvalidRequestError(f"{spec.name}: {error}") from error


def _base(operation: Operation, view: ShardView, name: str) -> Mapping[str, Any]:
    if operation.base is None:
        return {}
    found = operation.base(view, name)
    if found is None and operation.absent:
        raise RefusedError(operation.absent)
    return found or {}


def _check_scope(command: c.AdminCommand) -> None:
    """A kill switch names a session or a firm, and nothing for the exchange."""
    if isinstance(command, c.KillSwitch):
        names_one = command.scope != Scope.EXCHANGE
        if names_one != bool(command.name):
            raise InvalidRequestError("name: a session or a firm is named, the exchange is not")
