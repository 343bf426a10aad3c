"""Unusual inputs that occur in practice: pixels, metadata, names, damage."""

import errno
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import pyvips

from drawing import draw_texture
from drpl.core.frames import Metadata, check_stack
from drpl.errors import ReadError, StackError, WriteError
from drpl.io.formats import WRITABLE
from drpl.io.read import read_frame, read_header
from drpl.io.write import write_image

SUFFIXES = [suffix for suffix in WRITABLE if suffix not in (".jpeg", ".tiff")]
FILES = Path(__file__).parent


@pytest.fixture
def texture():
    return draw_texture(33, 47)


def save(path, pixels, interpretation="srgb", fields=(), **options):
    """Write pixels with libvips alone."""
    image = pyvips.Image.new_from_array(pixels).copy(interpretation=interpretation)
    for kind, name, value in fields:
        image.set_type(kind, name, value)
    image.write_to_file(str(path), **options)


# pixels


def test_8_bit_values_in_16_bits_are_not_rescaled(tmp_path, texture):
    pixels = texture.astype(np.uint16)
    for suffix in (".png", ".tif"):
        write_image(tmp_path / f"a{suffix}", pixels)
        found = read_frame(tmp_path / f"a{suffix}").pixels
        assert found.dtype == np.uint16
        assert np.array_equal(found, pixels)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1)])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_tiny_images_keep_their_shape_and_values(tmp_path, suffix, size, channels):
    if not channels and not WRITABLE[suffix].grey:
        pytest.skip("no grey")
    pixels = np.full(size + channels, 99, np.uint8)
    write_image(tmp_path / f"a{suffix}", pixels)
    found = read_frame(tmp_path / f"a{suffix}").pixels
    assert found.shape == pixels.shape
    assert np.abs(found.astype(int) - pixels).max() <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_read_but_refused_in_a_stack(tmp_path, texture, value):
    pixels = texture.astype(np.float32) / 255
    pixels[3, 4, 1] = value
    write_image(tmp_path / "a.tif", pixels)
    frame = read_frame(tmp_path / "a.tif")
    assert np.array_equal(frame.pixels, pixels, equal_nan=True)
    with pytest.raises(StackError, match=r"a\.tif: holds NaN or infinite"):
        check_stack([frame.pixels, frame.pixels], [frame.name, "b.tif"])


def test_float_beyond_white_is_kept(tmp_path, texture):
    pixels = texture.astype(np.float32) * 40 - 100
    write_image(tmp_path / "a.tif", pixels)
    assert np.array_equal(read_frame(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_cmyk_keeps_its_depth_and_is_noted(tmp_path, caplog, dtype):
    scale = np.iinfo(dtype).max // 255
    pixels = (draw_texture(33, 47, channels=4).astype(int) * scale).astype(dtype)
    profile = pyvips.Image.profile_load("cmyk")
    icc = (pyvips.GValue.blob_type, "icc-profile-data", profile)
    for fields, by in (((icc,), "its profile"), ((), "a common profile")):
        save(tmp_path / "a.tif", pixels, "cmyk", fields)
        frame = read_frame(tmp_path / "a.tif")
        assert frame.pixels.dtype == dtype
        assert frame.pixels.shape == (33, 47, 3)
        assert frame.notes[0].startswith(f"converted from CMYK to sRGB by {by}")
        assert "a.tif: converted from CMYK" in caplog.text
        # the profile describes the converted pixels
        assert frame.metadata.icc != profile
        write_image(tmp_path / "b.tif", frame.pixels, metadata=frame.metadata, overwrite=True)


def test_lab_and_float_cmyk_are_refused(tmp_path, texture):
    lab = pyvips.Image.new_from_array(texture).copy(interpretation="srgb").colourspace("lab")
    lab.write_to_file(str(tmp_path / "lab.tif"))
    save(tmp_path / "cmyk.tif", draw_texture(9, 9, channels=4).astype(np.float32), "cmyk")
    for name in ("lab", "cmyk"):
        with pytest.raises(ReadError, match=f"has colours in {name}, float"):
            read_frame(tmp_path / f"{name}.tif")


def test_grey_palette_and_bits_have_no_notes(tmp_path, texture):
    grey = texture[..., 0]
    save(tmp_path / "grey.jpg", grey, "b-w")
    save(tmp_path / "palette.png", texture, palette=True)
    save(tmp_path / "bits.tif", (grey > 99).astype(np.uint8) * 255, "b-w", bitdepth=1)
    assert read_frame(tmp_path / "grey.jpg").pixels.shape == (33, 47)
    assert read_frame(tmp_path / "palette.png").pixels.shape == (33, 47, 3)
    bits = read_frame(tmp_path / "bits.tif")
    assert np.array_equal(bits.pixels, (grey > 99) * 255)
    assert bits.notes == ()


def test_heic_without_a_decoder_is_refused_by_name():
    with pytest.raises(ReadError, match=r"tiny\.heic: .*HEIC.*convert it"):
        read_frame(FILES / "tiny.heic")


# metadata


DEPTHS = [(suffix, dtype) for suffix in SUFFIXES for dtype in WRITABLE[suffix].dtypes]


@pytest.mark.parametrize(("suffix", "dtype"), DEPTHS)
def test_profile_xmp_and_resolution_are_equal(tmp_path, texture, suffix, dtype):
    profile = pyvips.Image.profile_load("p3")
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="1"/></x:xmpmeta>'
    metadata = Metadata(icc=profile, xmp=xmp, resolution=(11.75, 11.75))
    write_image(tmp_path / f"a{suffix}", texture.astype(dtype), metadata=metadata)
    frame = read_frame(tmp_path / f"a{suffix}")
    assert frame.pixels.dtype == dtype
    assert frame.metadata.icc == profile
    assert frame.metadata.xmp == xmp
    assert frame.metadata.resolution == pytest.approx((11.75, 11.75), abs=0.06)


@pytest.mark.parametrize(("suffix", "dtype"), DEPTHS)
def test_grey_with_a_colour_profile(tmp_path, texture, suffix, dtype):
    grey = texture[..., 0].astype(dtype)
    metadata = Metadata(icc=pyvips.Image.profile_load("srgb"))
    write_image(tmp_path / f"a{suffix}", grey, metadata=metadata)
    found = read_frame(tmp_path / f"a{suffix}").pixels
    assert found.shape[:2] == grey.shape
    if suffix != ".jpg":
        assert np.array_equal(found if found.ndim == 2 else found[..., 0], grey)


def test_xmp_does_not_turn_the_picture_again(tmp_path, texture):
    xmp = b'<a tiff:Orientation="6"/><tiff:Orientation>8</tiff:Orientation>'
    write_image(tmp_path / "a.jpg", texture, metadata=Metadata(xmp=xmp))
    found = read_frame(tmp_path / "a.jpg").metadata.xmp
    assert found == b'<a tiff:Orientation="1"/><tiff:Orientation>1</tiff:Orientation>'


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_of_any_height_are_read_in_every_orientation(tmp_path, suffix, orientation):
    # libvips keeps 512 lines of a picture that it reads from top to bottom
    stored = draw_texture(700, 90)
    tag = (pyvips.GValue.gint_type, "orientation", orientation)
    path = tmp_path / f"a{suffix}"
    save(path, stored, "srgb", [tag], **({} if suffix in (".png", ".tif") else {"Q": 90}))
    upright = pyvips.Image.new_from_file(str(path), access="random").autorot()
    frame = read_frame(path)
    assert np.array_equal(frame.pixels, upright.numpy())
    assert frame.pixels.flags.c_contiguous
    assert read_header(path).shape == frame.pixels.shape
    assert frame.pixels.shape[:2] == ((90, 700) if orientation >= 5 else (700, 90))
    write_image(tmp_path / "b.png", frame.pixels, metadata=frame.metadata)
    assert np.array_equal(read_frame(tmp_path / "b.png").pixels, frame.pixels)


@pytest.mark.parametrize("source", [".jpg", ".tif", ".png", ".webp"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_orientation_is_applied_once_across_formats(tmp_path, texture, source, suffix):
    tag = (pyvips.GValue.gint_type, "orientation", 6)
    save(tmp_path / f"turned{source}", texture, "srgb", [tag])
    frame = read_frame(tmp_path / f"turned{source}")
    assert frame.pixels.shape == (47, 33, 3)
    write_image(tmp_path / f"a{suffix}", frame.pixels, metadata=frame.metadata)
    assert read_frame(tmp_path / f"a{suffix}").pixels.shape == (47, 33, 3)


# names and places


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("stem", ["Käfer 甲虫 🪲", "a[1]", "b[Q=5]", "c:deflate", "n" * 250, "-o"])
def test_unusual_names_are_written_and_read(tmp_path, texture, stem, suffix):
    path = tmp_path / (stem[: 255 - len(suffix)] + suffix)
    write_image(path, texture)
    assert read_frame(path).pixels.shape == texture.shape
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_deep_folders_are_written_and_read(tmp_path, texture):
    folder = tmp_path.joinpath(*["Ordner mit Käfern " * 8] * 12)
    folder.mkdir(parents=True)
    for suffix in SUFFIXES:
        write_image(folder / f"a{suffix}", texture)
        assert read_frame(folder / f"a{suffix}").pixels.shape == texture.shape


def test_impossible_names_are_refused(tmp_path, texture):
    for name in ("n" * 300 + ".png", "/".join(["n" * 200] * 30) + ".png"):
        with pytest.raises(ReadError):
            read_frame(tmp_path / name)
        with pytest.raises(WriteError):
            write_image(tmp_path / name, texture)
    for name in ("a\udcff.png", "a\0.png"):
        with pytest.raises(ReadError, match="not valid Unicode"):
            read_frame(tmp_path / name)
        with pytest.raises(WriteError, match="not valid Unicode"):
            write_image(tmp_path / name, texture)
    assert list(tmp_path.iterdir()) == []


def test_a_rewritten_file_is_read_anew(tmp_path, texture):
    for pixels in (texture, 255 - texture):
        write_image(tmp_path / "a.png", pixels, overwrite=True)
        assert np.array_equal(read_frame(tmp_path / "a.png").pixels, pixels)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc")
def test_no_file_stays_open(tmp_path, texture):
    for suffix in SUFFIXES:
        write_image(tmp_path / f"a{suffix}", texture)
        read_frame(tmp_path / f"a{suffix}")
    links = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
    assert not [link for link in links if str(tmp_path) in link]


def test_a_file_without_permission_is_refused(tmp_path, texture, monkeypatch):
    def denied(self, *_):
        raise PermissionError(errno.EACCES, "Permission denied")

    write_image(tmp_path / "a.png", texture)
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(ReadError, match="cannot be opened \\(Permission denied\\)"):
        read_frame(tmp_path / "a.png")


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path):
    black = pyvips.Image.black(60000, 7000)
    black.write_to_file(str(tmp_path / "bomb.png"), bitdepth=1, compression=1)
    with pytest.raises(ReadError, match="60000x7000 pixels; expected at most 400,000,000"):
        read_frame(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    ("kind", "before"),
    [(b"zTXt", b"Comment\0\0"), (b"iTXt", b"Comment\0\1\0en\0x\0"), (b"zTXt", b"x\0\0")],
)
def test_a_decompression_bomb_of_text_is_refused_before_opening(tmp_path, texture, kind, before):
    write_image(tmp_path / "a.png", texture)
    content, packed = (tmp_path / "a.png").read_bytes(), zlib.compress(bytes(9_000_000))
    chunk = kind + before + packed
    chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "some.png").write_bytes(content[:33] + chunk + content[33:])
    assert (read_frame(tmp_path / "some.png").pixels == texture).all()
    (tmp_path / "much.png").write_bytes(content[:33] + chunk * 4 + content[33:])
    with pytest.raises(ReadError, match="unpacks to more than 32,000,000 bytes"):
        read_frame(tmp_path / "much.png")
