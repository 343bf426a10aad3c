"""Resources of the machine: cores, memory, heaps, child processes."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import active_children, parent_process, resource_tracker
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn

ARENA_MAX = -8
"""Parameter of glibc's ``mallopt`` that limits the number of heaps."""


def share_heap() -> None:
    """Let all threads of this process allocate from one heap, if the C library is glibc.

    glibc assigns up to eight heaps per core to threads as these start, and each keeps room for the
    largest arrays ever freed in it: where each frame starts new threads, peak memory grows until
    every heap has served every kind of work.

    This changes the whole process: programs may call it; a library should do so only under a memory
    limit. Existing heaps stay, so call it before threads start. ``MALLOC_ARENA_MAX`` in the
    environment overrides it.
    """
    if sys.platform != "linux" or "MALLOC_ARENA_MAX" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(ARENA_MAX, 1)


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def start_uninterrupted(process: SpawnProcess) -> None:
    """Start a process in which SIGINT waits until it is `interruptible`."""
    if sys.platform == "win32":
        process.start()
        return
    resource_tracker.ensure_running()  # else `start` would do so, and let SIGINT pass
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt in a process that holds it back otherwise."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, _interrupt_once)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])


def _interrupt_once(*_: Any) -> NoReturn:
    """Raise KeyboardInterrupt, and ignore the signals that a terminal and the parent send too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def interrupt_children() -> None:
    """Send SIGINT to the processes that this one has started with `multiprocessing`."""
    for child in active_children():
        if child.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGINT)


def begin_child() -> None:
    """Set up a child process that fuses one stack; it ends with its parent, even a killed one."""
    share_heap()
    parent = parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=follow, daemon=True).start()


def memory_mb() -> int | None:
    """Return the available memory in megabytes, or None if the system does not report it."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) // 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    return None


def peak_memory_mb() -> float | None:
    """Return the peak memory of this process in megabytes, or None if it is not reported."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage may report the peak of the process that started this one
        peak = status.read_text(encoding="utf-8").split("VmHWM:")[1].split()[0]
        return round(int(peak) * 1024 / 1e6, 1)
    if sys.platform == "win32":
        return None
    import resource

    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1)
