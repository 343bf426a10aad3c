"""Scale of decisions: as coarse as the detail allows, with little loss."""

import cv2
import numpy as np
import pytest

import drpl
from drawing import draw_texture, striped_stack
from drpl.align.detail import decision_scale, measure_detail
from drpl.core.options import FusionOptions
from drpl.errors import ConfigError
from drpl.metrics.reference import psnr

SIDE = 1200


def luma(factor, noise=0.0, side=SIDE * 2):
    small = draw_texture(side // factor, side // factor, 3, channels=1)[..., 0]
    plane = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
    grain = np.random.default_rng(0).normal(0, noise, plane.shape)
    return np.clip(plane + grain, 0, 1).astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 0.004])
def test_soft_pictures_are_decided_at_a_coarser_scale(noise):
    scales = {}
    for factor in (1, 3, 6):
        plane = luma(factor, noise)
        scales[factor] = decision_scale([measure_detail(plane)], *plane.shape)
    assert scales == {1: 1, 3: 2, 6: 2}  # 4 would leave fewer than a million pixels


def test_the_sharpest_frame_determines_the_scale():
    sharp, soft = measure_detail(luma(1)), measure_detail(luma(6))
    noise = measure_detail(np.full((SIDE * 2, SIDE * 2), 0.5, np.float32))
    assert decision_scale([soft, sharp, soft], SIDE * 2, SIDE * 2) == 1
    assert decision_scale([soft, noise], SIDE * 2, SIDE * 2) == 2


@pytest.mark.parametrize("size", [(1, 1), (40, 900), (70, 70), (999, 1001)])
def test_small_pictures_are_decided_pixel_by_pixel(size):
    plane = np.zeros(size, np.float32)
    assert decision_scale([measure_detail(plane)], *size) == 1


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("width", [800, 803])
def test_a_soft_stack_is_fused_well_at_a_coarser_scale(model, scale, width):
    frames, truth, index = striped_stack(2, 75, 200)
    size = (width, 301)
    large = [cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in (*frames, truth)]
    options = FusionOptions(align=False, scale=scale)
    result = drpl.fuse(large[:2], options, model=model)
    assert result.fused.shape == large[0].shape
    assert psnr(result.fused, large[2]) > max(psnr(frame, large[2]) for frame in large[:2]) + 8
    expected = cv2.resize(index.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    assert (result.index_map == expected).mean() > 0.95


def test_an_unknown_scale_is_refused():
    with pytest.raises(ConfigError, match="scale is 3; expected one of"):
        FusionOptions(scale=3)
