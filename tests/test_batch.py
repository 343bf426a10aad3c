"""Batches: what is a stack, what is done again, what a kill leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
import pyvips

from drawing import half_sharp_pair, striped_stack
from drpl import batch
from drpl.batch import BatchItem, Journal, find_stacks, run_batch, watch_stacks
from drpl.errors import ConfigError, ReadError
from drpl.read import read_capture_time, read_frame
from drpl.stack import FusionOptions
from drpl.write import write_image

OPTIONS = FusionOptions(align=False, threads=1)


def write_stack(folder, seed=0, count=2, suffix=".png"):
    folder.mkdir(parents=True)
    frames, _, _ = striped_stack(count, 72, 96, seed)
    for number, frame in enumerate(frames):
        write_image(folder / f"shot{number}{suffix}", frame)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "stacks"
    for seed, name in enumerate(("beetle", "deep/moth", "fly")):
        write_stack(root / name, seed)
    return root


def names(items):
    return [item.name for item in items]


def test_each_folder_with_images_is_a_stack(root):
    (root / "notes.txt").write_text("not an image")
    (root / ".hidden").mkdir()
    write_image(root / ".hidden" / "a.png", np.zeros((9, 9), np.uint8))
    (root / "lonely").mkdir()
    write_image(root / "lonely" / "a.png", np.zeros((9, 9), np.uint8))
    items = find_stacks(root, root / "results")
    assert names(items) == ["beetle", "deep/moth", "fly"]
    assert items[1].output == root / "results" / "deep" / "moth.png"
    assert find_stacks(root, root / "r", suffix=".tif")[0].output.name == "beetle.tif"


def test_results_inside_the_root_are_not_stacks_of_the_next_run(root):
    output = root / "results"
    assert [o.status for o in run_batch(find_stacks(root, output), OPTIONS, output)] == ["done"] * 3
    assert names(find_stacks(root, output)) == ["beetle", "deep/moth", "fly"]


def test_what_is_done_is_not_done_again_unless_its_sources_change(root, tmp_path):
    output = tmp_path / "out"
    list(run_batch(find_stacks(root, output), OPTIONS, output))
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.png")}
    assert len(before) == 3
    again = list(run_batch(find_stacks(root, output), OPTIONS, output))
    assert [outcome.status for outcome in again] == ["skipped"] * 3
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.png")} == before
    (output / "fly.png").unlink()
    os.utime(root / "beetle" / "shot0.png", (1, 1))
    third = {o.item.name: o.status for o in run_batch(find_stacks(root, output), OPTIONS, output)}
    assert third == {"beetle": "done", "deep/moth": "skipped", "fly": "done"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_one_failing_stack_does_not_stop_the_others(root, tmp_path, jobs):
    (root / "beetle" / "shot1.png").write_bytes(b"no image")
    output = tmp_path / "out"
    outcomes = {
        o.item.name: o for o in run_batch(find_stacks(root, output), OPTIONS, output, jobs=jobs)
    }
    assert {name: o.status for name, o in outcomes.items()} == {
        "beetle": "failed",
        "deep/moth": "done",
        "fly": "done",
    }
    assert "shot1.png: is not an image" in outcomes["beetle"].message
    assert not (output / "beetle.png").exists()


def test_a_file_that_is_not_ours_is_not_replaced(root, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    write_image(output / "fly.png", np.zeros((9, 9), np.uint8))
    items = find_stacks(root, output)
    outcomes = {o.item.name: o for o in run_batch(items, OPTIONS, output)}
    assert outcomes["fly"].status == "failed"
    assert "exists already" in outcomes["fly"].message
    assert read_frame(output / "fly.png").pixels.shape == (9, 9)
    outcomes = list(run_batch(items[2:], OPTIONS, output, overwrite=True))
    assert outcomes[0].status == "done"


def test_a_killed_batch_goes_on_where_it_was(root, tmp_path):
    output = tmp_path / "out"
    for seed in range(4, 8):
        write_stack(root / f"extra{seed}", seed, count=3)
    command = [sys.executable, "-m", "drpl", "batch", str(root), "-o", str(output), "--no-align"]
    process = subprocess.Popen(
        [*command, "--threads", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    journal = output / batch.JOURNAL
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (
        journal.exists() and '"done"' in journal.read_text()
    ):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    results = [path for path in output.rglob("*.png") if not path.name.startswith(".")]
    assert results
    for path in results:
        read_frame(path)  # whole, or not there
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "done before" in done.stdout
    assert len([p for p in output.rglob("*.png") if not p.name.startswith(".")]) == 7


def test_a_journal_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path, root):
    output = tmp_path / "out"
    items = find_stacks(root, output)
    list(run_batch(items, OPTIONS, output))
    path = output / batch.JOURNAL
    text = path.read_text()
    path.write_text(text[:-40])
    journal = Journal(path)
    assert [journal.is_done(item) for item in items] == [True, True, False]
    journal.write("done", items[2])
    assert Journal(path).is_done(items[2])
    for line in path.read_text().splitlines()[:2]:
        json.loads(line)


def dated(path, picture, moment, fraction=""):
    """Write a JPEG with a capture time."""
    image = pyvips.Image.new_from_array(picture).copy(interpretation="srgb")
    text = moment.strftime("%Y:%m:%d %H:%M:%S")
    image.set_type(pyvips.GValue.gstr_type, "exif-ifd2-DateTimeOriginal", text)
    if fraction:
        image.set_type(pyvips.GValue.gstr_type, "exif-ifd2-SubSecTimeOriginal", fraction)
    image.write_to_file(str(path))


def test_grouping_by_time(tmp_path):
    source_a, source_b, _ = half_sharp_pair(64, 64)
    start = datetime(2024, 5, 1, 12, 0, 0)
    for number, seconds in enumerate((0, 1, 60, 61, 62, 300)):
        picture = source_a if number % 2 else source_b
        dated(tmp_path / f"p{number}.jpg", picture, start + timedelta(seconds=seconds), "25")
    assert read_capture_time(tmp_path / "p1.jpg") == start + timedelta(seconds=1.25)
    items = find_stacks(tmp_path, tmp_path / "out", group_by="time", gap=5)
    assert [len(item.sources) for item in items] == [2, 3]
    assert [item.output.name for item in items] == [
        f"{tmp_path.name}_001.jpg",
        f"{tmp_path.name}_002.jpg",
    ]
    write_image(tmp_path / "x.png", source_a)
    with pytest.raises(ReadError, match=r"x\.png: has no EXIF time"):
        find_stacks(tmp_path, tmp_path / "out", group_by="time")


def test_watching_gives_a_stack_once_it_has_settled(root):
    clock = []

    def find():
        clock.append(1)
        return find_stacks(root, root / "out")[:2]

    watched = watch_stacks(find, settle=0.1, poll=0.02)
    first, second = next(watched), next(watched)
    assert names([first, second]) == ["beetle", "deep/moth"]
    assert len(clock) > 3
    os.utime(root / "beetle" / "shot0.png", (5, 5))
    assert next(watched).name == "beetle"


def test_bad_roots(tmp_path):
    with pytest.raises(ReadError, match="is not a folder"):
        find_stacks(tmp_path / "no", tmp_path)
    with pytest.raises(ConfigError, match=r"suffix is '\.xyz'"):
        find_stacks(tmp_path, tmp_path / "out", suffix=".xyz")


def test_sources_that_went_away_count_as_changed(root):
    item = find_stacks(root, root / "out")[0]
    before = item.state()
    item.sources[0].unlink()
    assert item.state() != before
    assert replace(item, sources=()).state() == []
    assert isinstance(item, BatchItem)
