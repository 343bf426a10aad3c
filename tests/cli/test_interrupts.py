"""Ctrl-C at any moment: one line and exit code 130, whatever libraries make of it."""

import signal
import subprocess
import sys

import pytest

START = """
import signal, sys, time
import drpl.cli.main

def interrupt():
    signal.raise_signal(signal.SIGINT)

def command(interrupts):
{body}

drpl.cli.main.main = command
from drpl.__main__ import main
main()
"""
PLAIN = "interrupt()"
TURNED = """
try:
    interrupt()
except KeyboardInterrupt as error:
    raise ImportError("numpy is broken") from error
"""
REPORTED = """
from drpl.errors import BackendUnavailable
try:
    interrupt()
except KeyboardInterrupt as error:
    raise BackendUnavailable("cv2 is not installed") from error
"""
SWALLOWED = """
class Closing:
    def __del__(self):
        interrupt()
Closing()
time.sleep(20)
"""
TWICE = """
try:
    interrupt()
finally:
    interrupt()  # as a wrapper forwards it
    sys.stdout.write("unwound")
"""
WELL = """
try:
    interrupt()
except KeyboardInterrupt:
    sys.exit(0)
"""


def run(body, **options):
    indented = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return subprocess.run(
        [sys.executable, "-c", START.format(body=indented)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def heed():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ignore():
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize("body", [PLAIN, TURNED, REPORTED, SWALLOWED, TWICE])
def test_an_interrupt_ends_with_one_line(body):
    done = run(body, preexec_fn=heed)
    assert (done.returncode, done.stderr) == (130, "drpl: interrupted\n")
    assert done.stdout == ("unwound" if body == TWICE else "")


def test_a_command_may_end_well():
    done = run(WELL, preexec_fn=heed)
    assert (done.returncode, done.stderr) == (0, "")


def test_other_errors_stay_what_they_are():
    done = run("raise RuntimeError('a bug')", preexec_fn=heed)
    assert done.returncode == 1
    assert "RuntimeError: a bug" in done.stderr


def test_an_ignored_signal_stays_ignored():
    done = run("interrupt(); sys.stdout.write('done')", preexec_fn=ignore)
    assert (done.returncode, done.stdout) == (0, "done")
