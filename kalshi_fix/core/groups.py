"""Order groups: a limit on matched contracts in a rolling window, which cancels all when reached.

The match that reaches the limit completes; then every order of the group is cancelled and new
ones are refused until a reset. A group belongs to one account. Where there are several shards each
has a group of the same name, counts what matched in its own markets, and cancels there.
"""

from __future__ import annotations

from collections import deque
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from attrs import Factory, define

from kalshi_fix.core import ending, plain
from kalshi_fix.messages.events import OrderGroupChanged
from kalshi_fix.model import GroupAction, Reason

if TYPE_CHECKING:
    from kalshi_fix.core.order import Order
    from kalshi_fix.core.parties import Account, Session
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import ManageOrderGroup

WINDOW: Final = 15 * plain.NANOS
_NAME_BYTES: Final = 10
LIMIT_MIN: Final = 100  # one contract
LIMIT_MAX: Final = 100_000_000  # a million contracts


@define(slots=True, eq=False)
class Group:
    """One order group. ``matched`` is the sum over ``window``, rows of (time, quantity)."""

    group_id: str
    account: Account
    limit: int
    triggered: bool = False
    matched: int = 0
    window: deque[tuple[int, int]] = Factory(deque)
    orders: dict[int, Order] = Factory(dict)

    def note(self, at: int, quantity: int) -> None:
        """Counts a match."""
        self.window.append((at, quantity))
        self.matched += quantity
        self.forget(at)

    def forget(self, at: int) -> None:
        """Drops what has left the window."""
        window = self.window
        while window and window[0][0] <= at - WINDOW:
            self.matched -= window.popleft()[1]

    @property
    def is_reached(self) -> bool:
        """Whether the limit is reached and not yet acted upon."""
        return not self.triggered and self.matched >= self.limit


def trigger(state: State, group: Group) -> None:
    """Acts on a limit that was reached: says so, then cancels every order of the group."""
    group.triggered = True
    _report(state, group, GroupAction.TRIGGER)
    cancel_all(state, group)


def cancel_all(state: State, group: Group) -> None:
    """Cancels the group's orders, oldest first."""
    for order in sorted(group.orders.values(), key=lambda order: order.order_id):
        ending.cancel(state, order, Reason.ORDER_GROUP_CANCEL.value)


def manage(state: State, session: Session, command: ManageOrderGroup) -> None:
    """Carries out OrderGroupRequest (UOG) and answers it."""
    account = state.desk(session, command.account).account
    reason = ""
    group: Group | None = None
    if account is None:
        reason = Reason.ACCOUNT_NOT_PERMITTED.value
    elif command.action in {GroupAction.CREATE, GroupAction.UPDATE} and not (
        LIMIT_MIN <= command.limit <= LIMIT_MAX
    ):
        reason = Reason.INVALID_QUANTITY.value
    elif command.action == GroupAction.CREATE:
        if len(account.groups) >= state.config.groups_per_account:
            reason = Reason.EXCEEDED_ORDER_GROUP_LIMIT.value
        else:
            group = _create(state, account, command)
    else:
        group = account.groups.get(command.group_id)
        if group is None or command.action not in _ACTIONS:
            reason = Reason.ORDER_GROUP_NOT_FOUND.value
    if reason or group is None:
        _refuse(state, session, command, reason)
        return
    _ACTIONS[command.action](state, session, command, group)


def _create(state: State, account: Account, command: ManageOrderGroup) -> Group:
    state.group_count += 1
    group = Group(_name(state, command), account, command.limit)
    account.groups[group.group_id] = group
    state.groups[group.group_id] = group
    return group


def _name(state: State, command: ManageOrderGroup) -> str:
    """A counter's; what every shard creates is named after the request, so in each the same."""
    if command.everywhere:
        request = f"{command.everywhere} {command.session}"
        return f"G{blake2b(request.encode(), digest_size=_NAME_BYTES).hexdigest()}"
    suffix = f".{state.shard_index}" if state.shard_index else ""
    return f"G{state.group_count}{suffix}"


def _answer(state: State, session: Session, command: ManageOrderGroup, group: Group) -> None:
    _report(state, group, command.action, session.name, command)


def _reset(state: State, session: Session, command: ManageOrderGroup, group: Group) -> None:
    group.triggered = False
    group.window.clear()
    group.matched = 0
    _answer(state, session, command, group)


def _delete(state: State, session: Session, command: ManageOrderGroup, group: Group) -> None:
    del group.account.groups[group.group_id]
    del state.groups[group.group_id]
    group.triggered = True
    _answer(state, session, command, group)
    cancel_all(state, group)


def _trigger_now(state: State, session: Session, command: ManageOrderGroup, group: Group) -> None:
    group.triggered = True
    _answer(state, session, command, group)
    cancel_all(state, group)


def _update(state: State, session: Session, command: ManageOrderGroup, group: Group) -> None:
    group.limit = command.limit
    group.forget(state.at)
    _answer(state, session, command, group)
    if group.is_reached:
        trigger(state, group)


_ACTIONS: Final = {
    int(GroupAction.CREATE): _answer,
    int(GroupAction.RESET): _reset,
    int(GroupAction.DELETE): _delete,
    int(GroupAction.TRIGGER): _trigger_now,
    int(GroupAction.UPDATE): _update,
}


def _report(
    state: State,
    group: Group,
    action: int,
    session: str = "",
    command: ManageOrderGroup | None = None,
) -> None:
    state.out.append(
        OrderGroupChanged(
            state.next_number(),
            state.at,
            group.account.firm.name,
            session,
            command.seq if command is not None else 0,
            int(action),
            group.group_id,
            group.account.name,
            group.limit,
            group.triggered,
            "",
            command.everywhere if command is not None else (),
        )
    )


def _refuse(state: State, session: Session, command: ManageOrderGroup, reason: str) -> None:
    state.out.append(
        OrderGroupChanged(
            state.next_number(),
            state.at,
            session.firm.name,
            session.name,
            command.seq,
            command.action,
            command.group_id,
            command.account,
            command.limit,
            False,
            reason,
            command.everywhere,
        )
    )
