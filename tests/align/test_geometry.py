"""Warps, and the areas that they leave."""

import cv2
import numpy as np
import pytest

from drawing import around_middle
from drpl.align.geometry import common_area, rescale, valid_area, warp
from drpl.errors import AlignmentError


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
