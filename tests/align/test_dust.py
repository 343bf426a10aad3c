"""Dust on the sensor: found where the scene moves, evened out, and nothing else is touched."""

import json

import cv2
import numpy as np
import pytest

import drpl
from drawing import draw_photo, draw_texture
from drpl.align.dust import FIELDS, DustSurvey, lighten
from drpl.align.sensor import SensorDefects
from drpl.align.transforms import read_transforms, write_transforms
from drpl.core.frames import FULL_SCALE
from drpl.errors import AlignmentError

COUNT, SHAPE = 9, (300, 400)
SPOTS = [(80, 120, 6, 0.8, -0.12), (210, 300, 9, 1.5, -0.2), (150, 60, 5, 0.6, -0.3)]


def shade(shape, spots):
    """Return the share of light that passes dust."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    light = np.zeros(shape)
    for row, col, radius, edge, depth in spots:
        light += depth / (1 + np.exp((np.hypot(y - row, x - col) - radius) / edge))
    return np.exp(light)


def drifting(step, spots=SPOTS, *, seed=5, noise=0.0, blur=True, count=COUNT, shape=SHAPE):
    """Draw frames (H, W, 3) in [0, 1] of a photo that drifts over a dusty sensor."""
    pad = 60
    size = (shape[0] + 2 * pad, shape[1] + 2 * pad)
    photo = np.repeat(draw_photo(*size, seed)[..., None], 3, 2).astype(np.float32) / 255
    grain = draw_texture(size[0] // 2, size[1] // 2, seed).astype(np.float32) / 255
    photo = 0.15 + 0.5 * photo + 0.25 * cv2.resize(grain, size[::-1])
    rng = np.random.default_rng(seed)
    frames, transforms = [], {}
    for number in range(count):
        right, down = step * (number - count // 2), step / 2 * (number - count // 2)
        matrix = np.array([[1, 0, right], [0, 1, down]], np.float32)
        moved = cv2.warpAffine(photo, matrix, photo.shape[1::-1], borderMode=2)
        if blur:
            moved = cv2.GaussianBlur(moved, (0, 0), 0.5 + 0.4 * abs(number - count // 2))
        frame = moved[pad:-pad, pad:-pad] * shade(shape, spots)[..., None]
        frames.append(np.clip(frame + rng.normal(0, noise, frame.shape), 0, 1))
        transforms[number] = np.array([[1, 0, -right], [0, 1, -down], [0, 0, 1.0]])
    return frames, transforms


def survey(frames, transforms):
    found = DustSurvey(len(frames))
    for frame in frames:
        found.add(frame.mean(2).astype(np.float32))
    return found.spots(transforms)


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("step", [5.0, 10.0])
@pytest.mark.parametrize("seed", [5, 6, 7])
def test_spots_are_found_where_the_scene_moves(step, noise, seed):
    frames, transforms = drifting(step, noise=noise, seed=seed)
    found = survey(frames, transforms)
    # a little motion does not tell every spot from the scene
    assert len(found) >= len(SPOTS) - (step < 10)
    for near in found:
        spot = min(SPOTS, key=lambda spot: np.hypot(near[0] - spot[0], near[1] - spot[1]))
        assert np.hypot(near[0] - spot[0], near[1] - spot[1]) < 1.5
        assert abs(near[2] / spot[2] - 1) < 0.35
        assert abs(near[4] / spot[4] - 1) < 0.35


@pytest.mark.parametrize("step", [0.0, 0.3, 3.0, 10.0])
@pytest.mark.parametrize("seed", range(5, 11))
def test_a_clean_sensor_stays_as_it_is(step, seed):
    frames, transforms = drifting(step, [], seed=seed, noise=0.01)
    assert len(survey(frames, transforms)) == 0


@pytest.mark.parametrize("step", [0.0, 0.3])
def test_spots_of_a_scene_that_stays_are_kept(step):
    assert len(survey(*drifting(step))) == 0


def test_a_dark_line_along_the_motion_is_no_dust():
    frames, transforms = drifting(8.0, [])
    for frame in frames:
        frame[140:147] *= 0.7
    assert len(survey(frames, transforms)) == 0


def test_frames_that_do_not_fit_are_left_out():
    frames, transforms = drifting(8.0)
    few = {number: transforms[number] for number in (0, 4, 8)}
    assert len(survey(frames, few)) == 0


@pytest.mark.parametrize(("dtype", "white"), [("uint8", 255), ("uint16", 65535), ("float32", 1)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_spots_are_evened_out_at_any_depth(dtype, white, channels):
    flat = np.full((*SHAPE, channels), 0.5)
    dusty = flat * shade(SHAPE, SPOTS)[..., None]
    if channels in (2, 4):
        dusty[..., -1] = 0.25
    pixels = (dusty * white).astype(dtype)
    pixels = pixels[..., 0] if channels == 1 else pixels
    lighten(pixels, np.array(SPOTS))
    colours = pixels if channels == 1 else pixels[..., : channels - (channels in (2, 4))]
    assert np.abs(colours / FULL_SCALE[np.dtype(dtype)] - 0.5).max() < 0.008
    if channels in (2, 4):
        assert (pixels[..., -1] == np.array(0.25 * white).astype(dtype)).all()


def test_light_beyond_white_is_clipped():
    pixels = np.full(SHAPE, 250, np.uint8)
    lighten(pixels, np.array(SPOTS))
    assert pixels.max() == 255


def test_a_dusty_stack_is_fused_as_a_clean_one(tmp_path):
    dusty, clean = (
        [np.rint(f * 255).astype(np.uint8) for f in drifting(6.0, spots)[0]]
        for spots in (SPOTS, [])
    )
    options = drpl.FusionOptions(motion="translation")
    wanted = drpl.fuse(clean, options)
    found = drpl.fuse(dusty, options)
    left = drpl.fuse(dusty, drpl.FusionOptions(motion="translation", clean_sensor=False))
    assert wanted.plan.sensor.counts()["dust"] == 0
    assert found.plan.sensor.counts()["dust"] == len(SPOTS)
    assert left.plan.sensor.counts()["dust"] == 0

    def error(result):
        apart = result.fused.astype(float) - wanted.fused
        return np.sqrt((apart**2).mean())

    assert error(found) < error(left) / 2


def test_transforms_keep_the_spots(tmp_path):
    frames, _ = drifting(6.0)
    result = drpl.fuse(frames, drpl.FusionOptions(align=False))
    transforms = result.plan.transforms([f"{n}.png" for n in range(len(frames))])
    object.__setattr__(transforms, "sensor", SensorDefects(dust=np.array(SPOTS)))
    path = tmp_path / "transforms.json"
    write_transforms(path, transforms)
    assert np.array_equal(read_transforms(path).sensor.dust, np.array(SPOTS))
    content = json.loads(path.read_text())
    for bad in ([[1, 2, 3]], [[0, 0, -1, 1, -0.1]], [[9999, 0, 5, 1, -0.1]], [[0, 0, 5, 1, 0.5]]):
        content["sensor"]["dust"] = bad
        path.write_text(json.dumps(content))
        with pytest.raises(AlignmentError, match="dust"):
            read_transforms(path)
    del content["sensor"]["dust"]
    path.write_text(json.dumps(content))
    assert read_transforms(path).sensor.dust.shape == (0, len(FIELDS))
