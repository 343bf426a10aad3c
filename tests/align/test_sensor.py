"""Sensor defects: found where the scene moves, filled, and nothing else is touched."""

import cv2
import numpy as np
import pytest

import drpl
from drawing import draw_photo
from drpl.align.sensor import SensorDefects, SensorSurvey, clean_frame
from drpl.align.transforms import read_transforms, write_transforms

COUNT, SHAPE = 8, (160, 200)
PLACES = np.array([[20, 30], [80, 90], [120, 150], [60, 10]])
DTYPES = [(np.uint8, 255), (np.uint16, 65535), (np.uint16, 1023), (np.float32, 1), (np.float32, 9)]


def shift(number, step):
    return np.array([[1, 0, -step * number], [0, 1, -step * number / 2], [0, 0, 1.0]])


def drifting(step, *, colours=3, noise=0.004, light=0.25, seed=3):
    """Draw frames of a smooth scene with stars that drifts over the sensor."""
    rng = np.random.default_rng(seed)
    pad = 40
    height, width = SHAPE[0] + 2 * pad, SHAPE[1] + 2 * pad
    y, x = np.mgrid[:height, :width]
    scene = light * (1 + 0.4 * np.sin(x / 40) * np.cos(y / 30))
    scene[rng.integers(0, height, 60), rng.integers(0, width, 60)] += light * 2
    scene = np.repeat(scene[..., None], colours, 2)
    frames = []
    for number in range(COUNT):
        moved = cv2.warpAffine(
            scene, np.linalg.inv(shift(-number, step))[:2], scene.shape[1::-1], borderMode=2
        ).reshape(scene.shape)[pad:-pad, pad:-pad]
        frames.append(np.clip(moved + rng.normal(0, noise, moved.shape), 0, 1))
    return frames, [shift(number, -step) for number in range(COUNT)]


def survey(frames, transforms):
    found = SensorSurvey(len(frames))
    for frame in frames:
        found.add(frame)
    return found.defects(dict(enumerate(transforms)))


def places(found):
    return {tuple(place) for place in found.tolist()}


@pytest.mark.parametrize(("dtype", "white"), DTYPES)
@pytest.mark.parametrize("colours", [1, 3])
def test_hot_and_dead_pixels_are_found_and_filled_at_any_level(dtype, white, colours):
    frames, transforms = drifting(3.0, colours=colours)
    clean = [(frame * white).astype(dtype) for frame in frames]
    broken = [frame.copy() for frame in clean]
    for frame in broken:
        frame[tuple(PLACES[:2].T)] = white * 0.9
        frame[PLACES[2, 0], PLACES[2, 1], 0] = white * 0.9  # one colour is stuck
        frame[tuple(PLACES[3])] = 0
    found = survey(broken, transforms)
    assert places(found.hot) == places(PLACES[:3])
    assert places(found.dead) == places(PLACES[3:])
    filled = clean_frame(broken[4], found, in_place=False).astype(float)
    assert np.abs(filled - clean[4]).max() < 0.03 * white


def test_defects_of_long_stacks_are_found_in_a_part_of_the_frames():
    frames, transforms = drifting(3.0)
    broken = [(frame * 255).astype(np.uint8) for frame in frames]
    for frame in broken:
        frame[tuple(PLACES[0])] = 230
    rounds = 7  # to and fro, as a stack of many frames that moves as far
    order = [*range(COUNT), *range(COUNT - 2, 0, -1)] * rounds
    found = survey([broken[n] for n in order], [transforms[n] for n in order])
    assert places(found.hot) == places(PLACES[:1])


@pytest.mark.parametrize("step", [0.0, 0.2])
def test_details_of_a_scene_that_stays_are_not_touched(step):
    frames, transforms = drifting(step)
    assert survey([(f * 255).astype(np.uint8) for f in frames], transforms).counts() == {
        "hot": 0,
        "dead": 0,
        "dust": 0,
    }


@pytest.mark.parametrize("step", [1.0, 3.0, 10.0])
def test_moving_stars_and_noise_are_not_defects(step):
    frames, transforms = drifting(step, noise=0.03, light=0.1)
    assert survey([(f * 255).astype(np.uint8) for f in frames], transforms).counts() == {
        "hot": 0,
        "dead": 0,
        "dust": 0,
    }


def test_a_demosaiced_spot_is_filled_whole():
    frames, transforms = drifting(3.0, colours=1)
    spot = np.zeros(SHAPE)
    spot[70, 70] = 0.5
    spot = cv2.filter2D(spot, -1, np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4)[..., None]
    broken = [((f + spot) * 255).clip(0, 255).astype(np.uint8) for f in frames]
    found = survey(broken, transforms)
    assert (70, 70) in places(found.hot)
    filled = clean_frame(broken[0], found, in_place=False).astype(float)
    assert np.abs(filled - frames[0] * 255)[66:75, 66:75].max() < 12


def test_alpha_and_the_callers_array_stay_as_they_are():
    frame = np.full((20, 20, 4), 50, np.uint8)
    frame[9, 9] = (255, 50, 50, 200)
    kept = frame.copy()
    filled = clean_frame(frame, SensorDefects(hot=np.array([[9, 9]])), in_place=False)
    assert np.array_equal(frame, kept)
    assert filled[9, 9].tolist() == [50, 50, 50, 200]
    assert filled[0, 0].tolist() == [50, 50, 50, 50]


FIELD = (120, 160)
"""Middle row and column of the subject of field case 16."""


@pytest.fixture(scope="module")
def hot_stack():
    """Draw a textured subject before a smooth background, focused from left to right, drifting."""
    rng = np.random.default_rng(21)
    pad, count = 50, 12
    y, x = np.mgrid[: 240 + 2 * pad, : 320 + 2 * pad].astype(np.float32)
    smooth = 0.4 + 0.15 * np.sin(x / 110) * np.cos(y / 90)
    subject = cv2.ellipse(np.zeros_like(smooth), (210, 170), (70, 50), 0, 0, 360, 1, -1)
    sharp = smooth * (1 - subject) + draw_photo(*smooth.shape, 5) * subject
    soft = cv2.GaussianBlur(sharp, (0, 0), 4)
    rows, cols, channels = rng.integers(5, 235, 25), rng.integers(5, 315, 25), np.arange(25) % 3
    frames = []
    for number in range(count):
        weight = np.exp(-(((x - 140 - 12 * number) / 20) ** 2))
        move = np.array([[1, 0, 3.0 * (number - 6)], [0, 1, 1.5 * (number - 6)]])
        scene = cv2.warpAffine(sharp * weight + soft * (1 - weight), move, x.shape[::-1])
        frame = scene[pad:-pad, pad:-pad, None] * np.array([1.1, 1, 0.8])
        frame[rows, cols] += 0.1
        frame[rows, cols, channels] += 0.4
        noisy = frame + rng.normal(0, 0.004, frame.shape)
        frames.append((np.clip(noisy, 0, 1) * 255 + 0.5).astype(np.uint8))
    return frames


def spots(picture):
    """Count the groups of pixels above their surroundings, outside of the subject."""
    above = picture.astype(int) - cv2.medianBlur(picture, 5)
    outside = cv2.ellipse(
        np.ones(picture.shape[:2], np.uint8), FIELD[::-1], (80, 60), 0, 0, 360, 0, -1
    )
    return cv2.connectedComponents((above > 60).any(2).astype(np.uint8) * outside)[0] - 1


def test_hot_pixels_leave_no_trails_in_a_result(hot_stack):
    cleaned = drpl.fuse(hot_stack, drpl.FusionOptions(method="gff"))
    assert spots(hot_stack[0]) > 15
    assert spots(cleaned.fused) == 0
    off = drpl.fuse(hot_stack, drpl.FusionOptions(method="gff", clean_sensor=False))
    assert off.plan.sensor.counts() == {"hot": 0, "dead": 0, "dust": 0}
    assert spots(off.fused) > spots(hot_stack[0])


def test_frames_that_are_not_aligned_are_not_cleaned(hot_stack):
    fused = drpl.fuse(hot_stack[:4], drpl.FusionOptions(method="gff", align=False))
    assert fused.plan.sensor.counts() == {"hot": 0, "dead": 0, "dust": 0}


def test_stored_transforms_keep_the_defects(hot_stack, tmp_path):
    plan = drpl.fuse(hot_stack, drpl.FusionOptions(method="gff")).plan
    names = [f"{number}.png" for number in range(len(hot_stack))]
    write_transforms(tmp_path / "transforms.json", plan.transforms(names))
    stored = read_transforms(tmp_path / "transforms.json").sensor
    assert stored.hot.size
    assert np.array_equal(stored.hot, plan.sensor.hot)
    assert np.array_equal(stored.dead, plan.sensor.dead)
