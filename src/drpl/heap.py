"""The heap of the C library: one for all threads, or each keeps what any thread freed."""

from __future__ import annotations

import ctypes
import os
import sys

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
