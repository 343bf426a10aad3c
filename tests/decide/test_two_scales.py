"""Decisions of large pictures at full and at quarter resolution."""

import numpy as np
import pytest

from drpl.core.luma import Levels
from drpl.core.masks import PairDecision
from drpl.core.strips import reduced
from drpl.decide.two_scales import FACTOR, SMALLEST, TwoScaleModel


class Stripes:
    """Model that decides by noise at full and for the brighter source at quarter resolution."""

    def __init__(self, side, strength=2.0):
        self.side, self.strength, self.sizes, self.released = side, strength, [], 0

    def decide(self, source_a, source_b, *, levels, tile, masks):
        height, width = source_a.shape[:2]
        self.sizes.append((height, width))
        if height == self.side:
            logits = np.random.default_rng(0).normal(0, 1, (height, width))
        else:
            logits = self.strength * np.sign(source_a[..., 0].astype(float) - source_b[..., 0])
        masks.mask_a[...] = 1 / (1 + np.exp(-logits))
        masks.mask_b[...] = 1 / (1 + np.exp(logits))

    def release(self):
        self.released += 1


def decided(side, strength):
    source_a = np.zeros((side, side, 3), np.uint8)
    source_a[:, : side // 2] = 200
    source_b = np.full_like(source_a, 100)
    model = Stripes(side, strength)
    masks = PairDecision(*(np.empty((side, side), np.float16) for _ in range(2)))
    TwoScaleModel(model, model).decide(
        source_a, source_b, levels=Levels(white=255), tile=64, masks=masks
    )
    return masks, model


def test_a_clear_coarse_decision_overrides_noise_at_full_resolution():
    masks, model = decided(1024, 7.0)
    assert model.sizes == [(1024 // FACTOR, 1024 // FACTOR), (1024, 1024)]
    left, right = masks.mask_a[:, :500], masks.mask_a[:, 524:]
    assert (left > 0.5).mean() > 0.99
    assert (right < 0.5).mean() > 0.99
    assert np.abs(masks.mask_a + masks.mask_b - 1).max() < 0.01


def test_full_resolution_decides_where_the_coarse_decision_is_undecided():
    masks, model = decided(1024, 0.0)
    alone = PairDecision(*(np.empty((1024, 1024), np.float32) for _ in range(2)))
    model.decide(
        np.zeros((1024, 1024, 3)), np.zeros((1024, 1024, 3)), levels=Levels(), tile=64, masks=alone
    )
    assert np.abs(masks.mask_a - alone.mask_a).max() < 2e-3


def test_small_pictures_are_decided_at_full_resolution_only():
    side = int(SMALLEST**0.5) - 1
    _, model = decided(side, 7.0)
    assert model.sizes == [(side, side)]


def test_swapping_the_sources_swaps_the_masks(model):
    rng = np.random.default_rng(1)
    source_a, source_b = rng.integers(0, 255, (2, 1008, 1010), np.uint8)
    two_scales = TwoScaleModel(model, model)
    found = []
    for pair in ((source_a, source_b), (source_b, source_a)):
        masks = PairDecision(*(np.empty((1008, 1010), np.float16) for _ in range(2)))
        two_scales.decide(*pair, levels=Levels(white=255), tile=256, masks=masks)
        found.append(masks)
    assert np.array_equal(found[0].mask_a, found[1].mask_b)
    assert np.array_equal(found[0].mask_b, found[1].mask_a)


@pytest.mark.parametrize("size", [(1001, 1003), (1024, 1024)])
def test_odd_sizes_are_decided_everywhere(model, size):
    source = np.random.default_rng(1).integers(0, 255, size, np.uint8)
    masks = PairDecision(*(np.full(size, np.nan, np.float16) for _ in range(2)))
    TwoScaleModel(model, model).decide(
        source, 255 - source, levels=Levels(white=255), tile=256, masks=masks
    )
    assert np.isfinite(masks.mask_a).all()
    assert reduced(source, FACTOR).shape == tuple(-(-side // FACTOR) for side in size)
