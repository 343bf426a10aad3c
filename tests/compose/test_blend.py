import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import draw_texture
from drpl.compose.blend import BAND, compose_pyramid
from drpl.compose.fold import NewFrame, merge_frame, start_composite
from drpl.core.masks import PairDecision
from drpl.core.strips import STRIP

MODES = ["select", "pyramid"]


def composed(source_a, source_b, masks, mode="select", white=255.0):
    """Composite of a pair: ``fused`` is blended along the seams, ``seen`` is selected hard."""
    composite = start_composite(source_a.copy(), 0, count=2)
    merge_frame(composite, NewFrame(source_b, source_b, 1), masks, mode=mode, white=white)
    return composite


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
    fused = composed(picture, picture.copy(), decision(90, 77), mode, white).fused
    assert fused.dtype == dtype
    assert np.array_equal(fused, picture)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 5))
@settings(max_examples=30)
def test_selected_pixels_lie_between_their_sources(height, width, seed):
    a, b = draw_texture(height, width, seed), draw_texture(height, width, seed + 9)
    fused = composed(a, b, decision(height, width, seed)).fused
    assert (fused >= np.minimum(a, b)).all()
    assert (fused <= np.maximum(a, b)).all()


@pytest.mark.parametrize("mode", MODES)
def test_swapping_sources_and_masks_changes_nothing(mode):
    a, b = draw_texture(80, 120, 1), draw_texture(80, 120, 2)
    masks = decision(80, 120)
    fused = composed(a, b, masks, mode).fused
    swapped = composed(b, a, PairDecision(masks.mask_b, masks.mask_a), mode).fused
    assert np.abs(fused.astype(int) - swapped).max() <= 1


@pytest.mark.parametrize("mode", MODES)
def test_a_clear_decision_takes_the_source(mode):
    a, b = draw_texture(64, 64, 1), draw_texture(64, 64, 2)
    ones, zeros = np.ones((64, 64), np.float16), np.zeros((64, 64), np.float16)
    assert np.array_equal(composed(a, b, PairDecision(ones, zeros), mode).fused, a)
    assert np.array_equal(composed(a, b, PairDecision(zeros, ones), mode).fused, b)


def test_select_blends_in_the_band_only():
    a, b = np.zeros((40, 200), np.uint8), np.full((40, 200), 200, np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 1, 200, dtype=np.float32), (40, 200))
    composite = composed(a, b, PairDecision(ramp, 1 - ramp))
    blended = (composite.fused > 0) & (composite.fused < 200)
    columns = np.flatnonzero(blended.any(axis=0))
    assert columns.min() >= 100 - BAND - 2
    assert columns.max() <= 100 + BAND + 2
    assert BAND + 2 <= len(columns) <= 2 * BAND + 4
    assert set(np.unique(composite.seen)) == {0, 200}


def test_strips_leave_no_seam():
    height = 2 * STRIP + 37
    a, b = draw_texture(height, 60, 1), draw_texture(height, 60, 2)
    masks = decision(height, 60)
    fused = composed(a, b, masks).fused
    window = slice(STRIP - 40, STRIP + 40)
    part = PairDecision(masks.mask_a[window], masks.mask_b[window])
    alone = composed(a[window], b[window], part).fused
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
