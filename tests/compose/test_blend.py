import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import draw_texture
from drpl.compose.blend import compose, compose_pyramid, compose_select
from drpl.core.masks import PairDecision
from drpl.core.strips import STRIP

MODES = ["select", "pyramid"]


def decision(height, width, seed=0, dtype=np.float32):
    """Smooth random masks with many boundaries."""
    rng = np.random.default_rng(seed)
    grid = rng.uniform(-0.5, 1.5, (max(2, height // 16), max(2, width // 16))).astype(np.float32)
    mask_a = np.clip(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    return PairDecision(mask_a.astype(dtype), (1 - mask_a).astype(dtype))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [None, 2, 3, 4])
def test_identical_sources_come_out_exactly(mode, dtype, channels):
    picture = draw_texture(90, 77, channels=channels or 1).astype(dtype)
    picture = picture[..., 0] if channels is None else picture
    white = 255.0 if dtype == np.uint8 else 65535.0
    fused = compose(picture, picture.copy(), decision(90, 77), mode=mode, white=white)
    assert fused.dtype == dtype
    assert np.array_equal(fused, picture)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 5))
@settings(max_examples=30)
def test_selected_pixels_lie_between_their_sources(height, width, seed):
    a, b = draw_texture(height, width, seed), draw_texture(height, width, seed + 9)
    fused = compose(a, b, decision(height, width, seed), mode="select", white=255.0)
    assert (fused >= np.minimum(a, b)).all()
    assert (fused <= np.maximum(a, b)).all()


@pytest.mark.parametrize("mode", MODES)
def test_swapping_sources_and_masks_changes_nothing(mode):
    a, b = draw_texture(80, 120, 1), draw_texture(80, 120, 2)
    masks = decision(80, 120)
    fused = compose(a, b, masks, mode=mode, white=255.0)
    swapped = compose(b, a, PairDecision(masks.mask_b, masks.mask_a), mode=mode, white=255.0)
    assert np.abs(fused.astype(int) - swapped).max() <= 1


@pytest.mark.parametrize("mode", MODES)
def test_a_clear_decision_takes_the_source(mode):
    a, b = draw_texture(64, 64, 1), draw_texture(64, 64, 2)
    ones, zeros = np.ones((64, 64), np.float16), np.zeros((64, 64), np.float16)
    assert np.array_equal(compose(a, b, PairDecision(ones, zeros), mode=mode, white=255.0), a)
    assert np.array_equal(compose(a, b, PairDecision(zeros, ones), mode=mode, white=255.0), b)


def test_select_blends_in_the_band_only():
    a, b = np.zeros((40, 200), np.uint8), np.full((40, 200), 200, np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 1, 200, dtype=np.float32), (40, 200))
    fused = compose_select(a, b, PairDecision(ramp, 1 - ramp), band=6)
    blended = (fused > 0) & (fused < 200)
    columns = np.flatnonzero(blended.any(axis=0))
    assert columns.min() >= 100 - 8
    assert columns.max() <= 100 + 8
    assert 8 <= len(columns) <= 16
    hard = compose_select(a, b, PairDecision(ramp, 1 - ramp), band=0)
    assert set(np.unique(hard)) == {0, 200}


def test_strips_leave_no_seam():
    height = 2 * STRIP + 37
    a, b = draw_texture(height, 60, 1), draw_texture(height, 60, 2)
    masks = decision(height, 60)
    fused = compose_select(a, b, masks, band=6)
    window = slice(STRIP - 40, STRIP + 40)
    part = PairDecision(masks.mask_a[window], masks.mask_b[window])
    alone = compose_select(a[window], b[window], part, band=6)
    assert np.array_equal(fused[window][10:-10], alone[10:-10])


@pytest.mark.parametrize("size", [(200, 333), (129, 257)])
def test_pyramid_tiled_equals_whole(size):
    a, b = draw_texture(*size, 1), draw_texture(*size, 2)
    masks = decision(*size)
    tiled = compose_pyramid(a, b, masks, white=255.0, tile=64)
    whole = compose_pyramid(a, b, masks, white=255.0, tile=4096)
    assert np.array_equal(tiled, whole)


def test_pyramids_accept_tiny_pictures():
    for size in ((1, 1), (1, 5), (3, 2)):
        a, b = draw_texture(*size, 1), draw_texture(*size, 2)
        assert compose_pyramid(a, b, decision(*size), white=255.0).shape == a.shape
