"""Threads share one heap: memory that one frees serves another."""

import os
import platform
import subprocess
import sys

import pytest

# each thread keeps its last block, so that its heap cannot return the memory below
THREADS = """
import os, threading
from drpl.core.machine import share_heap

share_heap()
kept, turn, done = [], threading.Lock(), threading.Barrier(9)

def work():
    with turn:
        blocks = [b"x" * 100_000 for _ in range(50)]
        kept.append(blocks.pop())
        del blocks
    done.wait()

def resident():
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

before = resident()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
done.wait()
print((resident() - before) / 2**20)
"""


def grown_mb(**environment):
    """Return the memory, in MiB, still held after eight threads used 5 MB each for a while."""
    done = subprocess.run(
        [sys.executable, "-c", THREADS],
        env={k: v for k, v in os.environ.items() if k != "MALLOC_ARENA_MAX"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have one heap")
def test_threads_reuse_each_others_freed_memory():
    assert grown_mb() < 15
    assert grown_mb(MALLOC_ARENA_MAX="8") > 20
