import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import draw_texture, half_sharp_pair
from drpl.errors import StackError
from drpl.focus import (
    fuse_average,
    fuse_guided,
    fuse_laplacian,
    guided_filter,
    measure_energy,
)
from drpl.metrics import psnr

METHODS = [fuse_average, fuse_guided, fuse_laplacian]


def floats(*pictures):
    return np.stack(pictures).astype(np.float32) / 255


@pytest.mark.parametrize("fuse", METHODS)
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([1, 3]))
@settings(max_examples=10)
def test_identical_frames_are_kept(fuse, height, width, channels):
    frame = floats(draw_texture(height, width, channels=channels))[0]
    fused = fuse(np.stack([frame, frame, frame]))
    assert fused.dtype == np.float32
    assert np.allclose(fused, frame, atol=2e-5)


@pytest.mark.parametrize("fuse", METHODS)
def test_the_order_of_frames_does_not_matter(fuse):
    frames = floats(*(draw_texture(80, 90, seed) for seed in range(4)))
    assert np.allclose(fuse(frames), fuse(frames[[2, 0, 3, 1]]), atol=1e-5)


@pytest.mark.parametrize("fuse", METHODS[1:])
def test_sharp_halves_are_found(fuse):
    source_a, source_b, truth = half_sharp_pair(160, 200)
    fused = fuse(floats(source_a, source_b))
    best = max(psnr(source, truth) for source in (source_a, source_b))
    assert psnr(fused, floats(truth)[0]) > best + 8


@pytest.mark.parametrize("fuse", METHODS)
def test_wrong_frames(fuse):
    with pytest.raises(StackError, match="expected"):
        fuse(np.zeros((2, 8, 8), np.float32))
    with pytest.raises(StackError, match="expected"):
        fuse(np.zeros((2, 8, 8, 3), np.uint8))


def test_guided_filter_is_its_definition():
    """He et al., eq. 5, 6 and 8, window by window."""
    rng = np.random.default_rng(0)
    guide, image = rng.random((2, 24, 27), dtype=np.float32)
    radius, epsilon = 3, 0.01
    padded = [np.pad(p, radius, mode="reflect").astype(float) for p in (guide, image)]
    slope, offset = np.zeros((2, 24, 27))
    for row in range(24):
        for col in range(27):
            window = np.s_[row : row + 2 * radius + 1, col : col + 2 * radius + 1]
            g, i = (p[window] for p in padded)
            slope[row, col] = ((g * i).mean() - g.mean() * i.mean()) / (g.var() + epsilon)
            offset[row, col] = i.mean() - slope[row, col] * g.mean()
    mean = [cv2.blur(p, (7, 7)) for p in (slope, offset)]
    expected = mean[0] * guide + mean[1]
    assert np.allclose(guided_filter(guide, image, radius, epsilon), expected, atol=1e-5)


def test_energy_is_the_sum_of_squares_in_a_window():
    detail = np.zeros((11, 11, 2), np.float32)
    detail[5, 5] = (2.0, 1.0)
    energy = measure_energy(detail)
    assert energy[5, 5] == pytest.approx(5.0)
    assert energy[3, 7] == pytest.approx(5.0)
    assert energy[2, 5] == pytest.approx(0.0, abs=1e-6)
