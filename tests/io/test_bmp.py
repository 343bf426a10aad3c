"""BMP files: every kind that programs write, through Pillow."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawing import draw_texture
from drpl.errors import ReadError
from drpl.io.read import read_capture_time, read_frame, read_header
from drpl.io.stacks import FileStack

TEXTURE = draw_texture(45, 61)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_every_mode_is_read_as_pillow_shows_it(mode, tmp_path):
    picture = Image.fromarray(TEXTURE).convert(mode)
    picture.save(tmp_path / "a.bmp", dpi=(254, 508))
    frame = read_frame(tmp_path / "a.bmp")
    expected = np.asarray(picture.convert("L" if mode in "1L" else "RGB"))
    assert np.array_equal(frame.pixels, expected)
    assert frame.pixels.flags.writeable  # a fusion merges others into it
    assert frame.metadata.resolution == pytest.approx((10, 20), rel=0.01)
    header = read_header(tmp_path / "a.bmp")
    assert (header.shape, header.dtype) == (expected.shape, expected.dtype)
    assert read_capture_time(tmp_path / "a.bmp") is None


def test_rows_from_top_to_bottom_and_unused_alpha(tmp_path):
    # 32 bits a pixel with a byte that is no alpha, and a negative height: as Windows writes them
    height, width = TEXTURE.shape[:2]
    rows = np.dstack([TEXTURE[..., ::-1], np.zeros((height, width), np.uint8)]).tobytes()
    head = struct.pack("<IiiHHIIiiII", 40, width, -height, 1, 32, 0, len(rows), 0, 0, 0, 0)
    start = struct.pack("<2sIHHI", b"BM", 54 + len(rows), 0, 0, 54)
    (tmp_path / "a.bmp").write_bytes(start + head + rows)
    assert np.array_equal(read_frame(tmp_path / "a.bmp").pixels, TEXTURE)


def test_the_content_decides(tmp_path):
    Image.fromarray(TEXTURE).save(tmp_path / "a.bmp")
    (tmp_path / "a.bmp").rename(tmp_path / "a.jpg")
    assert np.array_equal(read_frame(tmp_path / "a.jpg").pixels, TEXTURE)


def test_damaged_and_large_files_are_refused(tmp_path):
    path = tmp_path / "a.bmp"
    Image.fromarray(TEXTURE).save(path)
    whole = path.read_bytes()
    with pytest.raises(ReadError, match=r"a\.bmp: has 61x45 pixels; expected at most 100"):
        read_header(path, max_pixels=100)
    for length in (2, 10, 20, 60):
        path.write_bytes(whole[:length])
        with pytest.raises(ReadError, match=r"a\.bmp"):
            read_frame(path)
    path.write_bytes(whole[:-500])
    with pytest.raises(ReadError, match="damaged or cut short"):
        read_frame(path)
    huge = bytearray(whole)
    huge[18:26] = struct.pack("<ii", 100_000, 100_000)
    path.write_bytes(huge)
    with pytest.raises(ReadError, match="has 100000x100000 pixels"):
        read_frame(path)


def test_a_file_that_cannot_be_opened_is_named(tmp_path, monkeypatch):
    Image.fromarray(TEXTURE).save(tmp_path / "a.bmp")

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(ReadError, match=r"a\.bmp: cannot be opened \(Permission denied\)"):
        FileStack([tmp_path / "a.bmp", tmp_path / "a.bmp"])
