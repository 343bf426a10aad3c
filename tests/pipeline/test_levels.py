"""Stacks whose values lie far below the range of their dtype are fused like any other."""

import numpy as np
import pytest

import drpl
from drawing import half_sharp_pair, striped_stack, take_stack
from drpl.core.options import FusionOptions
from drpl.models.methods import available_methods

STILL = FusionOptions(align=False, exposure=False)


def psnr(fused, truth, peak):
    error = np.square(fused.astype(np.float64) - truth).mean()
    return 10 * np.log10(peak**2 / error)


def grey(frame):
    """Values in 0..1 of a drawn frame, one channel."""
    return frame[..., 1].astype(np.float64) / 255


def stored(frames, peak, black=0.0, dtype=np.uint16):
    """Store values in 0..1 as counts from ``black`` to ``black + peak``."""
    return [np.rint(black + frame * peak).astype(dtype) for frame in frames]


def striped():
    frames, truth, _ = striped_stack(4, 150, 200)
    return [grey(frame) for frame in frames], grey(truth)


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("options", [STILL, FusionOptions()], ids=["still", "aligned"])
def test_low_bits_and_the_same_shifted_to_the_top_have_one_index_map(bits, options):
    frames = [frame.astype(np.float64) for frame in take_stack((150, 210), 4)[0]]
    low = stored(frames, 2**bits - 1)
    high = [frame << (16 - bits) for frame in low]
    results = [drpl.fuse(stack, options) for stack in (low, high)]
    assert np.array_equal(results[0].index_map, results[1].index_map)
    assert len(np.unique(results[0].index_map)) == 4


@pytest.mark.parametrize("scale", [1, 2])
def test_soft_large_low_bits_are_decided_alike_too(scale):
    frames = [np.kron(frame, np.ones((6, 6))) for frame in take_stack((180, 190), 3)[0]]
    low = stored(frames, 1023)
    options = FusionOptions(align=False, exposure=False, scale=scale)
    results = [drpl.fuse(s, options) for s in (low, [frame << 6 for frame in low])]
    assert np.array_equal(results[0].index_map, results[1].index_map)


@pytest.mark.parametrize("method", available_methods())
@pytest.mark.parametrize("black", [0, 400])
def test_every_method_fuses_dim_frames_like_bright_ones(method, black):
    frames, truth = striped()
    options = FusionOptions(method=method, align=False, exposure=False)
    bright = drpl.fuse(stored(frames, 65535), options).fused
    dim = drpl.fuse(stored(frames, 1023, black), options).fused.astype(np.float64)
    found = psnr(dim, black + truth * 1023, 1023)
    assert found == pytest.approx(psnr(bright, truth * 65535, 65535), abs=0.5)


def test_dim_photos_of_eight_bits_are_fused_like_bright_ones():
    *pair, truth = (grey(frame) for frame in half_sharp_pair(180, 240))
    dim = drpl.fuse(stored(pair, 40, 8, np.uint8), STILL)
    bright = drpl.fuse(stored(pair, 255, dtype=np.uint8), STILL)
    assert (dim.index_map == bright.index_map).mean() > 0.97
    (rounded,) = stored([truth], 40, 8, np.uint8)
    assert psnr(dim.fused, rounded, 40) > 50


def test_dim_noisy_frames_are_fused_like_bright_ones_of_equal_photon_count():
    frames, truth = striped()
    rng = np.random.default_rng(4)
    counts = [rng.poisson(50 + 400 * frame) for frame in frames]
    dim = drpl.fuse([c.astype(np.uint16) for c in counts], STILL).fused
    bright = drpl.fuse([(c * 100).astype(np.uint16) for c in counts], STILL).fused
    assert psnr(dim, 50 + 400 * truth, 400) == pytest.approx(
        psnr(bright / 100, 50 + 400 * truth, 400), abs=0.5
    )


def test_pairs_are_decided_by_their_own_levels():
    source_a, source_b, _ = (grey(frame) for frame in half_sharp_pair(128, 160))
    model = drpl.load_model()
    dim, bright = (
        drpl.decide_pair(model, *stored((source_a, source_b), peak)) for peak in (1023, 65472)
    )
    assert np.abs(dim.mask_a - bright.mask_a).mean() < 0.01
    assert (dim.mask_a[:, 100:] > 0.5).mean() > 0.95
