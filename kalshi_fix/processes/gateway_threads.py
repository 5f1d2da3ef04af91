"""Threads of a gateway: a failure in one of them is the failure of the process.

A gateway that lost a thread would look alive and serve nobody; the supervisor starts a new one,
and starting is recovering.
"""

import os
import threading
from collections.abc import Callable

from kalshi_fix.adapters.acceptor import EXIT_ENGINE_FAILURE
from kalshi_fix.adapters.logs import Log


def start_thread(name: str, work: Callable[[], None], log: Log) -> threading.Thread:
    """Runs ``work`` on a daemon thread; an exception is logged and ends the process."""

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # nothing may end a thread in silence
            log.critical("gateway_thread_failed", thread=name, exc_info=error)
            os._exit(EXIT_ENGINE_FAILURE)

    thread = threading.Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread
