"""Consistency verification: low-confidence pixels follow, confident ones and thin lines stay."""

import numpy as np
import pytest

from drpl.core.masks import PairDecision
from drpl.decide.consistency import verify_consistency


def pair_of(mask):
    mask = np.asarray(mask, np.float32)
    return PairDecision(mask.copy(), 1 - mask)


def verified(mask):
    masks = pair_of(mask)
    verify_consistency(masks)
    return masks


@pytest.mark.parametrize("size", [(203, 157), (600, 64), (40, 1000)])
def test_low_confidence_pixels_follow_their_neighbourhood(size):
    half = size[1] // 2
    mask = np.full(size, 0.98)
    mask[:, half:] = 0.02
    mask[::5, ::5] = 0.45
    mask[2::5, 2::5] = 0.55
    masks = verified(mask)
    assert (masks.mask_a[:, : half - 8] > 0.5).all()
    assert (masks.mask_a[:, half + 8 :] < 0.5).all()


def test_noise_does_not_decide_where_confidence_is_low():
    rng = np.random.default_rng(0)
    mask = np.full((200, 240), 0.97)
    mask[60:140, 60:180] = rng.uniform(0.3, 0.7, (80, 120))
    assert (verified(mask).mask_a > 0.5).all()


def test_confident_decisions_stay():
    columns = np.arange(300)
    mask = np.broadcast_to(np.where(columns // 10 % 2 == 0, 0.999, 0.001), (120, 300))
    masks = verified(mask)
    assert np.array_equal(masks.mask_a > 0.5, mask > 0.5)
    assert np.allclose(masks.mask_a + masks.mask_b, 1)


def test_single_pixels_vanish_and_thin_lines_stay():
    mask = np.full((64, 64), 0.998)
    mask[:, 20] = 0.002
    mask[30:33, 40:43] = 0.002
    mask[50, 50] = 0.002
    masks = verified(mask)
    taken = masks.mask_b > masks.mask_a
    assert taken[6:-6, 20].all()
    assert taken[31, 41]
    assert not taken[50, 50]
    assert taken.sum() <= 64 + 9


def test_strips_make_no_difference():
    mask = np.random.default_rng(0).uniform(0, 1, (1100, 40))
    assert np.abs(verified(mask).mask_a - verified(mask.T).mask_a.T).max() < 1e-4


def test_swapping_the_pair_swaps_the_masks():
    mask = np.random.default_rng(1).uniform(0, 1, (150, 130))
    one, other = verified(mask), verified(1 - mask)
    assert np.abs(one.mask_a - other.mask_b).max() < 1e-4


@pytest.mark.parametrize("height", [40, 256, 258, 600])
def test_margins_follow_the_inside(height):
    mask = np.full((height, 90), 0.999)
    mask[:2], mask[-3:], mask[:, :3], mask[:, -1:] = 0.001, 0.001, 0.001, 0.001
    assert (verified(mask).mask_a > 0.5).all()


def test_a_tie_stays_a_tie():
    assert np.allclose(verified(np.full((50, 60), 0.5)).mask_a, 0.5)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (5, 3)])
def test_tiny_pictures(size):
    assert np.isfinite(verified(np.full(size, 0.9)).mask_a).all()
