"""One failing message never stops a session: its sender gets an answer, the caller a cause.

The gateway's shell calls services through `translate_safely` and counts what comes back; a failure
of the shell itself is not caught here, nor anywhere.
"""

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.refusals import internal_error
from kalshi_fix.services.service import Reaction, Service, SessionView


def translate_safely(
    service: Service, session: SessionView, message: FixMessage, at: int
) -> tuple[Reaction, Exception | None]:
    """``service.on_message``, or the answer to a message on which it failed, with the cause.

    The answer is D: 8, F and G: 9, anything else: j, each with INTERNAL_ERROR. Commands of a
    failed translation never reach the bus.
    """
    try:
        return service.on_message(session, message, at), None
    except Exception as error:  # noqa: BLE001 - whatever it is, this one message is answered
        return _failure(service, session, message, at), error


def _failure(service: Service, session: SessionView, message: FixMessage, at: int) -> Reaction:
    on_failure = getattr(service, "on_failure", None)
    if on_failure is not None:
        reaction: Reaction = on_failure(session, message, at)
        return reaction
    exec_id = f"R;{session.name};{message.get(34)}"
    return Reaction([internal_error(message, exec_id, at, microseconds=session.microseconds)], [])
