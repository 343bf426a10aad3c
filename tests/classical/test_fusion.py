"""Classical methods through the public entry points: arrays, files, maps, reports, limits."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

import drpl
from drawing import draw_texture, striped_stack
from drpl.classical.table import CLASSICAL_METHODS
from drpl.core.options import FusionOptions
from drpl.errors import ConfigError
from drpl.io.read import read_frame
from drpl.io.write import write_image
from drpl.metrics.reference import psnr
from matrices import first_of

EVERY = pytest.mark.parametrize("name", CLASSICAL_METHODS)
SHARP = pytest.mark.parametrize("name", [n for n in CLASSICAL_METHODS if n != "average"])


def still(name, **kwargs):
    return FusionOptions(method=name, align=False, exposure=False, **kwargs)


@EVERY
def test_fuse_returns_the_result_of_the_method(name):
    frames, truth, _ = striped_stack(4, 96, 140)
    result = drpl.fuse(frames, still(name))
    assert np.array_equal(result.fused, CLASSICAL_METHODS[name].fuse_arrays(frames))
    assert result.index_map.dtype == np.uint8
    assert result.masks is None
    assert result.plan.scale == 1
    assert sum(result.coverage()) == pytest.approx(1)
    assert psnr(result.fused, truth) > psnr(frames[0], truth)


@EVERY
def test_a_reversed_stack_yields_the_same_picture(name):
    frames, _, _ = striped_stack(4, 96, 140)
    plain, turned = drpl.fuse(frames, still(name)), drpl.fuse(frames[::-1], still(name))
    assert np.abs(plain.fused.astype(int) - turned.fused).max() <= 1
    clear = plain.confidence > 0
    assert np.array_equal(3 - turned.index_map[clear], plain.index_map[clear])


@SHARP
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_masks_of_a_pair_follow_the_index_map(name, order):
    frames = [striped_stack(2, 90, 120)[0][n] for n in order]
    result = drpl.fuse(frames, still(name))
    assert np.array_equal(result.masks.mask_a == 1, result.index_map == 0)
    assert np.array_equal(result.masks.mask_b == 1, result.index_map == 1)
    sharp_left = order.index(0)
    assert (result.index_map[:, :40] == sharp_left).mean() > 0.9


@SHARP
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_moved_frames_are_aligned_exposed_and_fused(name, dtype):
    frames, truth, _ = striped_stack(3, 240, 330)
    full = 257 if dtype is np.uint16 else 1 / 255
    moved = []
    for number, frame in enumerate(frames):
        shift = np.float32([[1, 0, 4 * (number - 1)], [0, 1, 2 * (number - 1)]])
        gain = 1 - 0.1 * abs(number - 1)
        warped = cv2.warpAffine(
            frame.astype(np.float32) * gain, shift, (330, 240), borderMode=cv2.BORDER_REFLECT
        )
        moved.append((np.clip(warped, 0, 255) * full).astype(dtype))
    result = drpl.fuse(moved, FusionOptions(method=name, reference=1))
    assert result.fused.dtype == dtype
    assert len(result.plan.used) == 3
    inner = np.s_[20:-20, 20:-20]
    found = np.clip(result.fused.astype(np.float64) / full, 0, 255).astype(np.float32)[inner]
    middle = (moved[1] / full).astype(np.float32)[inner]
    scores = [psnr(picture / 255, truth[inner].astype(np.float32) / 255)
              for picture in (found, middle)]  # fmt: skip
    assert scores[0] > scores[1] + 3


def test_a_rejected_frame_is_not_in_the_index_map():
    frames, _, _ = striped_stack(3, 160, 220)
    stranger = draw_texture(160, 220, seed=77)
    result = drpl.fuse([*frames, stranger], FusionOptions(method="dsift", reference=1))
    assert 3 not in result.plan.used
    assert 3 not in result.index_map


def test_more_than_256_frames_need_a_16_bit_index_map():
    frames, _, _ = striped_stack(2, 16, 16)
    result = drpl.fuse([*frames] * 150, still("dct"))
    assert result.index_map.dtype == np.uint16


@pytest.fixture
def files(tmp_path):
    frames, _, _ = striped_stack(3, 120, 160)
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(frames):
        wide = frame.astype(np.uint16) * 257
        write_image(tmp_path / "in" / f"{number}.tif", np.dstack([wide, wide[..., :1] | 0xFFFF]))
    return tmp_path


def run(*arguments):
    command = [sys.executable, "-m", "drpl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})


def test_files_maps_and_report(files):
    output = files / "out.tif"
    done = run("fuse", files / "in", "-o", output, "--method", "gff", "--maps", files / "maps")
    assert done.returncode == 0, done.stderr
    pixels = read_frame(output).pixels
    assert (pixels.dtype, pixels.shape) == (np.uint16, (120, 160, 4))
    assert (pixels[..., 3] == 65535).all()
    report = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    assert report["method"]["id"] == "gff"
    assert report["method"]["doi"] == CLASSICAL_METHODS["gff"].doi
    assert report["method"]["decides"]
    assert "fuse" in report["seconds"]
    index = read_frame(files / "maps" / "index_map.png").pixels
    assert set(np.unique(index)) == {0, 1, 2}
    assert (files / "maps" / "depth.png").is_file()


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--slab", "2"], "for slabs, choose a network"),
        (["--debug", "sheet"], "(debug), choose a network"),
        (["--compose", "pyramid"], "for compose pyramid, choose a network"),
        (["--scale", "2"], "for scale 2, choose a network"),
        (["--max-memory", "100"], "max_memory is 100 MB"),
    ],
)
def test_unsupported_options_are_refused_before_work(files, extra, words):
    done = run("fuse", files / "in", "-o", files / "out.tif", "--method", "wavelet", *extra)
    assert done.returncode == ConfigError.exit_code
    assert words in done.stderr
    assert not (files / "out.tif").exists()


def test_models_lists_classical_methods():
    done = run("methods")
    assert all(name in done.stdout for name in CLASSICAL_METHODS)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of a child process")
@pytest.mark.parametrize("name", first_of(["laplacian-pyramid", "gff", "dsift"]))
def test_the_memory_limit_is_kept_whatever_the_number_of_frames(tmp_path, name):
    frames, _, _ = striped_stack(6, 300, 400)
    for number, frame in enumerate(frames):
        write_image(tmp_path / f"{number}.png", cv2.resize(frame, (1600, 1200)))
    like = np.broadcast_to(np.zeros((), np.uint8), (1200, 1600, 3))
    needs = CLASSICAL_METHODS[name].needs(FusionOptions(), like, 6)
    limit = int(needs.megabytes(like)) + 1
    output = tmp_path / "out" / "f.png"
    output.parent.mkdir()
    done = run("fuse", tmp_path / "*.png", "-o", output, "--method", name, "--max-memory", limit)
    assert done.returncode == 0, done.stderr
    report = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    assert report["peak_memory_mb"] <= limit
