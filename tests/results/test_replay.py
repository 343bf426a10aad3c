"""Edit lists replayed on stacks in files, during fusion and afterwards; their report."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest

from drawing import moved, striped_stack
from drpl.align.prepare import prepared_frame
from drpl.align.transforms import read_transforms, write_transforms
from drpl.core.frames import full_scale
from drpl.core.options import FusionOptions
from drpl.errors import ConfigError, WriteError
from drpl.io.read import read_frame
from drpl.io.stacks import FileStack
from drpl.io.write import write_image
from drpl.results.edits import Edits, Stroke, changed_window, check_edits, edits_as_json, read_edits
from drpl.results.retouch import retouch
from fusing import fuse_to


def write_edits(path, edits):
    path.write_text(edits_as_json(edits), encoding="utf-8")


@pytest.fixture(scope="module")
def breathing(tmp_path_factory):
    """Folder of five frames with focus breathing and drift, the middle one brighter, and noise."""
    folder = tmp_path_factory.mktemp("stack") / "shots"
    folder.mkdir()
    frames = striped_stack(5, 240, 420, seed=4)[0]
    smooth = [cv2.GaussianBlur(frame, (0, 0), 0.8) for frame in frames]
    for number, frame in enumerate(smooth):
        shown = moved(frame, number, 2) * (0.95 if number == 1 else 0.85)
        write_image(folder / f"{number}.png", np.rint(shown * 257).astype(np.uint16))
    noise = np.random.default_rng(0).integers(0, 60000, (240, 420, 3), np.uint16)
    write_image(folder / "5.png", noise)
    return folder


OPTIONS = FusionOptions(reference=2, threads=1)


def edits_for(result):
    height, width = result.fused.shape[:2]
    strokes = (
        Stroke(1, 22, 0.6, ((200, 100), (260.5, 140.25))),
        Stroke(4, 9, 0, ((40, 60),)),
        Stroke(1, 14, 1, ((230, 120), (10, 200))),
        Stroke(2, 30, 0.3, ((width - 10, height - 5),)),
    )
    return Edits((width, height), strokes)


@pytest.mark.parametrize(
    ("options", "more"),
    [
        (OPTIONS, {}),
        (replace(OPTIONS, crop=True), {}),
        (replace(OPTIONS, method="average"), {}),
        (OPTIONS, {"slab": 3, "overlap": 1}),
    ],
    ids=["plain", "cropped", "baseline", "slabs"],
)
def test_replay_after_fusion_equals_replay_during_fusion(tmp_path, breathing, options, more):
    plain, _ = fuse_to([breathing], tmp_path / "a.tif", options, **more)
    write_edits(tmp_path / "edits.json", edits_for(plain))
    steps = []
    output, report = tmp_path / "b.tif", tmp_path / "b.json"
    result, about = fuse_to(
        [breathing],
        output,
        options,
        edits=tmp_path / "edits.json",
        report=report,
        progress=lambda *step: steps.append(step),
        **more,
        overwrite=True,
    )
    assert np.array_equal(read_frame(output).pixels, result.fused)
    assert (result.fused != plain.fused).any(axis=2).mean() > 0.02
    hashed = hashlib.sha256((tmp_path / "edits.json").read_bytes()).hexdigest()
    expected = {
        "file": str(tmp_path / "edits.json"),
        "sha256": hashed,
        "strokes": [0, 2, 1, 0, 1, 0],
    }
    assert json.loads(report.read_text())["edits"] == about["edits"] == expected
    assert about["frames"][1]["coverage"] > plain.coverage()[1]
    assert "retouch" in about["seconds"]
    assert [step for step in steps if step[0] == "retouch"][-1] == ("retouch", 3, 3)
    # as a later process does it, from stored transforms
    plan = plain.plan
    stored = tmp_path / "transforms.json"
    names = [str(number) for number in range(6)]
    write_transforms(stored, plan.transforms(names))
    geometry = read_transforms(stored)
    edits = read_edits(tmp_path / "edits.json")
    check_edits(edits, geometry.alignments, plain.window)
    stack = FileStack(sorted(breathing.iterdir()), max_pixels=10**6)
    read = partial(prepared_frame, stack, geometry, options, window=plain.window)
    white = full_scale(plain.fused, options.value_range)
    planes = plain.fused, plain.index_map, plain.confidence
    retouch(*planes, edits, read, white=white)
    for one, other in zip(planes, (result.fused, result.index_map, result.confidence), strict=True):
        assert np.array_equal(one, other)


def test_undo_equals_fusing_without_the_last_stroke(tmp_path, breathing):
    plain, _ = fuse_to([breathing], tmp_path / "a.tif", OPTIONS)
    edits = edits_for(plain)

    def fused(name, strokes):
        path = tmp_path / f"{name}.json"
        write_edits(path, Edits(edits.size, strokes))
        return fuse_to([breathing], tmp_path / f"{name}.tif", OPTIONS, edits=path)[0]

    whole, undone = fused("whole", edits.strokes), fused("undone", edits.strokes[:-1])
    assert np.array_equal(fused("none", ()).fused, plain.fused)
    window = changed_window(edits, replace(edits, strokes=edits.strokes[:-1]))
    assert not np.array_equal(whole.fused, undone.fused)
    whole_outside = whole.fused.copy()
    whole_outside[window] = undone.fused[window]
    assert np.array_equal(whole_outside, undone.fused)
    # drawing the last stroke on the state before it gives the whole
    stack = FileStack(sorted(breathing.iterdir()), max_pixels=10**6)
    read = partial(prepared_frame, stack, undone.plan, OPTIONS)
    planes = undone.fused, undone.index_map, undone.confidence
    retouch(*planes, replace(edits, strokes=edits.strokes[-1:]), read, white=65535.0)
    assert np.array_equal(undone.fused, whole.fused)
    assert np.array_equal(undone.index_map, whole.index_map)


def test_a_stroke_shows_the_registered_and_exposed_frame(tmp_path, breathing):
    plain, _ = fuse_to([breathing], tmp_path / "a.tif", OPTIONS)
    stroke = Stroke(1, 20, 0.3, ((300, 120),))
    write_edits(tmp_path / "edits.json", Edits((420, 240), (stroke,)))
    result, _ = fuse_to([breathing], tmp_path / "b.tif", OPTIONS, edits=tmp_path / "edits.json")
    stack = FileStack(sorted(breathing.iterdir()), max_pixels=10**6)
    frame = prepared_frame(stack, plain.plan, OPTIONS, 1).frame
    core = np.s_[112:129, 292:309]
    assert np.array_equal(result.fused[core], frame[core])
    assert (result.index_map[core] == 1).all()
    assert (result.confidence[core] == 255).all()
    assert abs(frame.mean() / stack.read(2).mean() - 1) < 0.02 < stack.read(1).mean() / frame.mean()


@pytest.mark.parametrize(
    ("size", "frame", "words"),
    [
        ((420, 239), 0, "are for a result of 420x239 pixels; this one has 420x240"),
        ((420, 240), 6, "stroke 2 takes from frame 6; expected a frame of the stack, 0 to 5"),
        ((420, 240), 5, "stroke 2 takes from frame 5, which was left out"),
    ],
)
def test_edits_of_another_result_are_refused_before_fusing(tmp_path, breathing, size, frame, words):
    strokes = (Stroke(0, 5, 0, ((3, 3),)), Stroke(frame, 5, 0, ((3, 3),)))
    write_edits(tmp_path / "edits.json", Edits(size, strokes))
    stages = set()
    with pytest.raises(ConfigError, match=rf"edits\.json: .*{words}"):
        fuse_to(
            [breathing],
            tmp_path / "out.tif",
            OPTIONS,
            edits=tmp_path / "edits.json",
            progress=lambda stage, *_: stages.add(stage),
        )
    assert stages == {"look"}
    assert [path.name for path in tmp_path.iterdir()] == ["edits.json"]


def test_the_edit_list_is_never_overwritten(tmp_path, breathing):
    path = tmp_path / "out.json"
    write_edits(path, Edits((420, 240), ()))
    before = path.read_bytes()
    with pytest.raises(WriteError, match="is an input"):
        fuse_to([breathing], tmp_path / "out.tif", edits=path, report=path, overwrite=True)
    assert path.read_bytes() == before


def test_the_command_line_replays_edits(tmp_path, breathing):
    edits = Edits((420, 240), (Stroke(3, 15, 0.5, ((70.3, 60.0), (140.0, 90.5))),))
    write_edits(tmp_path / "edits.json", edits)

    def run(*more):
        command = [sys.executable, "-m", "drpl", "fuse", str(breathing), "--reference", "2"]
        command += ["-o", str(tmp_path / "out.tif"), "--threads", "1", *map(str, more)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run("--edits", tmp_path / "edits.json")
    assert done.returncode == 0, done.stderr
    assert "retouched by 1 stroke," in done.stdout
    assert json.loads((tmp_path / "out.json").read_text())["edits"]["strokes"] == [0, 0, 0, 1, 0, 0]
    result, _ = fuse_to([breathing], tmp_path / "b.tif", OPTIONS, edits=tmp_path / "edits.json")
    assert np.array_equal(read_frame(tmp_path / "out.tif").pixels, result.fused)
    done = run("--edits", tmp_path / "absent.json", "--overwrite")
    assert done.returncode == 9
    assert done.stderr.startswith(f"drpl: error: {tmp_path / 'absent.json'}: ")
    assert done.stderr.count("\n") == 1
