"""Adjustment of chains: exact ties, the simplest motion, robustness."""

import numpy as np
import pytest

from drawing import around_middle
from drpl.align.adjust import Tie, adjusted
from drpl.align.blocks import parameters_of, with_parameters
from drpl.align.geometry import inverse

SHAPE = (300, 400)
COUNT = 12
SIZES = {"translation": 2, "similarity": 4, "affine": 6, "homography": 8}


def ties_of(transforms, spacings=(1, 2), motion="affine", slant=0.0, noise=0.0):
    rng = np.random.default_rng(1)
    found = []
    for spacing in spacings:
        for first in range(len(transforms) - spacing):
            second = first + spacing
            step = with_parameters(rng.normal(0, noise, SIZES[motion]), motion, SHAPE)
            between = inverse(transforms[second]) @ transforms[first] @ step
            information = 100 * np.eye(SIZES[motion])
            found.append(Tie(first, second, between, motion, information, slant))
    return found


def moves(kind):
    steps = np.arange(COUNT) - 5
    return [
        {
            "identity": np.eye(3),
            "translation": around_middle(SHAPE, shift=(0.8 * step, -0.3 * step)),
            "similarity": around_middle(SHAPE, 1 + 0.003 * step, 0.2 * step, (step, 0)),
            "affine": np.array([[1 + 0.004 * step, 0, step], [0.002 * step, 1, 0], [0, 0, 1.0]]),
        }[kind]
        for step in steps
    ]


def shifted(transforms, by):
    return [transform @ np.array([[1, 0, by], [0, 1, by], [0, 0, 1.0]]) for transform in transforms]


@pytest.mark.parametrize("kind", ["identity", "translation", "similarity", "affine"])
@pytest.mark.parametrize("asked", ["affine", "homography"])
def test_the_simplest_motion_that_explains_ties_is_found(kind, asked):
    true = moves(kind)
    start = shifted(true, 0.7)
    start[5] = true[5]
    found, motion = adjusted(start, ties_of(true, motion=asked), 5, asked, SHAPE)
    assert motion == (asked if kind == "affine" else kind)
    for transform, wanted in zip(found, true, strict=True):
        np.testing.assert_allclose(transform, wanted, atol=0.02)


@pytest.mark.parametrize("size", [2, 3, 7, 23])
def test_blocks_of_equations_of_any_number_of_frames(size):
    true = [around_middle(SHAPE, shift=(float(n), 0.5 * n)) for n in range(size)]
    found, motion = adjusted([np.eye(3)] * size, ties_of(true, (1, 2, 3)), 0, "affine", SHAPE)
    assert motion == "translation"
    np.testing.assert_allclose(found, true, atol=0.02)


def test_a_wrong_tie_hardly_counts():
    true = moves("translation")
    ties = ties_of(true, (1, 2, 3))
    wrong = around_middle(SHAPE, shift=(5, 5))
    ties[4] = Tie(4, 5, wrong @ ties[4].transform, "affine", ties[4].information, 0.0)
    found, _ = adjusted(true, ties, 5, "affine", SHAPE)
    for transform, wanted in zip(found, true, strict=True):
        assert np.abs(transform - wanted)[:2, 2].max() < 0.3


def test_what_varying_blur_shows_is_no_motion_but_steady_drift_is():
    drift = [around_middle(SHAPE, shift=(0.05 * n, 0)) for n in range(COUNT)]
    start = [np.eye(3)] * COUNT
    assert adjusted(start, ties_of(drift, slant=0.5), 0, "affine", SHAPE)[1] == "identity"
    assert adjusted(start, ties_of(drift), 0, "affine", SHAPE)[1] == "translation"


def test_a_single_jump_is_motion():
    true = [np.eye(3)] * 6 + [around_middle(SHAPE, shift=(1.5, 0))] * 6
    found, motion = adjusted([np.eye(3)] * COUNT, ties_of(true), 0, "affine", SHAPE)
    assert motion == "translation"
    np.testing.assert_allclose(found, true, atol=0.02)


def test_without_ties_the_start_stays():
    start = moves("translation")
    found, motion = adjusted(start, [], 5, "affine", SHAPE)
    assert motion == "affine"
    np.testing.assert_array_equal(found, start)


@pytest.mark.parametrize("motion", list(SIZES))
def test_parameters_of_small_transforms(motion):
    wanted = np.random.default_rng(2).normal(0, 0.01, SIZES[motion])
    found = parameters_of(with_parameters(wanted, motion, SHAPE), motion, SHAPE)
    np.testing.assert_allclose(found, wanted, atol=1e-4)
