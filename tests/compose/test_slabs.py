"""Slabs fused apart and then with each other, and the sheet of decisions."""

import json
from itertools import pairwise

import cv2
import numpy as np
import pytest

import drpl
from drawing import INNER, draw_texture, moved, striped_stack
from drpl.compose.fold import NewFrame, merge_frame, start_composite
from drpl.compose.slabs import Slabs
from drpl.core.frames import Metadata
from drpl.core.masks import PairDecision, clearness
from drpl.core.options import FusionOptions
from drpl.errors import ConfigError, WriteError
from drpl.io.read import read_frame
from drpl.io.write import write_image
from drpl.metrics.reference import psnr
from drpl.results.sheet import DECISIONS, LINE, WIDTH
from fusing import fuse_to

PLAIN = FusionOptions(align=False, exposure=False)
RUNS = [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8]]


def write_stack(folder, frames, **options):
    folder.mkdir()
    for number, frame in enumerate(frames):
        write_image(folder / f"shot{number}.png", frame, **options)
    return folder


@pytest.fixture(scope="module")
def nine():
    return striped_stack(9, 160, 900)


@pytest.fixture
def folder(tmp_path, nine):
    return write_stack(tmp_path / "shots", nine[0], metadata=Metadata(xmp=b"<x:xmpmeta/>"))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_slabs_equal_one_pass_closely(folder, nine):
    _, truth, index = nine
    one, about = fuse_to([folder], folder.parent / "one.png", PLAIN)
    assert one.slabs == ()
    assert about["slabs"] == []
    output, report = folder.parent / "out.png", folder.parent / "out.json"
    reported = []
    result, _ = fuse_to(
        [folder],
        output,
        PLAIN,
        slab=4,
        overlap=1,
        report=report,
        maps=folder.parent / "maps",
        progress=lambda *step: reported.append(step),
    )
    assert psnr(result.fused, one.fused) > 35
    assert psnr(result.fused, truth) > psnr(one.fused, truth) - 1
    assert (result.index_map == one.index_map).mean() > 0.9
    assert (result.index_map == index).mean() > 0.9
    assert set(np.unique(result.index_map)) == set(range(9))
    assert np.abs(result.confidence.astype(int) - one.confidence).mean() < 25
    assert np.array_equal(read_frame(output).pixels, result.fused)
    stored = read_frame(folder.parent / "maps" / "index_map.png").pixels
    assert np.array_equal(stored, result.index_map)
    files = [folder.parent / f"out_slab_{number:02d}.png" for number in (1, 2, 3)]
    stored = json.loads(report.read_text())["slabs"]
    assert stored == [{"file": str(f), "frames": r} for f, r in zip(files, RUNS, strict=True)]
    assert reported[-2:] == [("write", 0, 1), ("write", 1, 1)]
    for file, run in zip(files, RUNS, strict=True):
        slab = read_frame(file)
        alone = drpl.fuse([nine[0][number] for number in run], PLAIN)
        assert psnr(slab.pixels, alone.fused) > 50
        assert slab.metadata.xmp
    assert not [name for name in names(folder.parent) if name.startswith(".")]


@pytest.fixture(scope="module")
def breathing():
    frames, truth, _ = striped_stack(9, 240, 420, seed=4)
    smooth = [cv2.GaussianBlur(frame, (0, 0), 0.8) for frame in (*frames, truth)]
    return [moved(frame, n, 4, shift=(3.2, -1.7)) for n, frame in enumerate(smooth[:-1])], smooth[
        -1
    ]


@pytest.mark.parametrize("crop", [False, True])
def test_a_stack_that_moves_keeps_its_geometry(tmp_path, breathing, crop):
    frames, truth = breathing
    folder = write_stack(tmp_path / "shots", frames)
    options = FusionOptions(crop=crop)
    one, _ = fuse_to([folder], tmp_path / "one.tif", options)
    result, _ = fuse_to([folder], tmp_path / "out.tif", options, slab=4, overlap=1)
    assert result.plan.reference == one.plan.reference == 4
    assert result.window == one.window
    assert psnr(result.fused, one.fused) > 35
    assert (result.index_map == one.index_map).mean() > 0.9
    if crop:
        shape = result.fused.shape
    else:
        shape = frames[0].shape
        assert psnr(result.fused[INNER], truth[INNER]) > 30
    assert all(read_frame(slab.file).pixels.shape == shape for slab in result.slabs)


def test_areas_a_slab_does_not_show_are_taken_from_another(tmp_path):
    frame = cv2.GaussianBlur(draw_texture(240, 420, 3), (0, 0), 1.2)
    frames = [moved(frame, number, 2, scale=0, shift=(20, 0)) for number in range(5)]
    folder = write_stack(tmp_path / "shots", frames)
    result, _ = fuse_to([folder], tmp_path / "out.tif", slab=2)
    assert [slab.frames for slab in result.slabs] == [(0, 1), (2, 3), (4,)]
    error = np.abs(result.fused.astype(int) - frames[2]).max(axis=2)
    # the last slab is one frame, shifted by 40 pixels, and shows a mirrored edge there
    alone = np.abs(read_frame(result.slabs[2].file).pixels.astype(int) - frames[2]).max(axis=2)
    missing = np.s_[:, :30] if (alone[:, :30] > 12).mean() > 0.3 else np.s_[:, -30:]
    assert (alone[missing] > 12).mean() > 0.3
    assert (error[missing] <= 12).mean() > 0.98
    assert not (result.index_map[missing] == 4).any()


def test_a_lossy_format_affects_the_slab_files_only(tmp_path, folder):
    exact, _ = fuse_to([folder], tmp_path / "a.png", PLAIN, slab=4, overlap=1)
    lossy, _ = fuse_to([folder], tmp_path / "b.jpg", PLAIN, slab=4, overlap=1)
    assert np.array_equal(exact.fused, lossy.fused)
    assert np.array_equal(exact.confidence, lossy.confidence)
    assert [slab.file.suffix for slab in lossy.slabs] == [".jpg"] * 3


def test_a_rejected_frame_is_in_no_slab(tmp_path, breathing):
    frames = list(breathing[0])
    frames[1] = np.random.default_rng(0).integers(0, 255, frames[0].shape, np.uint8)
    folder = write_stack(tmp_path / "shots", frames)
    options = FusionOptions(reference=4)
    result, _ = fuse_to([folder], tmp_path / "out.png", options, slab=4, overlap=2)
    assert [s.frames for s in result.slabs] == [(0, 2, 3, 4), (3, 4, 5, 6), (5, 6, 7, 8)]
    assert result.coverage()[1] == 0


def test_one_slab_of_all_is_one_pass(tmp_path, pair):
    folder = write_stack(tmp_path / "shots", pair[:2])
    one, _ = fuse_to([folder], tmp_path / "one.png", PLAIN)
    result, _ = fuse_to([folder], tmp_path / "out.png", PLAIN, slab=5, overlap=2)
    assert np.array_equal(result.fused, one.fused)
    assert np.array_equal(result.masks.mask_a, one.masks.mask_a)
    assert [slab.frames for slab in result.slabs] == [(0, 1)]


@pytest.mark.parametrize("count", range(2, 25))
def test_each_slab_has_a_frame_of_its_own_and_none_is_left_out(tmp_path, count):
    for size in range(2, 6):
        for overlap in range(size):
            runs = Slabs(size, overlap).runs(range(count))
            assert sorted({n for run in runs for n in run}) == list(range(count))
            for before, run in pairwise(runs):
                assert len(before) == size
                assert run[:overlap] == before[size - overlap :]
                assert run[-1] > before[-1]


@pytest.mark.parametrize(
    ("slab", "overlap", "words"),
    [
        (1, 0, "slab is 1; expected 2 frames or more"),
        (4, 4, "overlap is 4; expected 0 to 3"),
        (4, -1, "overlap is -1; expected 0 to 3"),
        (None, 2, "overlap is 2, but no slab size is given; give --slab"),
    ],
)
def test_impossible_slabs_are_refused(folder, slab, overlap, words):
    with pytest.raises(ConfigError, match=words):
        fuse_to([folder], folder.parent / "out.png", slab=slab, overlap=overlap)


def test_no_work_begins_if_a_slab_cannot_be_written(folder):
    there = folder.parent / "out_slab_03.png"
    write_image(there, draw_texture(9, 9))
    reported = []
    with pytest.raises(WriteError, match=r"out_slab_03\.png: exists already"):
        fuse_to(
            [folder],
            folder.parent / "out.png",
            slab=4,
            overlap=1,
            progress=lambda *step: reported.append(step),
        )
    assert not reported
    assert names(folder.parent) == ["out_slab_03.png", "shots"]
    inputs = [folder / f"shot{number}.png" for number in range(2)]
    (folder / "shot1.png").rename(folder / "x_slab_01.png")
    inputs[1] = folder / "x_slab_01.png"
    with pytest.raises(WriteError, match="is an input"):
        fuse_to(inputs, folder / "x.png", slab=2, overwrite=True)


def test_the_same_frame_in_two_slabs_raises_no_doubt():
    frames = [draw_texture(8, 8, seed) for seed in range(2)]
    numbers, slab_doubt = np.full((8, 8), 3, np.uint8), np.full((8, 8), 55, np.uint8)
    other = np.where(np.arange(8) < 4, 3, 5).astype(np.uint8) * np.ones((8, 1), np.uint8)
    composite = start_composite(
        frames[0].copy(), 0, count=9, maps=(numbers.copy(), np.full((8, 8), 5, np.uint8))
    )
    mask = np.full((8, 8), 0.4, np.float16)
    new = NewFrame(frames[1], frames[1], 1, None, (other, slab_doubt))
    masks = PairDecision(mask, (1 - mask).astype(np.float16))
    merge_frame(composite, new, masks, mode="select", white=255.0)
    assert np.array_equal(composite.index_map, other)
    doubt = 255 - clearness(np.full(1, np.float16(0.4), np.float32))[0]
    assert (composite.doubt[:, :4] == 55).all()
    assert (np.abs(composite.doubt[:, 4:].astype(int) - int(doubt)) <= 1).all()


def test_the_sheet_shows_every_decision(folder, nine):
    plain, _ = fuse_to([folder], folder.parent / "plain.png", PLAIN)
    debug = folder.parent / "debug"
    result, _ = fuse_to([folder], folder.parent / "out.png", PLAIN, sheet=debug)
    assert np.array_equal(result.fused, plain.fused)
    assert np.array_equal(result.index_map, plain.index_map)
    assert np.array_equal(result.confidence, plain.confidence)
    assert names(debug) == [DECISIONS]
    sheet = read_frame(debug / DECISIONS).pixels
    height, width = plain.fused.shape[:2]
    tall = round(height * WIDTH / width)
    assert sheet.shape == (9 * (LINE + tall), 3 * WIDTH, 3)
    rows = sheet.reshape(9, LINE + tall, 3, WIDTH, 3)
    assert (rows[:, :LINE].max(axis=(1, 2, 3, 4)) > 200).all()
    decisions = rows[:, LINE:, 1]
    assert (decisions[0] == 0).all()
    # a stripe of each frame is taken when it comes
    stripe = WIDTH // 9
    half = stripe // 2
    outer = slice(0, half) if result.plan.used[0] == 0 else slice(WIDTH - half, WIDTH)
    for row, number in enumerate(result.plan.used[1:], 1):
        own = decisions[row][:, number * stripe + 8 : (number + 1) * stripe - 8]
        assert own.mean() < 60
        assert decisions[row][:, outer].mean() > 200
    small = cv2.resize(result.fused, (WIDTH, tall), interpolation=cv2.INTER_AREA)
    assert np.abs(rows[-1, LINE:, 2].astype(int) - small).max() <= 1


def test_the_sheet_shows_slabs_and_any_depth(tmp_path):
    frames, _, _ = striped_stack(4, 64, 96)
    deep = [(frame.astype(np.uint16) * 257)[..., 0] for frame in frames]
    folder = write_stack(tmp_path / "shots", deep)
    debug = tmp_path / "debug"
    options = FusionOptions(align=False, scale=2)
    fuse_to([folder], tmp_path / "out.png", options, slab=2, sheet=debug)
    assert read_frame(debug / DECISIONS).pixels.shape == ((4 + 2) * (LINE + 64), 3 * 96, 3)
    with pytest.raises(WriteError, match=r"decisions\.png: exists already"):
        fuse_to([folder], tmp_path / "other.png", options, sheet=debug)
