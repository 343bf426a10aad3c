"""Batches: stacks found, results made, kept and made again, and resuming after a kill."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import pyvips

from drawing import half_sharp_pair, striped_stack
from drpl.core.options import FusionOptions
from drpl.errors import ConfigError, ReadError
from drpl.files import batch
from drpl.files.batch import run_batch
from drpl.files.find import BatchItem, find_stacks, watch_stacks
from drpl.files.journal import Journal
from drpl.io.read import read_capture_time, read_frame
from drpl.io.saving import Saving
from drpl.io.write import write_image
from matrices import first_of

OPTIONS = FusionOptions(align=False, threads=1)
KEPT = asdict(OPTIONS) | asdict(Saving())


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
    assert names(items) == ["beetle", "deep/moth", "fly", "lonely"]
    assert items[1].output == root / "results" / "deep" / "moth.png"
    assert find_stacks(root, root / "r", suffix=".tif")[0].output.name == "beetle.tif"


def test_results_inside_the_root_are_not_stacks(root):
    output = root / "results"
    assert [o.status for o in run_batch(find_stacks(root, output), OPTIONS, output)] == ["done"] * 3
    assert names(find_stacks(root, output)) == ["beetle", "deep/moth", "fly"]


def test_a_limit_of_memory_is_kept_however_many_share_it(root, tmp_path):
    output = tmp_path / "out"
    limited = replace(OPTIONS, max_memory=1)
    found = list(run_batch(find_stacks(root, output), limited, output, jobs=2))
    assert [outcome.status for outcome in found] == ["failed"] * 3
    assert all("max_memory is 1 MB" in outcome.message for outcome in found)


def test_a_stack_is_fused_again_only_if_its_files_change(root, tmp_path):
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


def test_a_source_that_changes_during_fusion_is_fused_again(root, tmp_path, monkeypatch):
    real = batch._fuse

    def fuse(item, *arguments, **options):
        seconds = real(item, *arguments, **options)
        if item.name == "fly":
            os.utime(item.sources[0], (1, 1))
        return seconds

    output = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(batch, "_fuse", fuse)
        list(run_batch(find_stacks(root, output), OPTIONS, output))
    again = {o.item.name: o.status for o in run_batch(find_stacks(root, output), OPTIONS, output)}
    assert again == {"beetle": "skipped", "deep/moth": "skipped", "fly": "done"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failing_stack_does_not_stop_the_others(root, tmp_path, jobs):
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


def test_a_foreign_file_is_not_replaced(root, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    write_image(output / "fly.png", np.zeros((9, 9), np.uint8))
    items = find_stacks(root, output)
    outcomes = {o.item.name: o for o in run_batch(items, OPTIONS, output)}
    assert outcomes["fly"].status == "failed"
    assert "exists already" in outcomes["fly"].message
    assert read_frame(output / "fly.png").pixels.shape == (9, 9)
    # nor by a second run
    assert next(run_batch(items[2:], OPTIONS, output)).status == "failed"
    assert read_frame(output / "fly.png").pixels.shape == (9, 9)
    outcomes = list(run_batch(items[2:], OPTIONS, output, overwrite=True))
    assert outcomes[0].status == "done"


def test_a_foreign_report_is_not_replaced(root, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    (output / "fly.json").write_text("mine", encoding="utf-8")
    for _ in range(2):
        outcome = list(run_batch(find_stacks(root, output), OPTIONS, output))[2]
        assert outcome.status == "failed"
        assert (output / "fly.json").read_text(encoding="utf-8") == "mine"


def test_a_result_edited_by_hand_is_not_replaced(root, tmp_path):
    output = tmp_path / "out"
    items = find_stacks(root, output)[2:]
    assert next(run_batch(items, OPTIONS, output)).status == "done"
    write_image(output / "fly.png", np.zeros((9, 9), np.uint8), overwrite=True)
    assert next(run_batch(items, OPTIONS, output)).status == "skipped"
    os.utime(root / "fly" / "shot0.png", (1, 1))
    for _ in range(2):
        outcome = next(run_batch(items, OPTIONS, output))
        assert outcome.status == "failed"
        assert "exists already" in outcome.message
    assert read_frame(output / "fly.png").pixels.shape == (9, 9)


def test_a_stack_is_fused_again_for_other_options_but_not_for_other_limits(root, tmp_path):
    output = tmp_path / "out"
    items = find_stacks(root, output)[2:]
    assert next(run_batch(items, OPTIONS, output)).status == "done"
    less = replace(OPTIONS, tile=256, max_memory=2000, threads=2)
    assert next(run_batch(items, less, output)).status == "skipped"
    other = replace(OPTIONS, compose="pyramid")
    assert next(run_batch(items, other, output)).status == "done"
    assert next(run_batch(items, other, output)).status == "skipped"


def children(process):
    """Ids of all descendants of a process."""
    found = [process]
    for number in found:
        for task in Path(f"/proc/{number}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found[1:]


def is_running(process):
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def steps(journal):
    """Numbers of begun and done stacks, from complete lines of a journal."""
    lines = journal.read_text().splitlines() if journal.exists() else []
    found = Counter(line.split('"')[3] for line in lines if line.endswith("}"))
    return found["begun"], found["done"]


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc")
@pytest.mark.parametrize("jobs", first_of([2, 1]))
def test_a_killed_batch_resumes(root, tmp_path, jobs):
    output = tmp_path / "out"
    for seed in range(4, 8):
        write_stack(root / f"extra{seed}", seed, count=3)
    journal = output / batch.JOURNAL
    command = [sys.executable, "-m", "drpl", "batch", str(root), "-o", str(output), "--no-align"]
    command += ["--threads", str(jobs), "--jobs", str(jobs)]
    kept = {}
    for done in (1, 3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(lambda done=done: steps(journal)[1] >= done)
        started = children(process.pid)
        process.kill()
        process.wait()
        wait_for(lambda started=started: not any(map(is_running, started)), 10)
        results = [path for path in output.rglob("*.png") if not path.name.startswith(".")]
        for path in results:
            read_frame(path)  # every file is complete
        assert all(path.stat().st_mtime_ns == made for path, made in kept.items())
        entries = map(json.loads, journal.read_text().splitlines())
        made = [Path(entry["output"]) for entry in entries if entry["step"] == "done"]
        kept = {path: path.stat().st_mtime_ns for path in made}
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("frames, done before") == len(kept)
    assert all(path.stat().st_mtime_ns == made for path, made in kept.items())
    # only the stacks that were being fused at a kill were begun again
    begun, done = steps(journal)
    assert done == 7
    assert begun <= 7 + 2 * jobs
    left = [path for path in output.rglob("*") if path.name.startswith(".")]
    assert left == []
    assert len(list(output.rglob("*.png"))) == 7


def test_an_incomplete_line_of_the_journal_is_ignored(tmp_path, root):
    output = tmp_path / "out"
    items = find_stacks(root, output)
    list(run_batch(items, OPTIONS, output))
    path = output / batch.JOURNAL
    text = path.read_text()
    path.write_text(text[:-40])
    journal = Journal(path, KEPT)
    assert [journal.is_done(item) for item in items] == [True, True, False]
    assert journal.begin(items[2], overwrite=False)
    journal.end("done", items[2])
    assert Journal(path, KEPT).is_done(items[2])
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


def test_a_folder_is_split_by_capture_time(tmp_path):
    source_a, source_b, _ = half_sharp_pair(64, 64)
    start = datetime(2024, 5, 1, 12, 0, 0)
    for number, seconds in enumerate((0, 1, 60, 61, 62, 300)):
        picture = source_a if number % 2 else source_b
        dated(tmp_path / f"p{number}.jpg", picture, start + timedelta(seconds=seconds), "25")
    assert read_capture_time(tmp_path / "p1.jpg") == start + timedelta(seconds=1.25)
    items = find_stacks(tmp_path, tmp_path / "out", group_by="time", gap=5)
    assert [len(item.sources) for item in items] == [2, 3, 1]
    assert [item.output.name for item in items] == [
        f"{tmp_path.name}_00{number}.jpg" for number in (1, 2, 3)
    ]


def test_a_picture_without_time_does_not_stop_the_others(root, tmp_path):
    start = datetime(2024, 5, 1, 12, 0, 0)
    for number, picture in enumerate(half_sharp_pair(64, 64)[:2]):
        dated(root / "fly" / f"p{number}.jpg", picture, start)
        (root / "fly" / f"shot{number}.png").unlink()
    output = tmp_path / "out"
    outcomes = list(run_batch(find_stacks(root, output, group_by="time"), OPTIONS, output))
    found = [(o.item.name, o.status) for o in outcomes]
    assert found == [("beetle", "failed"), ("deep/moth", "failed"), ("fly_001", "done")]
    assert "shot0.png: has no EXIF time" in outcomes[0].message


def test_an_invalid_stack_does_not_stop_the_others(root, tmp_path):
    (root / "beetle" / "shot0.jpg").write_bytes(b"the same in another format")
    output = tmp_path / "out"
    outcomes = list(run_batch(find_stacks(root, output), OPTIONS, output))
    assert [o.status for o in outcomes] == ["failed", "done", "done"]
    assert "one picture in two formats" in outcomes[0].message


def test_an_unexpected_failure_does_not_stop_the_others(root, tmp_path, monkeypatch, caplog):
    real = batch._fuse

    def failing(item, *arguments, **options):
        if item.name == "beetle":
            raise MemoryError("no more")
        return real(item, *arguments, **options)

    monkeypatch.setattr(batch, "_fuse", failing)
    output = tmp_path / "out"
    outcomes = list(run_batch(find_stacks(root, output), OPTIONS, output))
    assert [outcome.status for outcome in outcomes] == ["failed", "done", "done"]
    assert "MemoryError: no more" in outcomes[0].message
    assert "in failing" in caplog.text, "the log has the traceback"


def test_a_killed_process_does_not_stop_the_others(root, tmp_path, monkeypatch):
    real, started = batch.start_uninterrupted, []

    def start(process):
        real(process)
        started.append(process)
        if len(started) == 1:
            process.kill()

    monkeypatch.setattr(batch, "start_uninterrupted", start)
    output = tmp_path / "out"
    outcomes = list(run_batch(find_stacks(root, output), OPTIONS, output, jobs=2))
    assert sorted(outcome.status for outcome in outcomes) == ["done", "done", "failed"]
    (failed,) = (outcome for outcome in outcomes if outcome.status == "failed")
    assert "its process was killed" in failed.message


def test_a_name_too_long_for_the_report_does_not_stop_the_others(root, tmp_path):
    (root / "beetle").rename(root / ("n" * 251))
    output = tmp_path / "out"
    outcomes = list(run_batch(find_stacks(root, output), OPTIONS, output))
    assert [o.status for o in outcomes] == ["done", "done", "failed"]
    assert "too long" in outcomes[2].message


def test_single_pictures_are_left_out(root, tmp_path):
    (root / "beetle" / "shot1.png").unlink()
    output = tmp_path / "out"
    outcomes = list(run_batch(find_stacks(root, output), OPTIONS, output))
    assert [o.status for o in outcomes] == ["left out", "done", "done"]
    assert "holds only shot0.png" in outcomes[0].message


def test_two_stacks_never_share_a_result(root, tmp_path):
    write_stack(root / root.name, 9)
    for path in (root / "fly").iterdir():
        (root / path.name).write_bytes(path.read_bytes())
    output = tmp_path / "out"
    outcomes = [
        (o.item.name, o.status) for o in run_batch(find_stacks(root, output), OPTIONS, output)
    ]
    assert [o for o in outcomes if o[0] == root.name] == [(root.name, "failed")] * 2
    assert len([o for o in outcomes if o[1] == "done"]) == 3
    assert not (output / f"{root.name}.png").exists()


def test_stacks_are_in_natural_order(tmp_path):
    for name in ("s10", "s2"):
        write_stack(tmp_path / "in" / name)
    assert names(find_stacks(tmp_path / "in", tmp_path / "out")) == ["s2", "s10"]


def test_watching_yields_a_stack_when_it_stops_changing(root):
    searches = []

    def find():
        searches.append(1)
        return find_stacks(root, root / "out")[:2]

    watched = (item for item in watch_stacks(find, settle=0.1, poll=0.02) if item is not None)
    first, second = next(watched), next(watched)
    assert names([first, second]) == ["beetle", "deep/moth"]
    assert len(searches) > 3
    os.utime(root / "beetle" / "shot0.png", (5, 5))
    assert next(watched).name == "beetle"


def test_outcomes_come_while_no_new_stack_does(root, tmp_path):
    output = tmp_path / "out"
    watched = watch_stacks(lambda: find_stacks(root, output)[:1], settle=0, poll=0.02)
    outcomes = run_batch(watched, OPTIONS, output, jobs=2)
    assert next(outcomes).status == "done"
    outcomes.close()
    assert Journal(output / batch.JOURNAL, KEPT).is_done(find_stacks(root, output)[0])


def test_bad_folders_and_suffixes_are_refused(tmp_path):
    with pytest.raises(ReadError, match="is not a folder"):
        find_stacks(tmp_path / "no", tmp_path)
    with pytest.raises(ConfigError, match=r"suffix is '\.xyz'"):
        find_stacks(tmp_path, tmp_path / "out", suffix=".xyz")
    for output in (tmp_path, tmp_path.parent):
        with pytest.raises(ConfigError, match="holds the stacks"):
            find_stacks(tmp_path, output)


def test_a_missing_source_changes_the_state(root):
    item = find_stacks(root, root / "out")[0]
    before = item.state()
    item.sources[0].unlink()
    assert item.state() != before
    assert replace(item, sources=()).state() == []
    assert isinstance(item, BatchItem)
