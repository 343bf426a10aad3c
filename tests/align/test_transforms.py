"""Files of transforms: exact, and refused if they belong to another stack."""

import json

import numpy as np
import pytest

from drawing import align_stack, take_stack
from drpl.align.exposure import Exposure
from drpl.align.transforms import StackTransforms, read_transforms, write_transforms
from drpl.errors import AlignmentError, WriteError


def stored_as(names, alignments, exposures=None):
    exposures = exposures or [Exposure()] * len(alignments)
    return StackTransforms((480, 640), tuple(names), tuple(alignments), tuple(exposures))


@pytest.fixture(scope="module")
def stack():
    return take_stack((480, 640), 8)


def test_transforms_survive_a_round_trip(stack, tmp_path):
    alignments = align_stack([*stack[0][:3], np.zeros((480, 640), np.float32)])
    names = ["a.tif", "b.tif", "ö c.tif", "d.tif"]
    exposures = [
        Exposure(),
        Exposure((1.1, 1.2, 1.3), (0.0, 0.1, 0.0)),
        Exposure((0.9,), (0.0,), (0.97,)),
        Exposure(),
    ]
    path = tmp_path / "transforms.json"
    write_transforms(path, stored_as(names, alignments, exposures))
    stored = read_transforms(path, names=names, shape=(480, 640))
    assert stored.names == tuple(names)
    assert stored.exposures == tuple(exposures)
    for found, wanted in zip(stored.alignments, alignments, strict=True):
        assert np.array_equal(found.transform, wanted.transform)
        assert (found.motion, found.status, found.note) == (
            wanted.motion,
            wanted.status,
            wanted.note,
        )
        assert found.residual == pytest.approx(wanted.residual, nan_ok=True)
    assert json.loads(path.read_text())["reference"] == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["transforms.json"]


def test_transforms_of_another_stack_are_refused(stack, tmp_path):
    path = tmp_path / "transforms.json"
    alignments = align_stack(stack[0][:2])
    write_transforms(path, stored_as(["a", "b"], alignments))
    read_transforms(path, count=2)
    with pytest.raises(AlignmentError, match="2 frames; the stack has 3"):
        read_transforms(path, names=["a", "b", "c"])
    with pytest.raises(AlignmentError, match="640x480 pixels; the stack has 640x481"):
        read_transforms(path, shape=(481, 640))
    with pytest.raises(AlignmentError, match="expects frame b, found c"):
        read_transforms(path, names=["a", "c"])
    with pytest.raises(AlignmentError, match="one of each"):
        stored_as(["a"], alignments)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content.update(version=2), "version 2; expected 1"),
        (lambda content: content["frames"][0].pop("transform"), "does not hold transforms"),
        (lambda content: content["frames"][0].update(transform=[[1]]), "not 3x3"),
        (lambda content: content["frames"][0].update(status="fine"), "status of a"),
        (lambda content: content["frames"][0]["exposure"].update(gain=[]), "as many gains"),
    ],
)
def test_damaged_transforms_are_refused(stack, tmp_path, damage, message):
    path = tmp_path / "transforms.json"
    write_transforms(path, stored_as(["a", "b"], align_stack(stack[0][:2])))
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(AlignmentError, match=message):
        read_transforms(path)


def test_files_that_cannot_be_read_or_written_are_named(tmp_path):
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(AlignmentError, match=r"missing\.json: cannot be read \(No such file"):
        read_transforms(tmp_path / "missing.json")
    with pytest.raises(AlignmentError, match=r"text\.json: is not JSON: .* line 1, column 2"):
        read_transforms(tmp_path / "text.json")
    with pytest.raises(WriteError, match="its folder does not exist"):
        write_transforms(tmp_path / "no" / "transforms.json", stored_as([], []))
