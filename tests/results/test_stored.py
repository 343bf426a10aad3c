"""Results opened again from their folder."""

import json

import numpy as np
import pytest

import drpl
from drawing import moved, striped_stack
from drpl.errors import AlignmentError, ConfigError, ReadError
from drpl.io.read import read_frame
from drpl.io.stacks import ArrayStack
from drpl.io.write import write_image
from drpl.results.edits import Edits, Stroke, edits_as_json
from drpl.results.stored import FUSED, MAPS, REPORT, StoredResult, store_result

SIZE = (200, 320)


@pytest.fixture(scope="module")
def frames():
    return [moved(frame, n, 1) for n, frame in enumerate(striped_stack(3, *SIZE, seed=4)[0])]


@pytest.fixture
def fused(tmp_path, frames):
    """A stored result, and the result that was stored."""
    shots, folder = tmp_path / "shots", tmp_path / "result"
    for path in (shots, folder):
        path.mkdir()
    for number, frame in enumerate(frames):
        write_image(shots / f"{number}.png", frame)
    outputs = drpl.Outputs(str(folder / FUSED), maps=str(folder / MAPS), report=folder / REPORT)
    options = drpl.FusionOptions(crop=True, reference=1)
    result, report = drpl.fuse_files([shots], outputs, options)
    store_result(folder, result, report, ["0.png", "1.png", "2.png"])
    return StoredResult.open(folder), result


def test_a_stored_result_is_the_result(fused, frames):
    stored, result = fused
    assert stored.window == result.window
    assert stored.size == result.fused.shape[1::-1]
    assert stored.plan.used == result.plan.used
    assert stored.plan.scale == result.plan.scale
    for known, found in zip(result.plan.alignments, stored.plan.alignments, strict=True):
        assert np.array_equal(known.transform, found.transform)
    again = stored.result(result.fused, result.index_map, result.confidence)
    assert again.coverage() == result.coverage()
    stack = ArrayStack(frames, ["a", "b", "c"])
    reference = stored.frame(stack, 1)
    assert np.array_equal(reference.frame, frames[1][result.window])
    index = read_frame(stored.folder / MAPS / "index_map.png").pixels
    assert np.array_equal(index, result.index_map)


def test_strokes_change_the_report_but_not_the_file(fused):
    stored, result = fused
    edits = Edits(stored.size, (Stroke(2, 20, 0.5, ((50, 60),)),))
    assert stored.parse_edits(edits_as_json(edits), "edits") == edits
    index = result.index_map.copy()
    index[:] = 2
    report = stored.retouched_report(edits, index)
    assert report["edits"]["strokes"] == [0, 0, 1]
    assert [frame["coverage"] for frame in report["frames"]] == [0, 0, 1]
    assert stored.report["edits"] is None
    with pytest.raises(ConfigError, match="edits are"):
        stored.parse_edits(edits_as_json(Edits((5, 5), ())), "edits")


def test_results_of_other_versions_are_refused(fused):
    folder = fused[0].folder
    report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    for damage, words in (({"report": 1}, "version 1; expected 2: fuse again"), (None, "report")):
        (folder / REPORT).write_text(json.dumps(damage and report | damage), encoding="utf-8")
        with pytest.raises(ReadError, match=words):
            StoredResult.open(folder)
    (folder / REPORT).write_text(json.dumps(report), encoding="utf-8")
    (folder / "transforms.json").unlink()
    with pytest.raises(AlignmentError, match=r"transforms\.json: cannot be read"):
        StoredResult.open(folder)
