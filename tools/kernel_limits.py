"""Resource limits of a running process, set from outside and taken back: the kernel as a fault."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limited(process: int, what: int, most: int) -> Iterator[None]:
    """A process that may have no more than ``most`` of a resource, such as ``RLIMIT_FSIZE``."""
    soft, hard = resource.prlimit(process, what)
    resource.prlimit(process, what, (most, hard))
    try:
        yield
    finally:
        resource.prlimit(process, what, (soft, hard))
