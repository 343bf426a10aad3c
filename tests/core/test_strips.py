"""Frames at a reduced scale."""

import numpy as np
import pytest

from drpl.core.strips import reduced


@pytest.mark.parametrize("size", [(8, 8), (9, 11), (1, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [None, 2, 3, 4])
def test_reduced_frames_keep_dtype_channels_and_values(size, dtype, channels):
    shape = size if channels is None else (*size, channels)
    frame = np.full(shape, 100, dtype)
    small = reduced(frame, 4)
    assert small.shape[:2] == tuple(-(-side // 4) for side in size)
    assert small.dtype == dtype
    assert (small == 100).all()
    assert reduced(frame, 1) is frame
