"""Levels of stacks: they follow the values of the frames, not the range of the dtype."""

import numpy as np
import pytest

from drawing import draw_photo
from drpl.core.luma import Levels, luma_plane, measure_levels


def photo(top=200.0, base=20.0):
    return (base + draw_photo(120, 160) * (top - base)).astype(np.float32)


def test_black_and_white_map_to_0_and_1():
    pixels = np.array([[100, 300, 500]], np.uint16)
    assert luma_plane(pixels, Levels(100, 500)).tolist() == [[0, 0.5, 1]]


@pytest.mark.parametrize("factor", [2**-10, 0.37, 257.0])
@pytest.mark.parametrize("offset", [0.0, 70.0])
def test_levels_follow_scale_and_offset(factor, offset):
    levels, changed = measure_levels([photo()]), measure_levels([offset + factor * photo()])
    assert changed.black == pytest.approx(offset + factor * levels.black, rel=1e-5)
    assert changed.white == pytest.approx(offset + factor * levels.white, rel=1e-5)


def test_single_bright_pixels_do_not_count():
    levels, plane = measure_levels([photo()]), photo()
    plane[5::60, 7::80] = 65535
    assert measure_levels([plane]).white == pytest.approx(levels.white, rel=0.02)


def test_few_bright_spots_on_dark_ground_are_seen_within_the_headroom():
    plane = np.random.default_rng(0).normal(100, 2, (400, 400)).astype(np.float32)
    plane[200:206, 200:206] = 3000
    levels = measure_levels([plane])
    assert 3 < (3000 - levels.black) / levels.span < 5


def test_one_odd_frame_does_not_set_the_levels_of_a_stack():
    frames = [photo()] * 5
    usual = measure_levels(frames)
    for factor in (3, 0):
        found = measure_levels([*frames[1:], factor * frames[0]])
        assert (found.black, found.white) == (usual.black, usual.white)


def test_even_frames_have_levels_too():
    levels = measure_levels([np.full((20, 30), 7, np.uint16)] * 2)
    assert (levels.white, levels.peak) == (pytest.approx(7), pytest.approx(7))
    assert levels.span == pytest.approx(65535)
