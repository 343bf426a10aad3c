"""Exposure: recovered in spite of defocus, applied to colours only."""

import cv2
import numpy as np
import pytest

from drawing import draw_photo
from drpl.align.exposure import Exposure, apply_exposure, match_exposure, match_exposures
from drpl.errors import AlignmentError


@pytest.mark.parametrize("gain", [0.7, 1.2])
@pytest.mark.parametrize("blur", [0, 6])
def test_a_gain_is_recovered_in_spite_of_defocus(gain, blur):
    light = draw_photo(400, 500, 1) * 0.8 + 0.05
    reference = light ** np.float32(1 / 2.2)
    blurred = cv2.GaussianBlur(light, (0, 0), blur) if blur else light
    moving = np.clip(blurred ** np.float32(1 / 2.2) / np.float32(gain), 0, 1)
    found = match_exposure(reference, moving)
    assert found.gain[0] == pytest.approx(gain, rel=0.03)
    assert found.offset == (0,)


def test_an_offset_is_recovered():
    reference = draw_photo(400, 500, 2) * 0.6 + 0.1
    moving = reference + np.float32(37 / 255)
    found = match_exposure(np.dstack([reference] * 3), np.dstack([moving] * 3))
    assert found.gain == pytest.approx((1, 1, 1), abs=0.02)
    assert found.offset == pytest.approx((-37 / 255,) * 3, abs=0.01)


def sky(gain):
    """Return a photo under an even sky that brightens to the right: darkened, and as taken."""
    moving = draw_photo(400, 500, 4) * 0.7 + 0.1
    moving[:160] = np.linspace(0.93, 1.06, 500, dtype=np.float32)
    return moving * np.float32(gain), np.clip(moving, 0, 1)


def test_highlights_follow_the_bend_of_a_tone_curve():
    straight, moving = sky(0.9)
    knee = np.float32(0.94)
    bend = np.maximum(moving - knee, 0) / (1 - knee) * np.float32(0.98 - 0.9)
    reference = np.where(moving < 1, straight + bend, np.float32(0.98))
    found = match_exposure(reference, moving)
    assert found.gain[0] == pytest.approx(0.9, rel=0.01)
    assert found.highlights == (pytest.approx(0.98, abs=0.01),)
    pixels = np.rint(moving * 255).astype(np.uint8)
    changed = apply_exposure(pixels, found, white=255)
    assert np.abs(changed - reference * 255)[pixels > 230].max() < 3
    assert np.array_equal(
        apply_exposure(moving, found, white=1), moving * np.float32(found.gain[0])
    )


def test_clipped_highlights_are_not_bent():
    reference, moving = sky(0.9)
    assert match_exposure(reference, moving).highlights == ()
    assert match_exposure(moving * np.float32(0.9), moving).highlights == ()


def test_insignificant_changes_are_ignored():
    reference = draw_photo(300, 400, 3)
    noise = np.random.default_rng(0).normal(0, 0.02, reference.shape).astype(np.float32)
    assert match_exposure(reference, reference * np.float32(1.003) + noise).is_identity
    assert match_exposure(np.full((1, 1), 0.5, np.float32), np.ones((1, 1), np.float32)).is_identity
    flat = np.full((200, 200), 0.5, np.float32)
    assert match_exposure(flat, flat).is_identity
    with pytest.raises(AlignmentError, match="pictures to match"):
        match_exposure(flat, flat[1:])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [None, 2, 3, 4])
def test_exposure_is_applied_to_colours_only(dtype, channels):
    white = 1.0 if dtype == np.float32 else float(np.iinfo(dtype).max)
    shape = (9, 7) if channels is None else (9, 7, channels)
    pixels = (np.random.default_rng(0).random(shape) * white).astype(dtype)
    changed = apply_exposure(pixels, Exposure((1.5,), (0.1,)), white=white)
    assert changed.dtype == dtype
    colours = (channels or 1) - (channels in (2, 4))
    wanted = pixels.astype(np.float64).reshape(9, 7, -1)[..., :colours] * 1.5 + 0.1 * white
    wanted = wanted if dtype == np.float32 else np.rint(np.clip(wanted, 0, white))
    assert np.allclose(changed.reshape(9, 7, -1)[..., :colours], wanted)
    if channels in (2, 4):
        assert np.array_equal(changed[..., -1], pixels[..., -1])
    assert apply_exposure(pixels, Exposure(), white=white) is pixels


def test_exposure_of_other_colours_is_refused():
    with pytest.raises(AlignmentError, match="3 colours; expected 1 or 1"):
        apply_exposure(np.zeros((2, 2), np.uint8), Exposure((2.0,) * 3, (0.0,) * 3), white=255)


def lit(gains, vignetting=0.0):
    """Return pictures of one scene, blurred more and more away from its middle, by their light."""
    light = np.stack([draw_photo(300, 400, seed) for seed in (1, 1, 2)], -1) * 0.6 + 0.05
    y, x = np.mgrid[:300, :400].astype(np.float32)
    found = []
    for number, gain in enumerate(gains):
        apart = abs(number - len(gains) // 2)
        blurred = cv2.GaussianBlur(light, (0, 0), 2 * apart) if apart else light
        radius = np.hypot(x - 200 - 4 * number, y - 150 - 2 * number) / 250
        picture = blurred ** np.float32(1 / 2.2) * (1 - vignetting * radius**2)[..., None] * gain
        found.append(np.clip(picture, 0, 1).astype(np.float32))
    return found


def gains_of(pictures, reference=None, **about):
    reference = len(pictures) // 2 if reference is None else reference
    found = match_exposures(pictures.__getitem__, len(pictures), reference, **about)
    return np.array([exposure.gain for exposure in found])


@pytest.mark.parametrize("vignetting", [0, 0.3])
def test_a_stack_that_needs_no_match_is_left_alone(vignetting):
    assert (gains_of(lit([1] * 7, vignetting)) == 1).all()


@pytest.mark.parametrize("vignetting", [0, 0.3])
def test_gains_of_flickering_light_are_found(vignetting):
    light = np.array([0.95, 1.04, 0.9, 1, 1.06, 0.97, 1.05])
    assert gains_of(lit(light, vignetting)) == pytest.approx(
        np.repeat(1 / light[:, None], 3, 1), rel=0.005 if not vignetting else 0.01
    )


@pytest.mark.parametrize("odd", range(5))
@pytest.mark.parametrize("factor", [0.7, 1.3])
def test_one_odd_frame_does_not_set_the_exposure(odd, factor):
    light = np.where(np.arange(5) == odd, factor, 1)
    assert gains_of(lit(light)).mean(axis=1) == pytest.approx(1 / light, rel=0.005)


def test_an_explicit_reference_sets_the_exposure_even_if_it_is_odd():
    found = gains_of(lit([1, 1, 1.3, 1, 1]), fixed=True)
    assert found.mean(axis=1) == pytest.approx([1.3, 1.3, 1, 1.3, 1.3], rel=0.005)


def test_a_pair_keeps_the_exposure_of_its_reference():
    assert gains_of(lit([1.3, 1]), 0)[:, 0] == pytest.approx([1, 1.3], rel=0.01)


def test_gains_are_about_a_high_black_level():
    pictures = [0.85 + 0.15 * picture for picture in lit([1, 1, 0.8])]
    found = match_exposures(pictures.__getitem__, 3, 1, black=0.86)[2]
    assert found.gain[0] == pytest.approx(1.25, abs=0.06)
    assert found.gain[0] * 0.86 + found.offset[0] == pytest.approx(0.86, abs=0.002)


def test_light_that_vanishes_out_of_focus_is_not_brightened():
    """In a confocal microscope, each frame shows its own slice; the others are dark."""
    slices = np.arange(400) * 5 // 400
    scene = draw_photo(300, 400, 3)
    frames = [0.05 + scene * np.exp(-np.abs(slices - n)).astype(np.float32) for n in range(5)]
    assert (gains_of(frames) == 1).all()
