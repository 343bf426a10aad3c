"""All threads share one heap: what one frees, another takes."""

import os
import platform
import subprocess
import sys

import pytest

# each thread leaves the last of its blocks, which keeps the room below it from being given back
THREADS = """
import os, threading
from drpl.core.machine import share_heap

share_heap()
left, turn, done = [], threading.Lock(), threading.Barrier(9)

def work():
    with turn:
        blocks = [b"x" * 100_000 for _ in range(50)]
        left.append(blocks.pop())
        del blocks
    done.wait()

def taken():
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

before = taken()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
done.wait()
print((taken() - before) / 2**20)
"""


def grown_mb(**environment):
    """Megabytes that eight threads leave taken, each of which needs five for a while."""
    done = subprocess.run(
        [sys.executable, "-c", THREADS],
        env={k: v for k, v in os.environ.items() if k != "MALLOC_ARENA_MAX"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have one heap")
def test_threads_share_what_they_free():
    assert grown_mb() < 15
    assert grown_mb(MALLOC_ARENA_MAX="8") > 20
