"""Stacks whose values lie far below the range of their dtype are fused like any other."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import drpl
from drawing import half_sharp_pair, striped_stack, take_stack
from drpl.core.options import FusionOptions
from drpl.io.read import read_frame
from drpl.models.methods import available_methods
from fusing import fuse_to

FIELD = Path("../shared/field")
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


@pytest.mark.data
@pytest.mark.skipif(not FIELD.is_dir(), reason="the cases from the field are not here")
@pytest.mark.parametrize("peak", [1023, 4095, 16383])
def test_twelve_bits_in_files_of_sixteen(tmp_path, peak):
    make = FIELD / "02-twelve-bits-in-sixteen" / "make.py"
    found = {}
    for white in (peak, 65520):
        folder = tmp_path / str(white)
        subprocess.run([sys.executable, make, folder, str(white)], check=True)
        fuse_to(sorted(folder.iterdir()), tmp_path / f"{white}_fused.tif")
        fused, truth = (
            read_frame(tmp_path / f"{white}_{name}.tif").pixels for name in ("fused", "truth")
        )
        found[white] = psnr(fused, truth, white)
    assert found[peak] == pytest.approx(found[65520], abs=0.5)


@pytest.mark.data
@pytest.mark.skipif(not FIELD.is_dir(), reason="the cases from the field are not here")
def test_float_counts_without_a_range(tmp_path):
    subprocess.run(
        [sys.executable, FIELD / "18-float-counts" / "make.py", tmp_path / "z"], check=True
    )
    truth = read_frame(tmp_path / "z_truth.tif").pixels
    found = []
    for value_range in (None, 4095):
        output = tmp_path / f"{value_range}.tif"
        fuse_to(sorted((tmp_path / "z").iterdir()), output, FusionOptions(value_range=value_range))
        found.append(psnr(read_frame(output).pixels, truth, 4095))
    assert found[0] == pytest.approx(found[1], abs=0.5)
