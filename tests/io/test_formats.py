"""The contract of every format in the table."""

import importlib.util

import numpy as np
import pytest
import pyvips

from drawing import draw_texture
from drpl.core.frames import FULL_SCALE
from drpl.errors import ReadError, WriteError
from drpl.io.formats import BMP, FORMATS, JPEG, LOADERS, RAW, RAW_SUFFIXES, READABLE, WRITABLE
from drpl.io.read import read_frame
from drpl.io.write import write_image

LIBVIPS = [form for form in FORMATS if form.loader]
WRITTEN = [form for form in FORMATS if form.writing]
DTYPES = ["uint8", "uint16", "float32"]
CHANNELS = [1, 2, 3, 4]


def each(formats):
    return pytest.mark.parametrize("form", formats, ids=lambda form: form.name)


def picture_of(dtype, channels, size=(33, 47)):
    texture = draw_texture(*size, channels=channels).astype(np.float64)
    picture = (texture * FULL_SCALE[np.dtype(dtype)] / 255).astype(dtype)
    return picture[..., 0] if channels == 1 else picture


def as_colour(picture):
    """Grey repeated in three channels, with its alpha."""
    planes = picture.reshape(*picture.shape[:2], -1)
    return np.dstack([planes[..., 0]] * 3 + [planes[..., n] for n in range(1, planes.shape[2])])


def skip_unless_available(form):
    if not form.available():
        pytest.skip(f"{form.name} is not available here")


def test_names_loaders_and_suffixes_are_unique():
    for found in (
        [form.name for form in FORMATS],
        [form.loader or form.module for form in FORMATS],
        [suffix for form in FORMATS for suffix in form.suffixes],
    ):
        assert len(found) == len(set(found))


@each(FORMATS)
def test_suffixes_are_lower_case_with_a_dot(form):
    assert form.suffixes
    for suffix in form.suffixes:
        assert suffix == suffix.lower()
        assert suffix.startswith(".")
        assert suffix in READABLE


@each(FORMATS)
def test_raw_is_known_by_its_suffix_and_another_library_stands_in_for_a_loader(form):
    assert (form.loader is None) == bool(form.module)
    assert (form.loader in LOADERS) == (form not in (BMP, RAW))
    assert RAW_SUFFIXES.issuperset(form.suffixes) == (form is RAW)


@each(WRITTEN)
def test_written_suffixes_are_read_again(form):
    assert set(form.writing.suffixes) <= set(form.suffixes)
    assert set(form.writing.dtypes) <= set(DTYPES)
    assert all(WRITABLE[suffix] is form.writing for suffix in form.writing.suffixes)


@each(FORMATS)
def test_a_missing_library_makes_a_format_unavailable(form, monkeypatch):
    monkeypatch.setattr(pyvips, "type_find", lambda *_: 0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert not form.available()


@each(WRITTEN)
def test_the_loader_opens_what_is_written(form, tmp_path):
    skip_unless_available(form)
    for suffix in form.writing.suffixes:
        write_image(tmp_path / f"a{suffix}", picture_of(form.writing.dtypes[0], 3))
        loader = pyvips.Image.new_from_file(str(tmp_path / f"a{suffix}")).get("vips-loader")
        assert loader.removesuffix("_source") == form.loader


@each(LIBVIPS)
def test_the_content_decides_the_format_and_not_the_suffix(form, tmp_path):
    skip_unless_available(form)
    picture = picture_of("uint8", 3)
    write_image(tmp_path / "a.png", picture)
    for suffix in form.suffixes:
        (tmp_path / "a.png").rename(tmp_path / f"a{suffix}")
        assert np.array_equal(read_frame(tmp_path / f"a{suffix}").pixels, picture)
        (tmp_path / f"a{suffix}").rename(tmp_path / "a.png")


def test_raw_files_are_known_by_any_of_their_suffixes(tmp_path):
    pytest.importorskip("rawpy")
    for suffix in RAW.suffixes:
        (tmp_path / f"a{suffix.upper()}").write_bytes(b"no picture")
        with pytest.raises(ReadError, match="cannot be developed"):
            read_frame(tmp_path / f"a{suffix.upper()}")


@each(WRITTEN)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", CHANNELS)
def test_round_trip(form, dtype, channels, tmp_path):
    skip_unless_available(form)
    writing, picture = form.writing, picture_of(dtype, channels)
    for suffix in writing.suffixes:
        path = tmp_path / f"picture{suffix}"
        if dtype not in writing.dtypes:
            with pytest.raises(WriteError, match=f"does not hold {dtype}"):
                write_image(path, picture)
        elif channels in (2, 4) and not writing.alpha:
            with pytest.raises(WriteError, match="does not hold transparency"):
                write_image(path, picture)
        else:
            write_image(path, picture)
            found = read_frame(path).pixels
            expected = picture if channels > 2 or writing.grey else as_colour(picture)
            assert found.dtype == dtype
            assert found.shape == expected.shape
            if form is JPEG:
                assert np.abs(found.astype(int) - expected).mean() < 4
            else:
                assert np.array_equal(found, expected)
            assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
            path.unlink()
    assert list(tmp_path.iterdir()) == []


@each([form for form in WRITTEN if form.writing.longest])
def test_sides_that_are_too_long_are_refused(form, tmp_path):
    skip_unless_available(form)
    for suffix in form.writing.suffixes:
        longest = np.zeros((2, form.writing.longest, 3), form.writing.dtypes[0])
        write_image(tmp_path / f"longest{suffix}", longest)
        with pytest.raises(WriteError, match=f"at most {form.writing.longest} a side"):
            write_image(tmp_path / f"longer{suffix}", np.pad(longest, ((0, 0), (0, 1), (0, 0))))
