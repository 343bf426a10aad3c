"""Chains of frames: known motions are recovered, what does not fit is rejected."""

import math

import cv2
import numpy as np
import pytest

from drawing import align_stack, around_middle, draw_photo, misfit, take_stack
from drpl.align.geometry import warp
from drpl.align.pairs import match_planes
from drpl.errors import AlignmentError, ConfigError


def reduce(plane, factor):
    size = (plane.shape[1] // factor, plane.shape[0] // factor)
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def stack():
    return take_stack((480, 640), 8)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_focus_breathing_is_recovered_to_a_fifth_of_a_pixel(factor):
    shape = (720, 960)
    frames, transforms = take_stack(shape, 8)
    alignments = align_stack((reduce(frame, factor) for frame in frames), scale=float(factor))
    apart = [misfit(a.transform, t, shape) for a, t in zip(alignments, transforms, strict=True)]
    assert max(apart) < 0.2
    assert [a.status for a in alignments].count("reference") == 1
    assert alignments[4].status == "reference"
    assert all(a.residual < 0.5 and a.score > 0.8 for a in alignments)


def test_identical_frames_stay_exactly_where_they_are(stack):
    frame = stack[0][3]
    match = match_planes(frame, frame.copy())
    assert np.array_equal(match.transform, np.eye(3))
    assert match.score == 1
    alignments = align_stack([frame] * 4)
    assert all(np.array_equal(a.transform, np.eye(3)) for a in alignments)
    assert {a.motion for a in alignments} == {"identity"}


def test_one_frame_is_its_own_reference(stack):
    (alone,) = align_stack(stack[0][:1])
    assert (alone.status, alone.residual, alone.score) == ("reference", 0, 1)


def test_a_different_scene_is_rejected(stack):
    frames = [*stack[0][:4], draw_photo(480, 640, 99)]
    alignments = align_stack(frames)
    assert [a.status for a in alignments][2:] == ["reference", "aligned", "rejected"]
    assert alignments[4].score < 0.3


def test_frames_that_differ_by_noise_are_not_resampled(stack):
    rng = np.random.default_rng(0)
    frames = [stack[0][3] + rng.normal(0, 0.01, (480, 640)).astype(np.float32) for _ in range(3)]
    assert all(np.array_equal(a.transform, np.eye(3)) for a in align_stack(frames))


@pytest.mark.parametrize("bad", [0, 3, 4, 7])
@pytest.mark.parametrize("unaligned", ["reject", "keep"])
def test_a_frame_of_noise_is_reported_and_left_out_of_the_chain(stack, bad, unaligned):
    frames, transforms = list(stack[0]), stack[1]
    frames[bad] = np.random.default_rng(0).random((480, 640), dtype=np.float32)
    alignments = align_stack(iter(frames), unaligned=unaligned)
    reference = [a.status for a in alignments].index("reference")
    assert alignments[bad].status == {"reject": "rejected", "keep": "unaligned"}[unaligned]
    assert alignments[bad].motion == "none"
    assert "fit" in alignments[bad].note
    nearest = alignments[bad + 1 if bad == 0 else bad - 1].transform
    kept = np.eye(3) if unaligned == "reject" else nearest
    assert np.array_equal(alignments[bad].transform, kept)
    back = np.linalg.inv(transforms[reference])
    for index in set(range(8)) - {bad}:
        assert alignments[index].status in ("aligned", "reference")
        assert misfit(alignments[index].transform, back @ transforms[index], (480, 640)) < 0.2


def test_implausible_distortion_falls_back_to_a_simpler_motion(stack, monkeypatch):
    def distorted(reference, moving, *, motion):
        match = match_planes(reference, moving, motion=motion)
        if motion == "affine":
            match.transform[0, 0] = 3
        return match

    monkeypatch.setattr("drpl.align.accept.match_planes", distorted)
    first, second = align_stack(stack[0][:2])
    assert (first.status, first.motion) == ("simpler", "similarity")
    assert "hence similarity" in first.note
    assert second.status == "reference"


def test_frames_are_aligned_to_the_requested_reference(stack):
    frames, transforms = stack
    alignments = align_stack(frames[:4], reference=0)
    assert alignments[0].status == "reference"
    true = np.linalg.inv(transforms[0]) @ transforms[3]
    assert misfit(alignments[3].transform, true, (480, 640)) < 0.2
    with pytest.raises(AlignmentError, match="index from 0 to 3"):
        align_stack(frames[:4], reference=4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (5, 5), (12, 200), (16, 16), (40, 30)])
def test_tiny_frames_do_not_crash(shape):
    rng = np.random.default_rng(1)
    frames = [rng.random(shape, dtype=np.float32) for _ in range(3)]
    alignments = align_stack([*frames, frames[-1], np.zeros(shape, np.float32)])
    assert len(alignments) == 5
    assert all(np.isfinite(a.transform).all() for a in alignments)
    assert warp(frames[0], around_middle(shape, 1, 0, (1.5, 0)), shape).shape == shape


def test_bad_arguments_are_named(stack):
    frame = stack[0][0]
    with pytest.raises(AlignmentError, match="no frame"):
        align_stack([])
    with pytest.raises(AlignmentError, match="frame 1: luma plane has shape"):
        align_stack([frame, frame[:-1]])
    with pytest.raises(ConfigError, match="motion is 'rigid'"):
        align_stack([frame], motion="rigid")
    with pytest.raises(ConfigError, match="unaligned is"):
        align_stack([frame], unaligned="drop")
    with pytest.raises(AlignmentError, match="luma planes have shapes"):
        match_planes(frame, frame[:-1])
    with pytest.raises(ConfigError, match="interpolation is"):
        warp(frame, np.eye(3), frame.shape, interpolation="nearest")
    with pytest.raises(AlignmentError, match="inverted"):
        warp(frame, np.zeros((3, 3)), frame.shape)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "breathing"), [("ring", 1.0475), ("pcb_header", 1.0376), ("rpi_chip", 0.976)]
)
def test_all_frames_of_real_stacks_are_aligned(data, name, breathing):
    paths = sorted((data / "stacks" / name).glob("*.jpg"))
    planes = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths]
    alignments = align_stack(reduce(plane, 2).astype(np.float32) / 255 for plane in planes)
    assert {a.status for a in alignments} == {"aligned", "reference"}
    assert all(a.score > 0.8 for a in alignments)
    first, last = (math.sqrt(np.linalg.det(alignments[i].transform[:2, :2])) for i in (0, -1))
    assert last / first == pytest.approx(breathing, abs=0.004)
