"""Transforms and stacks: known motions are recovered, implausible ones rejected."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import align_stack, around_middle, draw_photo, take_frame, take_stack
from drpl.align.geometry import common_area, map_points, rescale, valid_area, warp
from drpl.align.pairs import match_planes
from drpl.errors import AlignmentError, ConfigError


def misfit(found, true, shape):
    """Return the median distance between two transforms over the picture, in pixels."""
    y, x = np.mgrid[0 : shape[0] - 1 : 15j, 0 : shape[1] - 1 : 15j]
    points = np.stack([x.ravel(), y.ravel()], -1)
    apart = map_points(found, points) - map_points(true, points)
    return float(np.median(np.linalg.norm(apart, axis=1)))


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


@pytest.mark.parametrize("motion", ["similarity", "affine", "homography"])
@pytest.mark.parametrize(
    "true",
    [
        around_middle((300, 400), 1.02, 0.5, (20, 15)),
        around_middle((300, 400), 1.18),
        around_middle((300, 400), 0.85, 0, (5, 0)),
        around_middle((300, 400), 1.0, 10),
    ],
    ids=["step", "far", "farther", "turned"],
)
def test_transforms_are_recovered_in_spite_of_different_focus(motion, true):
    scene = draw_photo(480, 580, 5)
    reference = take_frame(scene, np.eye(3), (300, 400), 0.3, 1)
    moving = take_frame(scene, true, (300, 400), 0.7, 2)
    match = match_planes(reference, moving, motion=motion)
    assert misfit(match.transform, true, (300, 400)) < 0.2
    assert match.score > 0.8


def test_a_homography_is_recovered():
    scene = draw_photo(480, 580, 6)
    true = around_middle((300, 400), 1.01)
    true[2, 0], true[2, 1] = 5e-5, -3e-5
    reference, moving = (take_frame(scene, t, (300, 400), 0.5, 3) for t in (np.eye(3), true))
    found = match_planes(reference, moving, motion="homography").transform
    assert misfit(found, true, (300, 400)) < 0.2
    assert misfit(match_planes(reference, moving).transform, true, (300, 400)) > 0.2


def test_features_recover_large_motions():
    scene = draw_photo(480, 580, 7)
    true = around_middle((300, 400), 1.1, 18, (60, 40))
    reference, moving = (take_frame(scene, t, (300, 400), 0.5, 3) for t in (np.eye(3), true))
    found = match_planes(reference, moving, motion="similarity").transform
    assert misfit(found, true, (300, 400)) < 0.3


@settings(max_examples=15)
@given(
    st.floats(-40, 40), st.floats(-40, 40), st.floats(0.6, 1.4), st.sampled_from([0.0, 1.5, 3.0])
)
def test_known_shifts_are_recovered(right, down, gain, blur):
    scene = draw_photo(380, 440, 8)
    shape = (200, 260)
    true = around_middle(shape, shift=(right, down))
    reference, moving = (take_frame(scene, t, shape, 0.5, 4, 0) for t in (np.eye(3), true))
    moving = cv2.GaussianBlur(moving, (0, 0), blur) if blur else moving
    found = match_planes(reference, moving * np.float32(gain), motion="translation").transform
    assert misfit(found, true, shape) < 0.2


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


def test_transforms_are_rescaled_about_pixel_edges():
    full = around_middle((200, 300), 1.1, 2, (4, 8))
    small = around_middle((50, 75), 1.1, 2, (1, 2))
    assert np.allclose(rescale(small, 4.0), full)
    assert np.array_equal(rescale(np.eye(3), 3.7), np.eye(3))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
@pytest.mark.parametrize("interpolation", ["linear", "cubic", "lanczos"])
def test_warp_keeps_dtype_channels_and_range(dtype, channels, interpolation):
    white = 1 if dtype == np.float32 else np.iinfo(dtype).max
    rng = np.random.default_rng(0)
    shape = (40, 50) if channels is None else (40, 50, channels)
    pixels = (rng.integers(0, 2, shape) * white).astype(dtype)
    warped = warp(pixels, around_middle((40, 50), 1.05, 3), (40, 50), interpolation=interpolation)
    assert warped.dtype == dtype
    assert warped.shape == shape
    assert warped.min() >= 0
    assert warped.max() <= white
    assert warp(pixels, np.eye(3), (40, 50)) is pixels


def test_warp_by_whole_pixels_moves_values_and_mirrors_the_border():
    pixels = np.random.default_rng(0).integers(0, 65536, (20, 30), dtype=np.uint16)
    warped = warp(pixels, around_middle((20, 30), shift=(3, -2)), (20, 30))
    assert np.array_equal(warped[:-2, 3:], pixels[2:, :-3])
    assert np.array_equal(warped[:-2, :3], pixels[2:, 2::-1])


def test_the_valid_area_excludes_mirrored_pixels():
    transform = around_middle((60, 80), 0.9, 4, (3.5, -2))
    transform[2, 0] = 1e-4
    marked = np.ones((60, 80), np.float32)
    black = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": 0}
    covered = cv2.warpPerspective(marked, transform, (80, 60), **black) > 0.999
    mask = valid_area(transform, (60, 80))
    assert (mask != covered).mean() < 0.005
    assert valid_area(np.eye(3), (60, 80)).all()


@pytest.mark.parametrize("shape", [(60, 80), (1400, 900)])
def test_the_common_area_is_large_and_covered_by_all_frames(shape):
    transforms = [np.eye(3), around_middle(shape, 0.9, 2), around_middle(shape, 1, 0, (4.5, 0))]
    rows, cols = common_area(transforms, shape)
    for transform in transforms:
        assert valid_area(transform, shape)[rows, cols].all()
    assert (rows.stop - rows.start) * (cols.stop - cols.start) > 0.7 * shape[0] * shape[1]
    assert common_area([np.eye(3)], shape) == (slice(0, shape[0]), slice(0, shape[1]))
    with pytest.raises(AlignmentError, match="share no area"):
        common_area([around_middle(shape, shift=(shape[1] + 5, 0))], shape)


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
