"""The machine: cores, memory, the heap, child processes."""

from __future__ import annotations

import ctypes
import os
import sys
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread

ARENA_MAX = -8
"""What glibc's `mallopt` calls the number of heaps."""


def share_heap() -> None:
    """Let all threads of this process allocate from one heap, where the C library is glibc.

    It changes the whole process: for programs to call, and for libraries only where they are
    given a limit of memory. Heaps that are there already stay, so it is best called before threads
    begin. ``MALLOC_ARENA_MAX`` in the environment counts more.

    Notes
    -----
    glibc makes up to eight heaps for each core, and deals them out to threads as these begin. Each
    heap keeps room for the largest arrays that any thread ever freed in it: with threads that come
    and go with each frame, peak memory grows until all heaps were met by all kinds of work.
    """
    if sys.platform != "linux" or "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(ARENA_MAX, 1)


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def begin_child() -> None:
    """Prepare a process that fuses one stack."""
    share_heap()
    _end_with_parent()


def _end_with_parent() -> None:
    """See to it that this process ends when its parent does, be it killed."""
    parent = parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=follow, daemon=True).start()


def memory_mb() -> int | None:
    """Megabytes of memory that can be had now, or None where the system does not tell."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) // 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    return None


def peak_memory_mb() -> float | None:
    """Peak memory of this process in megabytes, or None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():
        # not getrusage: its peak may be that of the process that started this one
        peak = status.read_text(encoding="utf-8").split("VmHWM:")[1].split()[0]
        return round(int(peak) * 1024 / 1e6, 1)
    if sys.platform == "win32":
        return None
    import resource

    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1)
