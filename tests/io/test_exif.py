"""EXIF in TIFF files, and EXIF through every format and back."""

import struct

import numpy as np
import pytest
import pyvips

from drawing import draw_texture
from drpl.core.frames import Metadata
from drpl.io import exif
from drpl.io.exif import append_exif, read_tiff_exif
from drpl.io.read import read_frame
from drpl.io.write import write_image

FIELDS = {
    "exif-ifd0-Make": "A camera",
    "exif-ifd0-Artist": "drawn by a test",
    "exif-ifd0-Copyright": "nobody",
    "exif-ifd2-ExposureTime": "1/100",
    "exif-ifd2-FNumber": "28/10",
    "exif-ifd2-ISOSpeedRatings": "400",
    "exif-ifd2-DateTimeOriginal": "2026:01:02 03:04:05",
    "exif-ifd3-GPSLatitude": "47/1 2/1 3/1",
}
SET_BY_WRITING = ("Software", "Orientation", "XResolution", "YResolution", "ResolutionUnit")
SET_BY_WRITING += ("YCbCrPositioning",)  # describes how JPEG stores pixels; not copied to TIFF


@pytest.fixture
def texture():
    return draw_texture(33, 47)


@pytest.fixture
def source(tmp_path, texture):
    """Frame of a JPEG file with EXIF."""
    image = pyvips.Image.new_from_array(texture).copy(xres=11.8, yres=11.8)
    for name, value in FIELDS.items():
        image.set_type(pyvips.GValue.gstr_type, name, value)
    image.write_to_file(str(tmp_path / "source.jpg"))
    return read_frame(tmp_path / "source.jpg")


def fields_of(path):
    """EXIF fields that writing copies, as libvips shows them."""
    image = pyvips.Image.new_from_file(str(path))
    names = [name for name in image.get_fields() if name.startswith("exif-ifd")]
    return {name: image.get(name) for name in names if not name.endswith(SET_BY_WRITING)}


def big_endian(block):
    """Big-endian version of a little-endian EXIF block."""
    order, body = block[6:8], block[6:]
    assert order == b"II"
    swapped = bytearray(body)
    swapped[:8] = b"MM" + struct.pack(">HI", 42, struct.unpack("<I", body[4:8])[0])
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 7: 1, 10: 4}
    todo = [struct.unpack("<I", body[4:8])[0]]
    while todo:
        at = todo.pop()
        (number,) = struct.unpack_from("<H", body, at)
        struct.pack_into(">H", swapped, at, number)
        for start in range(at + 2, at + 2 + 12 * number, 12):
            tag, kind, count, where = struct.unpack_from("<HHII", body, start)
            struct.pack_into(">HHI", swapped, start, tag, kind, count)
            length = count * sizes[kind] * (2 if kind in (5, 10) else 1)
            first = start + 8 if length <= 4 else where
            if length > 4:
                struct.pack_into(">I", swapped, start + 8, where)
            for i in range(first, first + length, sizes[kind]):
                swapped[i : i + sizes[kind]] = swapped[i : i + sizes[kind]][::-1]
            if tag in (34665, 34853):
                todo.append(where)
    return b"Exif\0\0" + bytes(swapped)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".tif"])
def test_exif_fields_survive_every_format_and_back(tmp_path, source, texture, suffix):
    write_image(tmp_path / f"there{suffix}", texture, metadata=source.metadata)
    frame = read_frame(tmp_path / f"there{suffix}")
    write_image(tmp_path / "back.jpg", frame.pixels, metadata=frame.metadata)
    expected = fields_of(tmp_path / "source.jpg")
    assert set(FIELDS) <= set(expected)
    assert fields_of(tmp_path / "back.jpg") == expected
    assert frame.metadata.resolution == pytest.approx((11.8, 11.8), abs=0.001)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_tiff_takes_exif_in_any_layout(tmp_path, source, texture, dtype, big, swapped):
    pixels = texture.astype(dtype)
    image = pyvips.Image.new_from_array(pixels)
    predictor = "float" if dtype == np.float32 else "horizontal"
    path = tmp_path / "a.tif"
    image.write_to_file(str(path), compression="deflate", predictor=predictor, bigtiff=big)
    block = big_endian(source.metadata.exif) if swapped else source.metadata.exif
    append_exif(path, block, software="drpl test", size=(47, 33))
    frame = read_frame(path)
    assert np.array_equal(frame.pixels, pixels)
    write_image(tmp_path / "back.jpg", texture, metadata=frame.metadata)
    assert fields_of(tmp_path / "back.jpg") == fields_of(tmp_path / "source.jpg")


def test_pillow_reads_the_exif_of_written_tiff(tmp_path, source, texture):
    image = pytest.importorskip("PIL.Image")
    write_image(tmp_path / "a.tif", texture, metadata=source.metadata)
    with image.open(tmp_path / "a.tif") as opened:
        exif = opened.getexif()
        assert exif[315] == "drawn by a test"
        assert exif[305].startswith("drpl ")
        assert exif.get(274, 1) == 1
        assert exif.get_ifd(34665)[33437] == pytest.approx(2.8)
        assert exif.get_ifd(34665)[40962] == 47
        assert exif.get_ifd(34853)[2] == (47, 2, 3)
        assert np.array_equal(np.asarray(opened), texture)


def test_exif_in_tiff_written_by_pillow_is_read(tmp_path, texture):
    image = pytest.importorskip("PIL.Image")
    picture = image.fromarray(texture)
    tags = pytest.importorskip("PIL.TiffImagePlugin").ImageFileDirectory_v2()
    tags[271] = "A camera"
    tags[274] = 6
    tags[34665] = {33437: 2.5}
    for name, options in (("a.tif", {}), ("big.tif", {"big_tiff": True})):
        picture.save(tmp_path / name, tiffinfo=tags, **options)
        frame = read_frame(tmp_path / name)
        assert np.array_equal(frame.pixels, np.rot90(texture, -1))
        write_image(tmp_path / "b.tif", frame.pixels, metadata=frame.metadata, overwrite=True)
        with image.open(tmp_path / "b.tif") as opened:
            assert opened.getexif()[271] == "A camera"
            assert opened.getexif().get(274, 1) == 1
            assert opened.getexif().get_ifd(34665)[33437] == pytest.approx(2.5)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".tif"])
def test_software_is_set_without_exif_in_the_source(tmp_path, texture, suffix):
    write_image(tmp_path / f"a{suffix}", texture)
    metadata = read_frame(tmp_path / f"a{suffix}").metadata
    assert b"drpl " in metadata.exif


@pytest.mark.parametrize(
    "block",
    [b"", b"Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0", b"Exif\0\0II*\0\xff\xff\0\0", b"nonsense" * 9],
)
def test_damaged_exif_is_dropped_and_the_image_is_written(tmp_path, texture, block):
    for suffix in (".tif", ".jpg", ".png"):
        write_image(tmp_path / f"a{suffix}", texture, metadata=Metadata(exif=block))
        assert read_frame(tmp_path / f"a{suffix}").pixels.shape == texture.shape


def test_random_damage_never_yields_an_overlong_block(tmp_path, source):
    write_image(tmp_path / "whole.tif", source.pixels[:2, :2], metadata=source.metadata)
    tiff = pyvips.Image.new_from_file(str(tmp_path / "whole.tif"))
    tiff.write_to_file(str(tmp_path / "big.tif"), bigtiff=True)
    append_exif(tmp_path / "big.tif", source.metadata.exif, software="drpl", size=(2, 2))
    generator = np.random.default_rng(0)
    for number in range(400):
        whole = (source.metadata.exif[6:], (tmp_path / "big.tif").read_bytes())[number % 2]
        damaged = bytearray(whole)
        for at in generator.integers(8, len(damaged), 5):
            damaged[at] = generator.integers(256)
        (tmp_path / "a.tif").write_bytes(damaged)
        found = read_tiff_exif(tmp_path / "a.tif")
        assert found is None or len(found) <= 60_000


def test_an_offset_beyond_the_file_yields_no_exif(tmp_path):
    (tmp_path / "a.tif").write_bytes(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 2**64 - 1))
    assert read_tiff_exif(tmp_path / "a.tif") is None


def test_a_long_maker_note_is_left_out_first(tmp_path, source, texture):
    layout, directories = exif._read_directories(exif._open_block(source.metadata.exif))
    directories[1][exif.MAKER_NOTE] = exif.Entry(7, 59_990, b"n" * 59_990)
    (tmp_path / "a.tif").write_bytes(exif._pack_block(layout.order, *directories)[6:])
    found = read_tiff_exif(tmp_path / "a.tif")
    assert b"nnn" not in found
    assert b"drawn by a test" in found


def test_other_files_have_no_tiff_exif(tmp_path):
    (tmp_path / "a.raf").write_bytes(b"FUJIFILM" * 20)
    assert read_tiff_exif(tmp_path / "a.raf") is None
    assert read_tiff_exif(tmp_path / "nowhere.tif") is None


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".tif"])
def test_the_thumbnail_of_a_source_is_dropped(tmp_path, texture, suffix):
    image = pyvips.Image.new_from_array(texture)
    thumbnail = image.shrink(4, 4).jpegsave_buffer()
    image.set_type(pyvips.GValue.blob_type, "jpeg-thumbnail-data", thumbnail)
    image.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Artist", "drawn by a test")
    image.write_to_file(str(tmp_path / "source.jpg"))
    metadata = read_frame(tmp_path / "source.jpg").metadata
    assert thumbnail in metadata.exif
    write_image(tmp_path / f"a{suffix}", texture, metadata=metadata)
    assert b"drawn by a test" in (content := (tmp_path / f"a{suffix}").read_bytes())
    assert thumbnail not in content
