"""PSNR and SSIM by hand: values, regions, ranges, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawing import draw_texture
from drpl.metrics.reference import psnr, ssim


@given(st.integers(1, 200))
def test_psnr_of_a_constant_error(error):
    truth = np.zeros((6, 7, 3), np.uint8)
    fused = truth + np.uint8(error)
    assert psnr(fused, truth) == pytest.approx(20 * np.log10(255 / error))


def test_psnr_follows_the_value_range_and_the_region():
    truth = np.zeros((4, 4), np.float32)
    fused = truth.copy()
    fused[:2] = 0.1
    assert psnr(fused, truth) == pytest.approx(10 * np.log10(200), abs=1e-4)
    assert psnr(fused * 255, truth, value_range=255.0) == pytest.approx(
        10 * np.log10(200), abs=1e-4
    )
    where = np.zeros((4, 4), bool)
    assert np.isnan(psnr(fused, truth, where=where))
    where[:2] = True
    assert psnr(fused, truth, where=where) == pytest.approx(20.0, abs=1e-4)
    assert psnr(truth, truth) == np.inf
    wide = np.full((2, 2), 65535, np.uint16)
    assert psnr(wide, np.zeros_like(wide)) == pytest.approx(0.0)


def test_ssim_has_identity_symmetry_and_range():
    one, two = draw_texture(40, 50, 1), draw_texture(40, 50, 2)
    assert ssim(one, one) == pytest.approx(1.0)
    assert ssim(one, two) == pytest.approx(ssim(two, one))
    assert -1 <= ssim(one, two) < 0.5
    assert ssim(255 - one, one) < 0


def test_ssim_does_not_depend_on_the_scale():
    one, two = (
        draw_texture(40, 50, 1, channels=1)[..., 0],
        draw_texture(40, 50, 2, channels=1)[..., 0],
    )
    wide = [p.astype(np.uint16) * 257 for p in (one, two)]
    assert ssim(*wide) == pytest.approx(ssim(one, two), abs=1e-6)


def test_unsuitable_images_are_refused():
    with pytest.raises(ValueError, match="the same shape and dtype"):
        psnr(np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8))
    with pytest.raises(ValueError, match="at least 11"):
        ssim(np.zeros((4, 40), np.uint8), np.zeros((4, 40), np.uint8))
