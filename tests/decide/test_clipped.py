"""Correction of decisions at clipped pixels of darkened frames."""

from dataclasses import replace

import numpy as np
import pytest

from drpl.align.exposure import Exposure
from drpl.core.masks import PairDecision
from drpl.core.options import FusionOptions
from drpl.decide.clipped import clipped_ceilings, prefer_unclipped
from drpl.pipeline.fuse import fuse
from drpl.scenes.drawn import draw_pair

FULL = {"peak": 255.0, "white": 255.0}
DARKENED = Exposure((0.9,), (0.0,))
COLOURS = np.zeros((8, 8, 3), np.uint8)


def masks_like(height, width, value):
    plane = np.full((height, width), value, np.float16)
    return PairDecision(plane, 1 - plane)


def corrected_mask_a(a, b, exposures, owners, value):
    masks = masks_like(*a.shape[:2], value)
    numbers = tuple(np.full(a.shape[:2], number, np.uint8) for number in owners)
    ceilings = clipped_ceilings(exposures, a, **FULL)
    prefer_unclipped(masks, (a, b), ceilings, numbers, 255.0)
    assert np.array_equal(masks.mask_a, 1 - masks.mask_b)
    return masks.mask_a


def test_only_darkened_frames_and_colours_have_ceilings():
    found = clipped_ceilings(
        [Exposure(), Exposure((0.9, 1.1, 0.5), (0.0, 0.0, 0.1))], COLOURS, **FULL
    )
    assert np.isinf(found[0]).all()
    assert found[1].tolist() == [pytest.approx(229.5), np.inf, pytest.approx(153)]
    assert clipped_ceilings([Exposure(), Exposure((1.2,), (0.0,))], COLOURS, **FULL) is None
    assert clipped_ceilings([replace(DARKENED, highlights=(1.0,))], COLOURS, **FULL) is None
    assert clipped_ceilings([DARKENED], COLOURS.astype(np.float32), peak=1.0, white=1.0) is None


@pytest.mark.parametrize("colours", [(), (3,), (4,)])
@pytest.mark.parametrize("clipped_first", [False, True])
def test_the_frame_with_more_light_is_taken_where_the_other_is_clipped(colours, clipped_first):
    brighter = np.full((70, 40, *colours), 245, np.uint8)
    clipped = np.full((70, 40, *colours), 230, np.uint8)
    clipped[:, :15] = 100
    pair, owners = (brighter, clipped), (0, 1)
    if clipped_first:
        pair, owners = pair[::-1], owners[::-1]
    wrong = 1.0 if clipped_first else 0.0
    found = corrected_mask_a(*pair, [Exposure(), DARKENED], owners, wrong)
    assert np.all(found[:, :15] == wrong)
    assert np.all(found[:, 17:] == 1 - wrong)


def test_a_clipped_highlight_stays_where_another_frame_spreads_its_light():
    blurred = np.full((40, 40, 3), 180, np.uint8)
    highlight = np.full((40, 40, 3), 60, np.uint8)
    highlight[10:30, 10:30] = 230
    assert np.all(
        corrected_mask_a(blurred, highlight, [Exposure(), DARKENED], (0, 1), 0.25) == 0.25
    )


def test_the_less_darkened_of_two_clipped_frames_is_taken():
    a, b = (np.full((40, 40, 3), value, np.uint8) for value in (204, 230))
    assert np.all(corrected_mask_a(a, b, [Exposure((0.8,), (0.0,)), DARKENED], (0, 1), 1.0) == 0)


def test_white_stays_white_beside_a_brighter_frame():
    """White paper: bright but not clipped in the reference, clipped in the other frame."""
    frames = [np.minimum(frame, 200) for frame in draw_pair()[:2]]
    for frame in frames:
        frame[40:120, 40:160] = 246
    brighter = np.minimum(np.rint(frames[1] * 1.12), 255).astype(np.uint8)
    result = fuse([frames[0], brighter], FusionOptions(align=False, reference=0))
    assert result.plan.exposures[1].gain[0] < 0.92
    assert np.abs(result.fused[48:112, 48:152].astype(int) - 246).max() <= 1
    assert result.coverage()[1] > 0.2
