"""Unusual stacks, from files to the written result."""

import json

import cv2
import numpy as np
import pytest
import pyvips

from drawing import draw_texture, striped_stack
from drpl.core.options import FusionOptions
from drpl.errors import AlignmentError, ReadError, StackError, WriteError
from drpl.files.align import align_files
from drpl.io.read import read_frame
from drpl.io.write import write_image
from drpl.metrics.reference import psnr
from fusing import fuse_to

OPTIONS = FusionOptions(threads=1)


def save_all(folder, frames, suffix=".png"):
    folder.mkdir()
    for number, frame in enumerate(frames):
        write_image(folder / f"{number}{suffix}", frame)
    return folder


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(61, 83)])
def test_grey_colour_and_alpha_keep_their_dtype(tmp_path, suffix, dtype, channels, size):
    colours = 1 if channels < 3 else 3
    frames = [frame[..., :colours] for frame in striped_stack(3, *size)[0]]
    alpha = [] if channels in (1, 3) else [np.full((*size, 1), 255, np.uint8)]
    scale = np.iinfo(dtype).max // 255
    frames = [np.dstack([frame, *alpha]).astype(dtype) * dtype(scale) for frame in frames]
    folder = save_all(tmp_path / "in", frames, suffix)
    fuse_to([folder], tmp_path / f"out{suffix}", OPTIONS)
    fused = read_frame(tmp_path / f"out{suffix}").pixels
    assert fused.dtype == dtype
    assert fused.shape == (size if channels == 1 else (*size, channels))
    if alpha:
        assert (fused[..., -1] == np.iinfo(dtype).max).all()


@pytest.mark.parametrize("bits", [9, 12, 16])
def test_aligned_frames_keep_the_values_of_their_sources(tmp_path, bits):
    frames = [frame.astype(np.uint16) << (bits - 8) for frame in striped_stack(3, 96, 128)[0]]
    folder = save_all(tmp_path / "in", frames, ".tif")
    align_files([folder], tmp_path / "out", OPTIONS)
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(
            read_frame(tmp_path / "out" / f"{number}.tif").pixels, frame, strict=True
        )


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (3, 2)])
def test_stacks_of_a_few_pixels(tmp_path, size):
    frames = [np.full((*size, 3), value, np.uint8) for value in (90, 110, 100)]
    folder = save_all(tmp_path / "in", frames)
    with pytest.raises(AlignmentError, match=r"no frame fits .*\d\.png.*\(no-align\)"):
        fuse_to([folder], tmp_path / "out.png", OPTIONS)
    unaligned = FusionOptions(align=False, threads=1)
    fuse_to([folder], tmp_path / "out.png", unaligned, maps=tmp_path / "maps", z_step=2)
    fused = read_frame(tmp_path / "out.png").pixels
    assert fused.shape == (*size, 3)
    assert fused.min() >= 89
    assert fused.max() <= 111


def test_identical_files_give_the_same_image(tmp_path):
    texture = draw_texture(75, 101)
    folder = save_all(tmp_path / "in", [texture] * 3)
    result, _ = fuse_to([folder], tmp_path / "out.png", OPTIONS)
    assert np.array_equal(read_frame(tmp_path / "out.png").pixels, texture)
    assert {a.status for a in result.plan.alignments} <= {"aligned", "reference"}


def test_palette_one_bit_and_cmyk_images_are_fused(tmp_path):
    texture = draw_texture(60, 80)
    for kind in ("palette", "bits", "cmyk"):
        folder = tmp_path / kind
        folder.mkdir()
        for number in range(2):
            image = pyvips.Image.new_from_array(texture)
            if kind == "palette":
                image.write_to_file(str(folder / f"{number}.png"), palette=True)
            elif kind == "bits":
                white = ((texture[..., 0] > 99) * 255).astype(np.uint8)
                bits = pyvips.Image.new_from_array(white)
                bits.write_to_file(str(folder / f"{number}.png"), bitdepth=1)
            else:
                four = draw_texture(60, 80, channels=4)
                cmyk = pyvips.Image.new_from_array(four).copy(interpretation="cmyk")
                cmyk.write_to_file(str(folder / f"{number}.tif"))
        output = tmp_path / f"{kind}.png"
        _, report = fuse_to([folder], output, OPTIONS)
        first = read_frame(next(folder.iterdir())).pixels
        assert np.array_equal(read_frame(output).pixels, first)
        assert any("CMYK" in n for n in report["frames"][0]["notes"]) == (kind == "cmyk")


def test_frames_of_different_orientation_are_one_stack(tmp_path):
    frames, truth, _ = striped_stack(3, 96, 140)
    folder = tmp_path / "in"
    folder.mkdir()
    for number, (frame, turn) in enumerate(zip(frames, (1, 6, 8), strict=True)):
        stored = {1: frame, 6: np.rot90(frame), 8: np.rot90(frame, -1)}[turn]
        image = pyvips.Image.new_from_array(np.ascontiguousarray(stored))
        image.set_type(pyvips.GValue.gint_type, "orientation", turn)
        image.write_to_file(str(folder / f"{number}.tif"))
    fuse_to([folder], tmp_path / "out.tif", OPTIONS)
    fused = read_frame(tmp_path / "out.tif").pixels
    assert fused.shape == truth.shape
    assert psnr(fused, truth) > psnr(frames[1], truth) + 4
    assert pyvips.Image.new_from_file(str(tmp_path / "out.tif")).get("orientation") == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_frame_with_nan_or_infinity_is_refused_by_name(tmp_path, value):
    frames = [draw_texture(40, 50).astype(np.float32) / 255 for _ in range(3)]
    frames[2][5, 6, 1] = value
    folder = save_all(tmp_path / "in", frames, ".tif")
    with pytest.raises(StackError, match=r"2\.tif: holds NaN or infinite"):
        fuse_to([folder], tmp_path / "out.tif", OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_truncated_frame_is_refused_by_name(tmp_path):
    folder = save_all(tmp_path / "in", striped_stack(3, 90, 120)[0])
    whole = (folder / "2.png").read_bytes()
    (folder / "2.png").write_bytes(whole[: len(whole) // 2])
    for options in (OPTIONS, FusionOptions(align=False, threads=1)):
        with pytest.raises(ReadError, match=r"2\.png: is damaged or cut short"):
            fuse_to([folder], tmp_path / "out.png", options, maps=tmp_path / "maps")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_moving_subject_is_taken_from_one_frame_at_a_time(tmp_path):
    frames, truth, _ = striped_stack(3, 240, 360)
    subject = 255 - draw_texture(40, 40, 9) // 4
    for number, frame in enumerate(frames):
        frame[100:140, 120 + 30 * number : 160 + 30 * number] = subject
    folder = save_all(tmp_path / "in", frames)
    result, _ = fuse_to([folder], tmp_path / "out.png", OPTIONS)
    fused = read_frame(tmp_path / "out.png").pixels
    # the subject does not move the scene
    assert all(a.status in ("aligned", "reference") for a in result.plan.alignments)
    assert max(abs(np.asarray(a.transform) - np.eye(3)).max() for a in result.plan.alignments) < 0.3
    calm = np.ones(truth.shape[:2], bool)
    calm[80:160, 100:240] = False
    assert psnr(fused[calm][None], truth[calm][None]) > 34
    # and is not transparent, as it is in a mean
    where = np.s_[100:140, 120:220]
    shots = np.array([frame[where] for frame in frames], int)

    def from_one(picture):
        return (np.abs(shots - picture).max(axis=-1).min(axis=0) <= 20).mean()

    assert from_one(fused[where]) > 0.7
    assert from_one(shots.mean(axis=0)) < 0.1


def test_a_frame_blurred_everywhere_does_no_harm(tmp_path):
    frames, truth, _ = striped_stack(3, 160, 240)
    folder = save_all(tmp_path / "in", frames)
    fuse_to([folder], tmp_path / "without.png", OPTIONS)
    write_image(folder / "3.png", cv2.GaussianBlur(truth, (0, 0), 6))
    result, report = fuse_to([folder], tmp_path / "with.png", OPTIONS)
    scores = [psnr(read_frame(tmp_path / f"{n}.png").pixels, truth) for n in ("without", "with")]
    assert scores[1] > scores[0] - 0.3
    assert report["frames"][3]["coverage"] < 0.02
    assert (result.index_map == 3).mean() < 0.02


def test_a_stack_blurred_everywhere_is_fused(tmp_path):
    blurred = [cv2.GaussianBlur(draw_texture(120, 160), (0, 0), s) for s in (6, 7, 8)]
    folder = save_all(tmp_path / "in", blurred)
    fuse_to([folder], tmp_path / "out.png", OPTIONS)
    assert psnr(read_frame(tmp_path / "out.png").pixels, blurred[0]) > 30


def test_a_darker_frame_is_matched_in_exposure(tmp_path):
    frames, truth, _ = striped_stack(3, 200, 300)
    frames[2] = np.rint(frames[2] * 0.75).astype(np.uint8)
    folder = save_all(tmp_path / "in", frames)
    fuse_to([folder], tmp_path / "out.png", OPTIONS, report=tmp_path / "out.json")
    assert psnr(read_frame(tmp_path / "out.png").pixels, truth) > 28
    report = json.loads((tmp_path / "out.json").read_text())
    gains = report["frames"][2]["exposure"]["gain"]
    assert gains == pytest.approx([1 / 0.75] * len(gains), abs=0.05)


@pytest.mark.parametrize("place", ["maps", "sheet"])
def test_a_folder_that_cannot_be_created_is_refused_early(tmp_path, place):
    folder = save_all(tmp_path / "in", striped_stack(2, 40, 60)[0])
    for bad in (folder / "0.png" / "deep" / "x", tmp_path / ("n" * 300) / "x"):
        with pytest.raises(WriteError, match=r"0\.png is a file|too long"):
            fuse_to([folder], tmp_path / "out.png", OPTIONS, **{place: bad})
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_report_name_that_is_too_long_is_refused_early(tmp_path):
    folder = save_all(tmp_path / "in", striped_stack(2, 40, 60)[0])
    output = tmp_path / ("n" * 251 + ".tif")
    with pytest.raises(WriteError, match="too long"):
        fuse_to([folder], output, OPTIONS, report=output.with_suffix(".json"))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    fuse_to([folder], output, OPTIONS)
    assert output.exists()
