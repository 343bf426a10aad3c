"""Coverage by alpha."""

import numpy as np
import pytest

from drpl.core.coverage import BORDER, extended, opaque


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparent_places_are_not_covered(channels, dtype):
    pixels = np.full((40, 60, channels), 200, dtype)
    pixels[:, :10, -1] = 0
    covered = opaque(pixels)
    assert not covered[:, : 10 + BORDER].any()
    assert covered[:, 10 + BORDER :].all()


@pytest.mark.parametrize("alpha", [0, 90, 255])
def test_even_alpha_covers_everything(alpha):
    pixels = np.full((40, 60, 4), alpha, np.uint8)
    assert opaque(pixels) is None
    assert opaque(pixels[..., :3]) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_colours_are_continued_without_an_edge(dtype):
    ramp = np.tile(np.linspace(60, 180, 80), (50, 1))
    pixels = np.dstack([ramp, 240 - ramp, ramp, np.full_like(ramp, 255)]).astype(dtype)
    covered = np.ones((50, 80), bool)
    covered[:, :30] = covered[:12] = False
    hidden = pixels.copy()
    hidden[~covered, :3] = 0
    filled = extended(hidden, covered)
    assert filled.dtype == dtype
    np.testing.assert_array_equal(filled[covered], pixels[covered])
    np.testing.assert_array_equal(filled[..., 3], pixels[..., 3])
    assert np.abs(np.diff(filled[..., 0].astype(float), axis=1)).max() < 12
    assert np.abs(np.diff(filled[..., 0].astype(float), axis=0)).max() < 12
