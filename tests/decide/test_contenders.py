"""Corrections by detail: a frame without detail at a place loses there against any decision."""

import cv2
import numpy as np
import pytest

import drpl
from drawing import draw_texture
from drpl.core.luma import Levels
from drpl.core.masks import PairDecision
from drpl.core.options import FusionOptions
from drpl.decide.contenders import BLOCK, Contenders

WHITE = Levels(white=255)
PLAIN = FusionOptions(align=False, exposure=False)


class Dice:
    """Model that decides at random, pixel by pixel, with full confidence."""

    def __init__(self):
        self._random = np.random.default_rng(3)

    def decide(self, source_a, source_b, *, levels, tile, masks):
        masks.mask_a[...] = self._random.integers(0, 2, masks.mask_a.shape)
        masks.mask_b[...] = 1 - masks.mask_a

    def release(self):
        pass


def noisy(picture, seed):
    noise = np.random.default_rng(seed).normal(0, 1.5, picture.shape)
    return np.rint(np.clip(picture + noise, 0, 255)).astype(np.uint8)


@pytest.mark.parametrize("place", [0, 5, 11])
def test_one_sharp_frame_among_blurred_ones_is_taken_everywhere(place):
    truth = draw_texture(150, 180)
    blurred = cv2.GaussianBlur(truth, (0, 0), 6)
    frames = [noisy(truth if n == place else blurred, n) for n in range(12)]
    result = drpl.fuse(frames, PLAIN, model=Dice())
    assert (result.index_map == place).all()
    assert np.array_equal(result.fused, frames[place])


def test_between_frames_with_detail_the_model_decides():
    fine = [draw_texture(120, 130, seed) for seed in range(3)]
    columns = np.arange(130)[None, :, None] // BLOCK % 3
    # each is the sharpest in every third column of blocks, but nowhere throughout a window
    frames = [
        np.where(columns == n, texture, cv2.GaussianBlur(texture, (0, 0), 0.5))
        for n, texture in enumerate(fine)
    ]
    result = drpl.fuse(frames, PLAIN, model=Dice())
    assert np.isin([0, 1, 2], result.index_map[:, BLOCK:-BLOCK]).all()


def test_both_sides_contend_at_a_focus_boundary():
    height, width, middle = 120, 240, 120
    truth = draw_texture(height, width)
    blurred = cv2.GaussianBlur(truth, (0, 0), 6)
    columns = np.arange(width)[None, :, None]
    left, right = (np.where(side, truth, blurred) for side in (columns < middle, columns >= middle))
    contenders = Contenders(2, WHITE)
    contenders.add(0, left)
    contenders.add(1, right)
    owners = np.zeros((height, width), np.uint8)
    undecided = PairDecision(*(np.full((height, width), 0.4, np.float32) for _ in range(2)))
    contenders.correct(undecided, owners, (left, right))
    free = undecided.mask_a == np.float32(0.4)
    near = np.abs(np.arange(width) - middle) < BLOCK
    assert free[:, near].all()
    assert (undecided.mask_a[:, : middle // 2] == 1).all()
    assert (undecided.mask_b[:, -middle // 2 :] == 1).all()


def test_the_frame_that_was_not_resampled_is_taken():
    truth = draw_texture(160, 200)
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5]])
    softer = cv2.warpAffine(truth, shift, (200, 160), None, cv2.INTER_CUBIC, cv2.BORDER_REFLECT)
    frames = [softer, truth, softer.copy()]
    result = drpl.fuse(frames, PLAIN, model=Dice())
    assert (result.index_map == 1).all()


def test_mirrored_pixels_are_no_detail():
    truth = draw_texture(96, 128)
    blurred = cv2.GaussianBlur(truth, (0, 0), 6)
    covered = np.ones((96, 128), bool)
    covered[:, 40:] = False
    contenders = Contenders(2, WHITE)
    contenders.add(0, blurred)
    contenders.add(1, truth, covered)
    masks = PairDecision(*(np.full((96, 128), value, np.float32) for value in (0.2, 0.8)))
    contenders.correct(masks, np.zeros((96, 128), np.uint8), (blurred, truth))
    assert (masks.mask_a[:, 80:] == 1).all()
    assert (masks.mask_b[:, :BLOCK] == 1).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [0, 2, 3, 4])
def test_strips_and_sample_types_make_no_difference(dtype, channels):
    height, width = 523, 61
    picture = draw_texture(height, width, 5, max(channels, 1))
    picture = picture if channels else picture[..., 0]
    blurred = cv2.GaussianBlur(picture, (0, 0), 1.2)
    white = {np.uint8: 255.0, np.uint16: 65535.0, np.float32: 1.0}[dtype]
    seen = [(frame * (white / 255)).astype(dtype) for frame in (picture, blurred)]

    def corrected(rows):
        contenders = Contenders(2, Levels(white=white))
        for number, frame in enumerate(seen):
            contenders.add(number, frame[rows])
        shape = seen[0][rows].shape[:2]
        masks = PairDecision(*(np.full(shape, value, np.float32) for value in (0.2, 0.8)))
        contenders.correct(masks, np.zeros(shape, np.uint8), (seen[0][rows], seen[1][rows]))
        return masks.mask_a

    whole = corrected(slice(0, height))
    assert (whole == 1).all()
    margin = 8 * BLOCK
    part = corrected(slice(200, 424))
    assert np.array_equal(whole[200 + margin : 424 - margin], part[margin:-margin])


def flat(seed):
    """Rounded gradient: detail below half a step."""
    ramp = np.linspace(80, 120, 160)[None, :, None] + np.random.default_rng(seed).normal(0, 0.1, 3)
    return np.rint(np.broadcast_to(ramp, (96, 160, 3))).astype(np.uint8)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_preferred_frame_is_taken_where_no_detail_is_visible(place):
    contenders = Contenders(3, WHITE, preferred=place)
    owners = np.zeros((96, 160), np.uint8)
    for number in range(3):
        contenders.add(number, flat(number))
        if number:
            masks = PairDecision(*(np.full((96, 160), 0.5, np.float32) for _ in range(2)))
            contenders.correct(masks, owners, (flat(0), flat(number)))
            owners[masks.mask_b > masks.mask_a] = number
    assert (owners == place).all()


def test_the_preferred_frame_is_not_taken_where_another_is_sharper():
    truth = draw_texture(160, 200)
    blurred = cv2.GaussianBlur(truth, (0, 0), 0.6)
    contenders = Contenders(2, WHITE, preferred=0)
    contenders.add(0, blurred)
    contenders.add(1, truth)
    masks = PairDecision(*(np.full((160, 200), 0.5, np.float32) for _ in range(2)))
    contenders.correct(masks, np.zeros((160, 200), np.uint8), (blurred, truth))
    assert (masks.mask_b[BLOCK:-BLOCK, BLOCK:-BLOCK] == 1).all()


@pytest.mark.parametrize(("apart", "decided"), [(1, True), (4, False)])
def test_noise_decides_nothing_where_frames_differ_in_colour(apart, decided):
    """The noisier of two blurred frames looks sharper; patches of its colour would show."""
    smooth = np.full((96, 128, 3), 120, np.uint8)
    frames = [noisy(smooth, 1), noisy(noisy(smooth, 2), 3)]
    frames[1][..., 1] += np.uint8(apart)
    contenders = Contenders(2, WHITE)
    for number, frame in enumerate(frames):
        contenders.add(number, frame)
    masks = PairDecision(*(np.full((96, 128), 0.5, np.float32) for _ in range(2)))
    contenders.correct(masks, np.zeros((96, 128), np.uint8), (frames[0], frames[1]))
    assert (masks.mask_a != 0.5).any() == decided


def test_the_reference_is_preferred_if_other_frames_are_changed(monkeypatch):
    found = []

    class Recorded(Contenders):
        def __init__(self, count, levels, preferred=None):
            found.append(preferred)
            super().__init__(count, levels, preferred)

    monkeypatch.setattr("drpl.compose.fold.Contenders", Recorded)
    frame = draw_texture(120, 160)
    darker = np.rint(frame * 0.8).astype(np.uint8)
    still = FusionOptions(align=False, reference=2)
    drpl.fuse([frame, frame, frame], still, model=Dice())
    drpl.fuse([frame, darker, frame], still, model=Dice())
    assert found == [None, 2]
