"""Reading and writing: metadata, orientation, refusals, atomic replacement."""

import os
from pathlib import Path

import numpy as np
import pytest
import pyvips

from drawing import draw_texture
from drpl.errors import ReadError, WriteError
from drpl.io.read import read_frame
from drpl.io.write import check_output, write_image


def picture_of(dtype, channels, size=(33, 47)):
    texture = draw_texture(*size, channels=max(1, channels))
    scale = {"uint8": 1, "uint16": 257, "float32": 1 / 255}[np.dtype(dtype).name]
    picture = (texture.astype(np.float64) * scale).astype(dtype)
    return picture[..., 0] if channels == 1 else picture


def test_metadata_is_kept(tmp_path):
    profile = pyvips.Image.profile_load("srgb")
    source = pyvips.Image.new_from_array(picture_of(np.uint8, 3)).copy(xres=11.8, yres=11.8)
    source.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    source.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Artist", "drawn by a test")
    source.write_to_file(str(tmp_path / "source.jpg"))
    frame = read_frame(tmp_path / "source.jpg")
    for suffix in (".jpg", ".tif", ".png", ".webp"):
        path = tmp_path / f"copy{suffix}"
        write_image(path, frame.pixels, metadata=frame.metadata)
        found = pyvips.Image.new_from_file(str(path))
        assert found.get("icc-profile-data") == profile
        if suffix != ".tif":  # libvips does not show it there; see test_exif.py
            assert "drawn by a test" in found.get("exif-ifd0-Artist")
            assert "drpl" in found.get("exif-ifd0-Software")
        assert suffix == ".webp" or found.xres == pytest.approx(11.8, abs=0.05)


def test_orientation_is_applied_once(tmp_path):
    picture = picture_of(np.uint8, 3, (20, 40))
    source = pyvips.Image.new_from_array(picture)
    source.set_type(pyvips.GValue.gint_type, "orientation", 6)
    source.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Artist", "someone")
    source.write_to_file(str(tmp_path / "turned.tif"))
    source.write_to_file(str(tmp_path / "turned.jpg"), Q=100)
    frame = read_frame(tmp_path / "turned.tif")
    assert np.array_equal(frame.pixels, np.rot90(picture, -1))
    frame = read_frame(tmp_path / "turned.jpg")
    assert frame.pixels.shape == (40, 20, 3)
    write_image(tmp_path / "again.jpg", frame.pixels, metadata=frame.metadata)
    assert read_frame(tmp_path / "again.jpg").pixels.shape == (40, 20, 3)


def test_cmyk_palette_and_bits_are_converted(tmp_path):
    grey = picture_of(np.uint8, 1)
    image = pyvips.Image.new_from_array(picture_of(np.uint8, 4)).copy(interpretation="cmyk")
    image.write_to_file(str(tmp_path / "cmyk.jpg"))
    assert read_frame(tmp_path / "cmyk.jpg").pixels.shape == (33, 47, 3)
    colour = pyvips.Image.new_from_array(picture_of(np.uint8, 3))
    colour.write_to_file(str(tmp_path / "palette.png"), palette=True)
    assert read_frame(tmp_path / "palette.png").pixels.shape == (33, 47, 3)
    bits = pyvips.Image.new_from_array(((grey > 99) * 255).astype(np.uint8))
    bits.write_to_file(str(tmp_path / "bits.png"), bitdepth=1)
    found = read_frame(tmp_path / "bits.png").pixels
    assert np.array_equal(found, (grey > 99) * 255)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
@pytest.mark.parametrize("share", [0.4, 0.97])
def test_truncated_files_are_refused(tmp_path, suffix, share):
    path = tmp_path / f"cut{suffix}"
    write_image(path, picture_of(np.uint8, 3, (300, 400)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ReadError, match="cut"):
        read_frame(path)


def test_files_that_are_no_images_are_refused(tmp_path):
    (tmp_path / "text.jpg").write_text("not a picture", encoding="utf-8")
    (tmp_path / "empty.png").touch()
    for name in ("text.jpg", "empty.png"):
        with pytest.raises(ReadError, match=f"{name}: is not an image"):
            read_frame(tmp_path / name)
    with pytest.raises(ReadError, match="no such file"):
        read_frame(tmp_path / "nowhere.png")
    with pytest.raises(ReadError, match="is not a file"):
        read_frame(tmp_path)


def test_formats_pages_samples_and_size_are_checked_before_decoding(tmp_path):
    image = pyvips.Image.new_from_array(picture_of(np.uint8, 3))
    image.write_to_file(str(tmp_path / "a.gif"))
    with pytest.raises(ReadError, match="format that is not read"):
        read_frame(tmp_path / "a.gif")
    image.cast("int").write_to_file(str(tmp_path / "int.tif"))
    with pytest.raises(ReadError, match="samples of type int"):
        read_frame(tmp_path / "int.tif")
    pages = image.join(image, "vertical").copy()
    pages.set_type(pyvips.GValue.gint_type, "page-height", 33)
    pages.write_to_file(str(tmp_path / "pages.tif"))
    with pytest.raises(ReadError, match="2 pages"):
        read_frame(tmp_path / "pages.tif")
    image.write_to_file(str(tmp_path / "big.png"))
    with pytest.raises(ReadError, match="47x33 pixels; expected at most 1,000"):
        read_frame(tmp_path / "big.png", max_pixels=1000)


def test_an_input_is_never_overwritten(tmp_path):
    source = tmp_path / "source.png"
    write_image(source, picture_of(np.uint8, 3))
    before = source.read_bytes()
    (tmp_path / "soft.png").symlink_to(source)
    os.link(source, tmp_path / "hard.png")
    names = [source, tmp_path / "soft.png", tmp_path / "hard.png"]
    for path in [*names, tmp_path / ".." / tmp_path.name / "source.png"]:
        with pytest.raises(WriteError, match="is an input"):
            write_image(path, picture_of(np.uint8, 3), inputs=[source], overwrite=True)
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "dtype", "channels", "message"),
    [
        ("a.jpg", np.uint16, 3, "does not hold uint16"),
        ("a.png", np.float32, 3, "does not hold float32"),
        ("a.jpg", np.uint8, 4, "does not hold transparency"),
        ("a.bmp", np.uint8, 3, "format '.bmp' is not written; expected .jpg, .jpeg, .png"),
        ("a", np.uint8, 3, "a: has no suffix; expected .jpg, .jpeg, .png"),
        ("nowhere/a.png", np.uint8, 3, "its folder does not exist"),
    ],
)
def test_unsuitable_pixels_and_places_are_refused(tmp_path, name, dtype, channels, message):
    with pytest.raises(WriteError, match=message):
        write_image(tmp_path / name, picture_of(dtype, channels))
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_kept_without_overwrite(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(WriteError, match="exists already"):
        write_image(path, picture_of(np.uint8, 3))
    assert path.read_text(encoding="utf-8") == "mine"
    write_image(path, picture_of(np.uint8, 3), overwrite=True)
    assert read_frame(path).pixels.shape == (33, 47, 3)


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_text("mine", encoding="utf-8")

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(WriteError, match="No space left"):
        write_image(path, picture_of(np.uint8, 3), overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert path.read_text(encoding="utf-8") == "mine"


def test_a_folder_is_refused_as_output(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(WriteError, match="is a folder"):
        check_output(tmp_path / "a.png", overwrite=True)
