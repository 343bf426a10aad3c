"""Cases from the field, run as their users ran them; each failed once."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from drpl.align.geometry import map_points
from drpl.io.read import read_frame
from drpl.metrics.reference import psnr as psnr_of_8_bits
from matrices import first_of

FIELD = Path(__file__).parents[2] / "shared" / "field"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FIELD.is_dir(), reason="the cases from the field are not here"),
]


@pytest.fixture
def make(tmp_path):
    """Return a function that makes the frames of a case in a folder."""

    def run(case, folder, *arguments):
        (script,) = FIELD.glob(f"{case}-*/make.py")
        command = [sys.executable, str(script), str(folder), *map(str, arguments)]
        subprocess.run(command, cwd=tmp_path, check=True)

    return run


@pytest.fixture
def drpl(tmp_path):
    """Return a function that runs the command and returns what it prints to stderr."""

    def run(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "drpl", *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stderr

    return run


def psnr(fused, truth, peak):
    error = np.square(fused.astype(np.float64) - truth).mean()
    return 10 * np.log10(peak**2 / error)


def pixels(path):
    return read_frame(path).pixels


@pytest.mark.parametrize("lines", first_of([540, 400]))
# Pillow writes the orientation into the first of several AVIF files only: see test_orientation.py
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", first_of([6, 1, 2, 3, 4, 5, 7, 8]))
def test_01_photos_held_upright(make, drpl, tmp_path, orientation, suffix, lines):
    make("01", "frames", suffix, orientation, lines)
    drpl("fuse", "frames", "-o", "out.jpg")
    found, truth = pixels(tmp_path / "out.jpg"), pixels(tmp_path / "frames_truth.png")
    assert found.shape == truth.shape
    assert psnr_of_8_bits(found, truth) > 24


@pytest.mark.parametrize("peak", [1023, 4095, 16383])
def test_02_twelve_bits_in_sixteen(make, drpl, tmp_path, peak):
    found = {}
    for white in (peak, 65520):
        make("02", f"f{white}", white)
        drpl("fuse", f"f{white}", "-o", f"{white}.tif")
        truth = pixels(tmp_path / f"f{white}_truth.tif")
        found[white] = psnr(pixels(tmp_path / f"{white}.tif"), truth, white)
    assert found[peak] == pytest.approx(found[65520], abs=0.5)


def spots(picture):
    """Count groups of pixels that stand out, outside of the subject in the middle."""
    height, width = picture.shape[:2]
    above = picture.astype(int) - cv2.medianBlur(picture, 5)
    outside = cv2.ellipse(
        np.ones((height, width), np.uint8), (width // 2, height // 2), (80, 60), 0, 0, 360, 0, -1
    )
    return cv2.connectedComponents((above > 60).any(2).astype(np.uint8) * outside)[0] - 1


def test_16_hot_pixels(make, drpl, tmp_path):
    make("16", "frames")
    drpl("fuse", "frames", "-o", "out.png")
    frame = pixels(tmp_path / "frames" / "f00.png")
    assert spots(pixels(tmp_path / "out.png")) <= spots(frame)
    assert json.loads((tmp_path / "out.json").read_text())["sensor"]["hot"] >= 20


def test_17_one_frame_overexposed(make, drpl, tmp_path):
    found = {}
    for name, which in (("a", 2), ("b", 3)):
        make("17", name, which)
        drpl("fuse", name, "-o", f"{name}.png")
        fused, truth = pixels(tmp_path / f"{name}.png"), pixels(tmp_path / f"{name}_truth.png")
        found[name] = psnr_of_8_bits(fused, truth)
        if name == "a":
            assert fused.mean() == pytest.approx(truth.mean(), rel=0.04)
            clipped = [(picture >= 254).any(2).mean() for picture in (fused, truth)]
            assert clipped[0] == pytest.approx(clipped[1], abs=0.01)
    assert found["a"] == pytest.approx(found["b"], abs=1)


def test_18_float_counts(make, drpl, tmp_path):
    make("18", "z")
    told = drpl("fuse", "z", "-o", "a.tif")
    assert "--value-range" in told
    assert "--value-range" in json.loads((tmp_path / "a.json").read_text())["notes"][0]
    drpl("fuse", "z", "-o", "b.tif", "--value-range", 4095)
    truth = pixels(tmp_path / "z_truth.tif")
    found = [psnr(pixels(tmp_path / name), truth, 4095) for name in ("a.tif", "b.tif")]
    assert found[0] == pytest.approx(found[1], abs=0.5)


def test_20_own_result_becomes_a_frame(make, drpl, tmp_path):
    make("20", "frames")
    drpl("fuse", "frames", "-o", "frames/result.png")
    told = drpl("fuse", "frames", "-o", "frames/result2.png")
    assert "frames/result.png" in told
    first, second = (pixels(tmp_path / "frames" / f"result{n}.png") for n in ("", "2"))
    assert np.array_equal(first, second)
    report = json.loads((tmp_path / "frames" / "result2.json").read_text())
    assert len(report["frames"]) == 5
    drpl("fuse", "frames", "-o", "frames/result.png", "--overwrite")
    assert np.array_equal(pixels(tmp_path / "frames" / "result.png"), first)


def test_21_files_that_microscopes_write(make, drpl, tmp_path):
    make("21", "frames")
    drpl("fuse", "frames/stack.tif", "-o", "a.png")
    drpl("fuse", "frames/bmp", "-o", "b.png")
    assert np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))
    report = json.loads((tmp_path / "a.json").read_text())
    assert [frame["page"] for frame in report["frames"]] == [1, 2, 3, 4, 5]


def transforms(path):
    """Return the frames of a report that are in use, and their transforms."""
    frames = json.loads(path.read_text())["frames"]
    return [frame for frame in frames if frame["status"] != "rejected"]


def moved(frame, point):
    """Return a point that a frame's transform maps from its own pixels."""
    return map_points(np.array(frame["transform"]), np.array(point, float))


@pytest.mark.slow
def test_06_unmoved_stack_is_not_squeezed(make, drpl, tmp_path):
    make("06", "frames")
    drpl("fuse", "frames", "-o", "out.png")
    drpl("fuse", "frames", "-o", "still.png", "--no-align")
    truth = pixels(tmp_path / "frames_truth.png")
    height, width = truth.shape[:2]
    frames = transforms(tmp_path / "out.json")
    assert len(frames) == 40
    for number, frame in enumerate(frames):
        place = np.array([width / 2, number / 39 * (height - 1)])
        assert np.linalg.norm(moved(frame, place) - place) < 0.5
    found, still = (
        psnr_of_8_bits(pixels(tmp_path / f"{name}.png"), truth) for name in ("out", "still")
    )
    assert found > still - 1


def test_11_grids_are_registered_without_slips(make, drpl, tmp_path):
    make("11", "frames")
    drpl("fuse", "frames", "-o", "out.png")
    frames = transforms(tmp_path / "out.json")
    assert len(frames) == 5
    for frame in frames:
        transform = np.array(frame["transform"])
        assert np.abs(transform[:2, :2] - np.eye(2)).max() < 0.03
        assert np.abs(moved(frame, (160, 120)) - (160, 120)).max() < 4.5


def test_13_transparent_borders_are_no_scenery(make, drpl, tmp_path):
    make("13", "frames")
    drpl("fuse", "frames", "-o", "out.tif")
    drpl("fuse", "frames", "-o", "still.tif", "--no-align")
    truth = pixels(tmp_path / "frames_truth.png")
    height, width = truth.shape[:2]
    for frame in transforms(tmp_path / "out.json"):
        for corner in np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]]):
            assert np.linalg.norm(moved(frame, corner) - corner) < 0.5
    inner = np.s_[40:-20, 40:-20]
    found, still = (pixels(tmp_path / f"{name}.tif") for name in ("out", "still"))
    scores = [psnr_of_8_bits(picture[inner][..., :3], truth[inner]) for picture in (found, still)]
    assert scores[0] > scores[1] - 0.5
    shown = np.any([pixels(path)[..., 3] > 0 for path in (tmp_path / "frames").iterdir()], axis=0)
    assert (found[..., 3][shown] > 0).mean() > 0.99


@pytest.mark.parametrize("middle", first_of([3.2, 1.2, 6.2]))
def test_14_focus_runs_through_a_flat_object(make, drpl, tmp_path, middle):
    make("14", "frames", middle)
    told = drpl("fuse", "frames", "-o", "out.png", "--maps", "maps", "--z-step", 1)
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["focus_order"] in ([*range(8)], [*range(7, -1, -1)])
    assert "order of focus" not in told
    assert [frame["status"] for frame in report["frames"]].index("reference") in (3, 4)


def test_22_handheld_subject_is_not_doubled(make, drpl, tmp_path):
    make("22", "frames")
    drpl("fuse", "frames", "-o", "out.png")
    moves = np.loadtxt(tmp_path / "frames_moves.txt")
    middle = np.array([449 / 2, 299 / 2])
    frames = json.loads((tmp_path / "out.json").read_text())["frames"]
    assert frames[1]["status"] == "reference"
    scale, *shift = moves[2]
    for x in (0.15 * 450, 0.85 * 450):
        subject = np.array([x, 150])
        seen = (subject - middle) * scale + middle + shift
        assert np.linalg.norm(moved(frames[2], seen) - subject) < 1.5
