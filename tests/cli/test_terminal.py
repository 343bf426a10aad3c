"""The terminal of a user: progress on a screen, Ctrl-C, and completion by the shell."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from drawing import striped_stack
from drpl.io.read import read_frame
from drpl.io.write import write_image
from matrices import first_of

PATIENCE = 60
"""Seconds to wait for output before a test fails."""
COMMAND = [
    sys.executable,
    "-c",
    "import sys; sys.argv[0] = 'drpl'; from drpl.__main__ import main; main()",
]


def write_stack(folder, count=3, size=(72, 96)):
    folder.mkdir(parents=True)
    for number, frame in enumerate(striped_stack(count, *size)[0]):
        write_image(folder / f"{number}.png", frame)
    return folder


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


class Screen:
    """Process in a terminal of its own."""

    def __init__(self, *arguments):
        import pty

        self.text = ""
        self.process, self._descriptor = pty.fork()
        if self.process == 0:
            os.environ["TERM"] = "xterm"
            os.execv(sys.executable, [*COMMAND, *map(str, arguments)])

    def read(self):
        """Return the next output; an empty string once the process has ended."""
        assert select.select([self._descriptor], [], [], PATIENCE)[0], self.text
        try:
            found = os.read(self._descriptor, 65536).decode(errors="replace")
        except OSError:  # Linux reports a closed terminal this way
            found = ""
        self.text += found
        return found

    def wait_for(self, words):
        while words not in self.text:
            assert self.read(), self.text

    def press_ctrl_c(self):
        os.write(self._descriptor, b"\x03")

    def end(self):
        """Wait for the end and return the exit code."""
        while self.read():
            pass
        code = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        os.close(self._descriptor)
        return code


@pytest.fixture
def screen():
    pytest.importorskip("pty")
    started = []

    def start(*arguments):
        started.append(Screen(*arguments))
        return started[-1]

    yield start
    for one in started:
        try:
            os.kill(one.process, signal.SIGKILL)
            os.waitpid(one.process, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def test_progress_is_shown_on_a_screen_and_then_cleared(screen, tmp_path):
    folder = write_stack(tmp_path / "in")
    shown = screen("fuse", folder, "-o", tmp_path / "out.png", "--threads", 1)
    assert shown.end() == 0
    assert "look" in shown.text
    assert "fuse" in shown.text
    assert "3/3" in shown.text
    # the last line stays on the screen
    last = shown.text.rsplit("\x1b[2K", 1)[1]
    assert "out.png: 96x72, 3 of 3 frames" in " ".join(last.split())
    shown = screen("fuse", folder, "-o", tmp_path / "b.png", "--threads", 1, "--quiet")
    assert shown.end() == 0
    assert shown.text == ""


def test_a_pipe_gets_no_progress(tmp_path):
    folder = write_stack(tmp_path / "in")
    output = tmp_path / "[bold]with a name that is longer than a line of a terminal is wide.png"
    arguments = ["fuse", folder, "-o", output, "--threads", "1"]
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith(f"{output}: 96x72, 3 of 3 frames")
    assert done.stdout.count("\n") == 1
    assert "\x1b" not in done.stdout


def test_ctrl_c_while_fusing_leaves_nothing_behind(screen, tmp_path):
    folder = write_stack(tmp_path / "in", 6, (600, 800))
    before = names(tmp_path)
    shown = screen("fuse", folder, "-o", tmp_path / "out.png", "--maps", tmp_path / "maps")
    shown.wait_for("fuse")
    shown.press_ctrl_c()
    assert shown.end() == 130
    assert "Traceback" not in shown.text
    assert names(tmp_path) == before


@pytest.mark.parametrize("jobs", first_of([1, 2]))
def test_a_watched_folder_is_fused_as_it_fills(screen, tmp_path, jobs):
    whole = write_stack(tmp_path / "whole")
    root, output = tmp_path / "in", tmp_path / "out"
    root.mkdir()
    options = ["--settle", 0.4, "--jobs", jobs, "--threads", jobs]
    shown = screen("batch", root, "-o", output, "--watch", *options)
    shown.wait_for("press Ctrl-C to stop")
    for name in ("moth", "fly"):
        (root / name).mkdir()
        for source in sorted(whole.iterdir()):
            content = source.read_bytes()
            with (root / name / source.name).open("wb") as stream:
                for start in range(0, len(content), 9000):
                    stream.write(content[start : start + 9000])
                    stream.flush()
                    time.sleep(0.05)
    for name in ("moth", "fly"):
        shown.wait_for(f"{name}: 3 frames")
    shown.press_ctrl_c()
    assert shown.end() == 130
    assert "Traceback" not in shown.text
    assert "Stacks" in shown.text
    expected = ["batch.jsonl", "fly.json", "fly.png", "moth.json", "moth.png"]
    assert names(output) == expected
    fused = read_frame(output / "fly.png").pixels
    assert np.array_equal(fused, read_frame(output / "moth.png").pixels)
    arguments = ["batch", root, "-o", output, "--jobs", jobs, "--threads", jobs]
    again = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True)
    assert again.returncode == 0
    assert again.stdout.count("3 frames, done before") == 2


def complete(line):
    """Return what bash offers after a line."""
    words = line.split(" ")
    environment = {
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_DRPL_COMPLETE": "complete_bash",
    }
    done = subprocess.run(
        COMMAND, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("drpl fu", ["fuse"]),
        ("drpl fuse --max-m", ["--max-memory"]),
        ("drpl fuse --preset m", ["macro", "microscope"]),
        ("drpl batch --compose p", ["pyramid"]),
        ("drpl fuse --method drpl-f", ["drpl-fast"]),
        ("drpl demo -m drpl-f", ["drpl-fast"]),
        ("drpl fuse shots/im", []),  # bash itself completes file names
    ],
)
def test_the_shell_completes(line, expected):
    assert complete(line) == expected


@pytest.mark.parametrize(
    "command",
    ["fuse", "align", "batch", "doctor", "demo", "methods", "evaluate", "bench quality"],
)
def test_every_option_has_a_help_text(command):
    wide = os.environ | {"COLUMNS": "200", "TERM": "dumb"}
    done = subprocess.run(
        [*COMMAND, *command.split(), "--help"], env=wide, capture_output=True, text=True, check=True
    )
    flags = [line for line in done.stdout.splitlines() if line.lstrip("│* ").startswith("--")]
    assert flags
    for line in flags:
        assert len(line.rsplit(">", 1)[-1].strip(" │")) > 8, line


def test_batch_prints_a_line_of_json_per_stack(tmp_path):
    root, output = tmp_path / "stacks", tmp_path / "out"
    for name in ("beetle", "deep/moth"):
        write_stack(root / name, 2)

    def run(*more):
        command = [sys.executable, "-m", "drpl", "batch", str(root), "-o", str(output), "--json"]
        command += ["--no-align", *more]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run("--max-pixels", "100")
    assert done.returncode == 10
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert {outcome["name"] for outcome in outcomes} == {"beetle", "deep/moth"}
    assert {outcome["status"] for outcome in outcomes} == {"failed"}
    assert all("pixels" in outcome["message"] for outcome in outcomes)
    done = run()
    assert done.returncode == 0, done.stderr
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(Path(o["output"]).is_file() and o["frames"] > 1 for o in outcomes)
