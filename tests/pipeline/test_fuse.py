"""Fusion from moved frames to files: registration, rejected frames, maps and report."""

import hashlib
import json

import cv2
import numpy as np
import pytest

import drpl
from drawing import INNER, draw_texture, moved, striped_stack
from drpl.align.transforms import read_transforms
from drpl.core.options import FusionOptions
from drpl.errors import AlignmentError, ReadError, StackError, WriteError
from drpl.files.align import TRANSFORMS, align_files
from drpl.io.read import read_frame
from drpl.io.write import write_image
from drpl.metrics.reference import psnr
from fusing import fuse_to

SIZE = (240, 420)


@pytest.fixture(scope="module")
def breathing():
    """Five frames with focus breathing and drift, and the truth as the middle frame shows it."""
    frames, truth, _ = striped_stack(5, *SIZE, seed=4)
    smooth = [cv2.GaussianBlur(frame, (0, 0), 0.8) for frame in (*frames, truth)]
    return [moved(frame, n, 2) for n, frame in enumerate(smooth[:-1])], smooth[-1]


def test_focus_breathing_and_drift_are_registered(model, breathing):
    frames, truth = breathing
    result = drpl.fuse(frames, model=model)
    unaligned = drpl.fuse(frames, FusionOptions(align=False), model=model)
    assert psnr(result.fused[INNER], truth[INNER]) > psnr(unaligned.fused[INNER], truth[INNER]) + 6
    assert psnr(result.fused[INNER], truth[INNER]) > 32
    assert result.fused.shape == frames[0].shape
    assert [a.status for a in result.plan.alignments].count("aligned") == 4
    assert result.plan.reference == 2


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_dtype_is_kept(model, breathing, dtype):
    frames, _ = breathing
    white = 65535 if dtype == np.uint16 else 1.0
    deep = [(frame / 255 * white).astype(dtype) for frame in frames]
    shallow = drpl.fuse(frames, model=model).fused
    fused = drpl.fuse(deep, model=model).fused
    assert fused.dtype == dtype
    assert np.abs(fused[INNER] / white * 255 - shallow[INNER]).mean() < 1.0


def test_cropping_keeps_the_area_that_all_frames_show(model, breathing):
    frames, _ = breathing
    whole = drpl.fuse(frames, model=model)
    cropped = drpl.fuse(frames, FusionOptions(crop=True), model=model)
    rows, cols = cropped.window
    assert 0 < rows.start < 30
    assert 0 < cols.start < 40
    assert cropped.fused.shape[:2] == (rows.stop - rows.start, cols.stop - cols.start)
    assert np.array_equal(cropped.fused, whole.fused[cropped.window])
    assert np.array_equal(cropped.index_map, whole.index_map[cropped.window])


def test_the_border_comes_from_frames_that_show_it(model):
    frame = draw_texture(*SIZE, 3)
    frame = cv2.GaussianBlur(frame, (0, 0), 1.2)
    frames = [moved(frame, number, 1, scale=0, shift=(25, 0)) for number in range(3)]
    result = drpl.fuse(frames, model=model)
    # the first frame is shifted by 25 pixels, so one edge of it is mirrored and must not be taken
    error = np.abs(result.fused.astype(int) - frames[1]).max(axis=2)
    assert (error[:, :20] <= 12).mean() > 0.98
    assert (error[:, -20:] <= 12).mean() > 0.98


def test_exposure_is_matched_unless_switched_off(model):
    frames, truth, _ = striped_stack(3, *SIZE, seed=2)
    frames = [cv2.GaussianBlur(f, (0, 0), 0.8) for f in frames]
    truth = cv2.GaussianBlur(truth, (0, 0), 0.8)
    dark = np.rint(frames[0] * 0.8).astype(np.uint8)
    matched = drpl.fuse([dark, *frames[1:]], model=model)
    left = drpl.fuse([dark, *frames[1:]], FusionOptions(exposure=False), model=model)
    assert psnr(matched.fused, truth) > psnr(left.fused, truth) + 3
    assert matched.plan.exposures[0].gain[0] == pytest.approx(1.25, abs=0.04)
    assert left.plan.exposures[0].is_identity


def test_a_frame_of_another_scene_is_rejected_or_kept_by_option(model, breathing):
    frames, truth = breathing
    noise = np.random.default_rng(0).integers(0, 255, frames[0].shape, np.uint8)
    stack = [*frames[:3], noise, *frames[3:]]
    result = drpl.fuse(stack, FusionOptions(reference=2), model=model)
    assert result.plan.alignments[3].status == "rejected"
    assert sorted(result.plan.used) == [0, 1, 2, 4, 5]
    assert result.coverage()[3] == 0
    assert psnr(result.fused[INNER], truth[INNER]) > 30
    kept = drpl.fuse(stack, FusionOptions(reference=2, unaligned="keep"), model=model)
    assert kept.plan.alignments[3].status == "unaligned"
    assert "takes the transform of frame" in kept.plan.alignments[3].note


def test_a_stack_without_two_matching_frames_is_refused(model):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (*SIZE, 3), np.uint8) for _ in range(3)]
    with pytest.raises(AlignmentError, match="no frame fits source 1, the reference"):
        drpl.fuse(noise, model=model)
    with pytest.raises(
        AlignmentError, match="reference is 3; expected the number of a frame, 0 to"
    ):
        drpl.fuse(noise, FusionOptions(reference=3), model=model)


@pytest.fixture
def folder(tmp_path, breathing):
    folder = tmp_path / "shots"
    folder.mkdir()
    for number, frame in enumerate(breathing[0]):
        write_image(folder / f"shot{number + 8}.png", frame)
    return folder


def test_a_folder_is_fused_in_natural_order_with_maps_and_report(folder, breathing):
    output = folder.parent / "out.tif"
    report = folder.parent / "out.json"
    steps = []
    result, about = fuse_to(
        [folder],
        output,
        maps=folder.parent / "maps",
        z_step=2.5,
        report=report,
        progress=lambda *step: steps.append(step),
    )
    fused = read_frame(output).pixels
    assert np.array_equal(fused, result.fused)
    assert psnr(fused[INNER], breathing[1][INNER]) > 32
    stored = json.loads(report.read_text())
    assert stored == json.loads(json.dumps(about))
    names = [frame["name"].rsplit("/", 1)[-1] for frame in stored["frames"]]
    assert names == [f"shot{number}.png" for number in range(8, 13)]
    content = (folder / "shot8.png").read_bytes()
    assert stored["frames"][0]["sha256"] == hashlib.sha256(content).hexdigest()
    assert sum(frame["coverage"] for frame in stored["frames"]) == pytest.approx(1, abs=1e-4)
    assert stored["reference"] == 2
    assert stored["options"]["motion"] == "affine"
    assert stored["method"]["id"] == "drpl-fast"
    assert stored["versions"]["numpy"] == np.__version__
    maps = {p.name: read_frame(p).pixels for p in (folder.parent / "maps").iterdir()}
    assert set(maps) == {"index_map.png", "confidence.png", "depth.png", "height_um.tif"}
    assert np.array_equal(maps["index_map.png"], result.index_map)
    assert np.array_equal(maps["height_um.tif"], result.index_map * np.float32(2.5))
    assert maps["height_um.tif"].dtype == np.float32
    assert maps["depth.png"].max() == 255
    assert steps[0] == ("look", 0, 5)
    assert steps[-3:] == [("fuse", 5, 5), ("write", 0, 1), ("write", 1, 1)]


def test_an_alignment_serves_another_light(folder, breathing, model):
    aligned = folder.parent / "aligned"
    plan = align_files([folder], aligned)
    assert sorted(p.name for p in aligned.iterdir()) == [
        *sorted(f"shot{number}.tif" for number in range(8, 13)),
        TRANSFORMS,
    ]
    stored = read_transforms(aligned / TRANSFORMS)
    for found, expected in zip(stored.alignments, plan.alignments, strict=True):
        assert np.allclose(found.transform, expected.transform)
    other = folder.parent / "other"
    other.mkdir()
    for path in sorted(folder.iterdir()):
        write_image(other / path.name, 255 - read_frame(path).pixels)
    first, _ = fuse_to([folder], folder.parent / "a.png", transforms=aligned / TRANSFORMS)
    second, _ = fuse_to([other], folder.parent / "b.png", transforms=aligned / TRANSFORMS)
    expected = 255 - breathing[1][INNER].astype(int)
    assert psnr(second.fused[INNER], expected.astype(np.uint8)) > 30
    assert [a.status for a in second.plan.alignments] == [a.status for a in first.plan.alignments]
    # fusing aligned frames without alignment equals fusing the stack with its alignment
    tifs = sorted(aligned.glob("*.tif"), key=lambda path: int(path.stem[4:]))
    third, _ = fuse_to(tifs, folder.parent / "c.png", FusionOptions(align=False, exposure=False))
    assert psnr(third.fused[INNER], first.fused[INNER]) > 40
    with pytest.raises(AlignmentError, match="frames"):
        fuse_to(tifs[:3], folder.parent / "d.png", transforms=aligned / TRANSFORMS)


def test_bad_paths_are_refused_before_any_work(folder):
    before = {p.name for p in folder.parent.rglob("*")}
    write_image(folder.parent / "there.png", np.zeros((9, 9), np.uint8))
    with pytest.raises(WriteError, match="exists already"):
        fuse_to([folder], folder.parent / "there.png")
    with pytest.raises(WriteError, match="is an input"):
        fuse_to([folder], folder / "shot9.png", overwrite=True)
    with pytest.raises(StackError, match="named twice"):
        fuse_to([folder, folder / "shot9.png"], folder.parent / "x.png")
    with pytest.raises(ReadError, match="matches no image"):
        fuse_to([str(folder / "*.jpg")], folder.parent / "x.png")
    write_image(folder / "shot99.png", np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(StackError, match="differ in size: 420x240 and 9x9"):
        fuse_to([folder], folder.parent / "x.png")
    (folder / "shot99.png").unlink()
    (folder.parent / "x.json").write_text("mine")
    with pytest.raises(WriteError, match=r"x\.json: exists already"):
        fuse_to([folder], folder.parent / "x.png", report=folder.parent / "x.json")
    assert {p.name for p in folder.parent.rglob("*")} == before | {"there.png", "x.json"}
