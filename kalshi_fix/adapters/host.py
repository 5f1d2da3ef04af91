"""What the machine under a process has left: disk, memory, and how right its clock is.

Looked at before a scrape. The clock's offset is what the kernel was told by whatever keeps it
(chrony, ntpd); where nothing does, it says so instead of guessing.
"""

import ctypes
import os
import struct
from pathlib import Path
from typing import Final

from kalshi_fix.adapters.metrics import Metrics

_TIMEX_BYTES: Final = 256  # of the kernel's struct, with room
_HEAD: Final = "i4xqqqqi"  # modes, offset, freq, maxerror, esterror, status
_STATUS_UNSYNCHRONISED: Final = 0x40
_STATUS_NANOSECONDS: Final = 0x2000


class HostGauges:
    """The gauges of one process's host."""

    def __init__(self, metrics: Metrics, directory: Path, resident_bytes_max: int) -> None:
        self._directory = directory
        self._free = metrics.gauge(
            "fixgw_disk_free_bytes", "Left where the data directory is [> 15 %]"
        )
        self._size = metrics.gauge("fixgw_disk_size_bytes", "Size of that disk [any]")
        self._offset = metrics.gauge(
            "clock_offset_seconds",
            "This machine's clock against UTC, as its time service says [within 0.001]",
        )
        self._synchronised = metrics.gauge(
            "clock_synchronised", "1 while a time service keeps the clock [1]"
        )
        metrics.gauge(
            "fixgw_resident_memory_limit_bytes",
            "Configured; process_resident_memory_bytes stays below [any]",
        ).set(resident_bytes_max)
        self._libc = ctypes.CDLL(None)
        metrics.before_scrape(self.look)

    def look(self) -> None:
        """Before a scrape."""
        disk = os.statvfs(self._directory)
        self._free.set(disk.f_bavail * disk.f_frsize)
        self._size.set(disk.f_blocks * disk.f_frsize)
        offset, is_synchronised = self._clock()
        self._offset.set(offset)
        self._synchronised.set(is_synchronised)

    def _clock(self) -> tuple[float, bool]:
        """Offset in seconds, and whether anybody keeps it."""
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes 0: nothing is set
        if self._libc.adjtimex(buffer) < 0:
            return 0.0, False
        _, offset, _, _, _, status = struct.unpack_from(_HEAD, buffer)
        if status & _STATUS_UNSYNCHRONISED:
            return 0.0, False
        return offset / (1e9 if status & _STATUS_NANOSECONDS else 1e6), True
