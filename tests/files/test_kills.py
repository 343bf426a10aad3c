"""Kills during writing: no incomplete result, no lost file, no leftovers after the next run."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from drawing import half_sharp_pair
from drpl.io import partial
from drpl.io.formats import WRITABLE
from drpl.io.partial import partial_file
from drpl.io.read import read_frame
from drpl.io.write import write_image, write_text
from matrices import first_of

# script that runs `drpl` and kills it at a stage of writing
KILLED = """
import os, signal, sys, time
from pathlib import Path
import pyvips
import drpl.io.write
from drpl.cli.main import main

stage = sys.argv.pop(1)

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def before(owner, name):
    setattr(owner, name, die)

def after(owner, name):
    real = getattr(owner, name)
    def run(*arguments, **options):
        real(*arguments, **options)
        die()
    setattr(owner, name, run)

def halfway(real):
    def run(image, path, **options):
        def look(_, progress):
            # another thread writes, maybe later
            deadline = time.monotonic() + 20
            while progress.percent > 50 and time.monotonic() < deadline:
                if os.path.getsize(path):
                    die()
                time.sleep(0.001)
        image.set_progress(True)
        image.signal_connect("eval", look)
        real(image, path, **options)
    return run

def half_text(path, text, **options):
    with path.open("w", **options) as stream:
        stream.write(text[: len(text) // 2])
    die()

if stage == "begun":
    before(pyvips.Image, "write_to_file")
elif stage == "half written":
    pyvips.Image.write_to_file = halfway(pyvips.Image.write_to_file)
elif stage == "written":
    after(pyvips.Image, "write_to_file")
elif stage == "checked":
    before(os, "fsync")
elif stage == "flushed":
    after(os, "fsync")
elif stage == "named":
    after(os, "link")
    after(Path, "replace")
elif stage == "report half written":
    Path.write_text = half_text
main()
"""
UNNAMED = ["begun", "half written", "written", "checked", "flushed"]


@pytest.fixture
def shots(tmp_path):
    folder = tmp_path / "shots"
    folder.mkdir()
    for name, source in zip("ab", half_sharp_pair(600, 800), strict=False):
        write_image(folder / f"{name}.png", source)
    return folder


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def hidden(folder):
    return [path for path in folder.iterdir() if path.name.startswith(".")]


def fuse(shots, output, *flags, stage=None):
    """Run `drpl fuse` as a process and return its exit code."""
    start = ["-m", "drpl"] if stage is None else ["-c", KILLED, stage]
    arguments = ["fuse", shots, "-o", output, "--no-align", "--threads", "1", "-q", *flags]
    return subprocess.run([sys.executable, *start, *arguments], check=False).returncode


@pytest.mark.parametrize("stage", first_of(UNNAMED))
def test_a_kill_before_renaming(shots, tmp_path, stage):
    before, output = content(shots), tmp_path / "out.tif"
    assert fuse(shots, output, stage=stage) == -signal.SIGKILL
    assert not output.exists()
    (left,) = hidden(tmp_path)
    size = left.stat().st_size
    assert content(shots) == before
    assert fuse(shots, output) == 0
    whole = output.stat().st_size
    assert (size == 0) == (stage == "begun")
    assert size < whole or stage != "half written"
    assert {path.name for path in tmp_path.iterdir()} == {"shots", "out.tif", "out.json"}
    assert read_frame(output).pixels.shape == (600, 800, 3)


@pytest.mark.parametrize("stage", first_of(["named", *UNNAMED]))
def test_a_kill_while_replacing_an_older_result(shots, tmp_path, stage):
    output = tmp_path / "out.tif"
    write_image(output, np.zeros((9, 9), np.uint8))
    older = output.read_bytes()
    assert fuse(shots, output, "--overwrite", stage=stage) == -signal.SIGKILL
    if stage == "named":
        assert read_frame(output).pixels.shape == (600, 800, 3)
    else:
        assert output.read_bytes() == older
    assert fuse(shots, output, "--overwrite") == 0
    assert read_frame(output).pixels.shape == (600, 800, 3)
    assert hidden(tmp_path) == []


def test_a_kill_between_linking_and_unlinking(shots, tmp_path):
    output = tmp_path / "out.tif"
    assert fuse(shots, output, stage="named") == -signal.SIGKILL
    made = output.read_bytes()
    (left,) = hidden(tmp_path)
    assert left.samefile(output)
    assert fuse(shots, output) == 8
    assert output.read_bytes() == made
    assert fuse(shots, output, "--overwrite") == 0
    assert output.read_bytes() == made
    assert hidden(tmp_path) == []


def test_a_kill_while_writing_the_report(shots, tmp_path):
    output = tmp_path / "out.tif"
    assert fuse(shots, output, stage="report half written") == -signal.SIGKILL
    made = output.read_bytes()
    assert not output.with_suffix(".json").exists()
    assert fuse(shots, output, "--overwrite") == 0
    assert output.read_bytes() == made
    assert {path.name for path in tmp_path.iterdir()} == {"shots", "out.tif", "out.json"}


def test_a_kill_from_outside_while_writing(tmp_path):
    noise = np.random.default_rng(0).integers(0, 65536, (2, 1000, 1500, 3), dtype=np.uint16)
    shots, output = tmp_path / "shots", tmp_path / "out.png"
    shots.mkdir()
    for number, pixels in enumerate(noise):
        write_image(shots / f"{number}.tif", pixels)
    before = content(shots)
    command = [sys.executable, "-m", "drpl", "fuse", shots, "-o", output, "--no-align", "-q"]
    process = subprocess.Popen([*command, "--threads", "1"])
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in hidden(tmp_path)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not output.exists()
    assert content(shots) == before
    assert fuse(shots, output) == 0
    assert hidden(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file locks")
class TestTwoWriters:
    @pytest.mark.parametrize("suffix", [suffix for suffix in WRITABLE if suffix != ".jpeg"])
    def test_a_file_being_written_stays(self, tmp_path, suffix, pair):
        path = tmp_path / f"a{suffix}"
        with partial_file(path) as partial:
            # like a saver: write into the same file by its name
            write_image(tmp_path / f"b{suffix}", pair[0])
            partial.write_bytes((tmp_path / f"b{suffix}").read_bytes())
            write_image(path, pair[0])
            assert partial.exists()
        assert hidden(tmp_path) == []

    @pytest.mark.parametrize("suffix", [suffix for suffix in WRITABLE if suffix != ".jpeg"])
    def test_savers_write_into_the_locked_file(self, tmp_path, suffix, pair, monkeypatch):
        seen = []

        def look(name, path, **options):
            descriptor = os.open(name, os.O_RDWR)
            seen.append(partial._lock(descriptor))
            os.close(descriptor)
            real(name, path, **options)

        real = partial.place
        monkeypatch.setattr("drpl.io.write.place", look)
        write_image(tmp_path / f"a{suffix}", pair[0])
        assert seen == [False]

    def test_leftovers_of_the_same_target_are_removed(self, tmp_path):
        names = {}
        for target in ("a.txt", "b.txt", "a.png"):
            with partial_file(tmp_path / target) as partial:
                names[target] = partial
        for name in names.values():
            name.touch()
        (tmp_path / ".mine.partial.txt").touch()
        write_text(tmp_path / "a.txt", "words")
        assert not names["a.txt"].exists()
        assert set(hidden(tmp_path)) == {
            names["b.txt"],
            names["a.png"],
            tmp_path / ".mine.partial.txt",
        }

    def test_without_locks_nothing_is_removed(self, tmp_path, monkeypatch):
        def no_locks(*_):
            raise OSError(95, "Operation not supported")

        with partial_file(tmp_path / "a.txt") as left:
            pass
        left.touch()
        monkeypatch.setattr("drpl.io.partial.fcntl.flock", no_locks)
        write_text(tmp_path / "a.txt", "words")
        assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "words"
        assert left.exists()

    def test_a_partial_file_removed_before_its_lock_is_created_again(self, tmp_path, monkeypatch):
        real, taken = partial._lock, []

        def swept(descriptor):
            if not taken:
                taken.extend(hidden(tmp_path))
                taken[0].unlink()
            return real(descriptor)

        monkeypatch.setattr(partial, "_lock", swept)
        write_text(tmp_path / "a.txt", "words")
        assert taken
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
