"""Photos held upright or upside down, in every format: in Python, the terminal and the service."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import pyvips

from drawing import draw_texture, half_sharp_pair
from drpl.core.options import FusionOptions
from drpl.files.fuse import fuse_files
from drpl.io.read import read_frame, read_header
from drpl.metrics.reference import psnr
from matrices import first_of
from serving import Served

SUFFIXES = [".jpg", ".png", ".tif", ".webp", ".avif"]
ORIENTATIONS = range(1, 9)
ONE_OF_EACH = [(turn, SUFFIXES[turn % len(SUFFIXES)]) for turn in ORIENTATIONS]
OPTIONS = FusionOptions(align=False)
BEST = {
    ".jpg": {"Q": 98, "subsample_mode": "off"},
    ".webp": {"lossless": True, "effort": 0},
    ".avif": {"lossless": True, "effort": 0},
}
"""Options of libvips that keep most of a picture."""
DECODED = {".avif": 8.0}
"""Memory of reading a picture held upright, in times its pixels; 3.5 where nothing is named."""


def stored(upright, orientation):
    """Return pixels as a camera stores them that tags them with an orientation."""
    image = pyvips.Image.new_from_array(upright)
    # the turns of EXIF, undone
    undo = {2: "fliphor", 3: "rot180", 4: "flipver", 6: "rot270", 8: "rot90"}
    if orientation in undo:
        return getattr(image, undo[orientation])()
    if orientation in (5, 7):
        return image.rot90().fliphor() if orientation == 5 else image.rot270().fliphor()
    return image


def write_turned(folder, frames, orientation, suffix, **options):
    """Write frames as a camera would; return their files."""
    folder.mkdir(exist_ok=True)
    files = []
    for number, frame in enumerate(frames):
        image = stored(frame, orientation).copy(interpretation="srgb")
        image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
        files.append(folder / f"p{number}{suffix}")
        image.write_to_file(str(files[-1]), **{**BEST.get(suffix, {}), **options})
    return files


def pair_of(lines):
    """Return a pair, ``lines`` pixels wide when it is upright."""
    if lines <= 600:
        return half_sharp_pair(lines * 4 // 3, lines)
    small = half_sharp_pair(lines // 3, lines // 4)
    return [cv2.resize(frame, (lines, lines * 4 // 3), fx=0, fy=0) for frame in small[:2]]


def check_result(target, frames, suffix):
    """Check that a result is upright, and what fusing the frames themselves gives."""
    found = read_frame(target)
    expected = fuse_arrays(frames)
    assert found.pixels.shape == expected.shape
    assert pyvips.Image.new_from_file(str(target)).get("orientation") == 1
    if suffix == ".jpg":
        assert psnr(found.pixels, expected) > 24
    else:
        assert np.array_equal(found.pixels, expected)


def fuse_arrays(frames):
    from drpl.pipeline.fuse import fuse

    return fuse(frames, OPTIONS).fused


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_orientation_of_12_megapixels_is_read(suffix, tmp_path):
    (frame,) = pair_of(3024)[:1]
    for orientation in ORIENTATIONS:
        (file,) = write_turned(tmp_path / "frames", [frame], orientation, suffix)
        found = read_frame(file).pixels
        assert read_header(file).shape == frame.shape
        assert psnr(found, frame) > 24 if suffix == ".jpg" else np.array_equal(found, frame)


@pytest.mark.parametrize("lines", first_of([540, 400]))
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("orientation", first_of([6, 1, 2, 3, 4, 5, 7, 8]))
def test_every_orientation_format_and_size_is_fused(orientation, suffix, lines, tmp_path):
    frames = pair_of(lines)[:2]
    files = write_turned(tmp_path / "frames", frames, orientation, suffix)
    assert read_header(files[0]).shape == frames[0].shape
    fuse_files(files, tmp_path / "out.png", OPTIONS)
    check_result(tmp_path / "out.png", frames, suffix)


@pytest.mark.parametrize("case", first_of(ONE_OF_EACH), ids=str)
def test_in_the_terminal(case, tmp_path):
    orientation, suffix = case
    frames = pair_of(540)[:2]
    write_turned(tmp_path / "frames", frames, orientation, suffix)
    command = [sys.executable, "-m", "drpl", "fuse", str(tmp_path / "frames"), "--no-align", "-q"]
    subprocess.run([*command, "-o", str(tmp_path / "out.png")], check=True)
    check_result(tmp_path / "out.png", frames, suffix)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("served") / "store")
    yield served.client()
    served.end()


@pytest.mark.parametrize("case", first_of(ONE_OF_EACH), ids=str)
def test_in_the_service(case, tmp_path, client):
    orientation, suffix = case
    frames = pair_of(540)[:2]
    files = write_turned(tmp_path / "frames", frames, orientation, suffix)
    contents = {path.name: path.read_bytes() for path in files}
    job = client.run(contents, options={"align": False})
    client.wait(job, "done")
    answer = client.ask("GET", f"/jobs/{job}/download/fused.png")
    assert answer.status_code == 200
    (tmp_path / "out.png").write_bytes(answer.content)
    check_result(tmp_path / "out.png", frames, suffix)
    client.ask("DELETE", f"/jobs/{job}")


def test_turned_and_upright_files_are_one_stack(tmp_path):
    frames = pair_of(540)[:2]
    files = [
        *write_turned(tmp_path / "a", frames[:1], 6, ".jpg"),
        *write_turned(tmp_path / "b", frames[1:], 1, ".png"),
    ]
    fuse_files(files, tmp_path / "out.png", OPTIONS)
    check_result(tmp_path / "out.png", frames, ".jpg")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_photo_of_100_megapixels_held_upright(suffix, tmp_path):
    small = draw_texture(1450, 1088)
    upright = cv2.resize(small, (8704, 11600), interpolation=cv2.INTER_LINEAR)
    quick = {"lossless": False} if suffix in (".webp", ".avif") else {}
    (file,) = write_turned(tmp_path / "frames", [upright], 6, suffix, **quick)
    command = (
        "import sys; from drpl.io.read import read_frame; "
        "from drpl.core.machine import peak_memory_mb; before = peak_memory_mb(); "
        "print(*read_frame(sys.argv[1]).pixels.shape, peak_memory_mb() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", command, str(file)], check=True, capture_output=True, text=True
    )
    *shape, used = map(float, done.stdout.split())
    assert shape == [11600, 8704, 3]
    # the picture, the picture turned, and what the decoder holds
    assert used < DECODED.get(suffix, 3.5) * upright.nbytes / 2**20
