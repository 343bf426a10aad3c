"""Registration of drawn sweeps of focus: no bias, no walk, no slip."""

import numpy as np
import pytest

from benchmarks.registration import around, registered, surface
from benchmarks.sweeps import PAD, draw_pattern, draw_sweep
from drpl.align.chain import align_chain, chain_frames
from drpl.align.geometry import map_points
from drpl.align.order import focus_order, focus_profile
from drpl.align.pairs import match_planes
from matrices import first_of

SIZE = (200, 280)


@pytest.mark.parametrize("slope", first_of(["rows", "columns"]))
@pytest.mark.parametrize("kind", ["discs", "photo"])
def test_links_between_different_blur_are_not_biased(kind, slope):
    sweep = draw_sweep(surface(kind, SIZE, 1), range(40), slope=slope, strength=1.0)
    shifts = []
    for number in range(2, 37, 3):
        match = match_planes(sweep.frames[number + 1], sweep.frames[number], motion="translation")
        shifts.append(map_points(match.transform, sweep.places[number]) - sweep.places[number])
    assert np.abs(np.mean(shifts, axis=(0, 1))).max() < 0.03


@pytest.mark.parametrize("kind", ["discs", "photo", "dots"])
def test_an_unmoved_sweep_is_not_moved(kind):
    sweep = draw_sweep(surface(kind, (300, 420), 2), range(30), strength=1.0)
    errors, motion, left_out = registered(sweep)
    assert max(errors) == 0
    assert (motion, left_out) == ("identity", 0)


@pytest.mark.parametrize("reverse", [False, True])
def test_breathing_is_found_while_focus_moves(reverse):
    moves = [around(SIZE, 1 + 0.002 * (number - 12)) for number in range(25)]
    sweep = draw_sweep(surface("photo", SIZE, 3), range(25), slope="columns", motions=moves)
    order = list(range(25))[:: -1 if reverse else 1]
    found = align_chain(chain_frames((n, sweep.frames[n]) for n in order), reference=12)
    errors = sweep.errors([alignment.transform for alignment in found], 12)
    assert np.median(errors) < 0.3
    assert max(errors) < 0.6


@pytest.mark.parametrize("pitch", first_of([10, 6, 20, 40]))
@pytest.mark.parametrize("kind", ["dots", "lines", "weave"])
@pytest.mark.parametrize("moving", [False, True])
def test_periodic_subjects_do_not_slip(kind, pitch, moving):
    picture = draw_pattern(
        kind, pitch, SIZE[0] + 2 * PAD, SIZE[1] + 2 * PAD, np.random.default_rng(pitch)
    )
    step = pitch / 6 if moving else 0
    moves = [around(SIZE, 1, 0, step * number, 0.4 * step * number) for number in range(-2, 3)]
    sweep = draw_sweep(picture, range(5), slope="columns", strength=2.0, motions=moves)
    errors, _, left_out = registered(sweep)
    assert left_out == 0
    assert max(errors) < max(2, pitch / 6)


@pytest.mark.parametrize("kind", first_of(["dots", "photo", "discs"]))
def test_order_of_focus_through_a_flat_object_is_the_given_one(kind):
    near = np.arange(9) + 0.7
    sweep = draw_sweep(surface(kind, SIZE, 5), near, slope="flat", strength=2.0)
    order = focus_order([focus_profile(frame) for frame in sweep.frames])
    assert order in ([*range(9)], [*range(8, -1, -1)])
