"""Bit depth, quality and metadata of saved results."""

import numpy as np
import pytest
import pyvips
from PIL import Image, IptcImagePlugin

from drawing import striped_stack
from drpl.core.frames import FULL_SCALE, Metadata
from drpl.core.options import FusionOptions
from drpl.errors import ConfigError, WriteError
from drpl.files.fuse import fuse_files
from drpl.files.outputs import Outputs, cut_slabs
from drpl.io.iptc import PHOTOSHOP, unwrapped, wrapped
from drpl.io.read import read_frame
from drpl.io.saving import Saving, converted, white_of
from drpl.io.write import write_image

SRGB = pyvips.Image.profile_load("srgb")
P3 = pyvips.Image.profile_load("p3")
OPTIONS = FusionOptions(align=False)


def write_stack(folder, full, dtype, *, icc=None, suffix=".tif"):
    files = []
    for number, frame in enumerate(striped_stack(3, 72, 96)[0]):
        scaled = frame.astype(np.float64) * full / 255
        pixels = (np.rint(scaled) if dtype != "float32" else scaled).astype(dtype)
        files.append(folder / f"f{number}{suffix}")
        profile = icc[number] if isinstance(icc, tuple) else icc
        write_image(files[-1], pixels, metadata=Metadata(icc=profile))
    return files


def fused_as(files, target, options=OPTIONS, **saving):
    _, report = fuse_files(files, Outputs(target, saving=Saving(**saving)), options)
    return read_frame(target).pixels, report


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
@pytest.mark.parametrize(
    ("full", "dtype", "icc"),
    [(65535, "uint16", SRGB), (65535, "uint16", None), (1, "float32", None), (255, "uint8", None)],
)
def test_formats_of_eight_bits_get_a_converted_picture(suffix, full, dtype, icc, tmp_path, caplog):
    files = write_stack(tmp_path, full, dtype, icc=icc)
    found, report = fused_as(files, tmp_path / f"a{suffix}")
    exact, _ = fused_as(files, tmp_path / "exact.tif")
    expected = np.rint(exact.astype(np.float64) / FULL_SCALE[exact.dtype] * 255)
    assert found.dtype == np.uint8
    assert np.abs(found - expected).mean() < (4 if suffix == ".jpg" else 1)
    told = [note for note in report["notes"] if "converted from" in note]
    assert len(told) == (dtype != "uint8")
    assert caplog.text.count("samples were converted") == (dtype != "uint8")


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_unused_bits_do_not_darken_a_jpeg(bits, tmp_path):
    files = write_stack(tmp_path, 2**bits - 1, "uint16")
    found, report = fused_as(files, tmp_path / "a.jpg")
    bright, _ = fused_as(write_stack(tmp_path, 255, "uint8", suffix=".png"), tmp_path / "b.jpg")
    assert abs(found.mean() - bright.mean()) < 1
    assert f"white is {2**bits - 1}" in report["notes"][0]
    given, _ = fused_as(files, tmp_path / "c.jpg", FusionOptions(align=False, value_range=65535))
    assert given.mean() < bright.mean() / 3


def test_white_of_a_stack():
    assert white_of(200, np.dtype(np.uint8), profiled=False) == 255
    assert white_of(1000, np.dtype(np.uint16), profiled=False) == 1023
    assert white_of(1024, np.dtype(np.uint16), profiled=False) == 4095
    assert white_of(1000, np.dtype(np.uint16), profiled=True) == 65535
    assert white_of(60000, np.dtype(np.uint16), profiled=False) == 65535
    assert white_of(0.2, np.dtype(np.float32), profiled=False) == 1


def test_depth(tmp_path):
    files = write_stack(tmp_path, 65535, "uint16")
    whole, _ = fused_as(files, tmp_path / "whole.png")
    small, _ = fused_as(files, tmp_path / "small.png", depth=8)
    assert (whole.dtype, small.dtype) == (np.uint16, np.uint8)
    assert np.array_equal(small, np.rint(whole / np.float32(65535) * 255))
    floats = tmp_path / "floats"
    floats.mkdir()
    found, _ = fused_as(write_stack(floats, 1, "float32"), tmp_path / "f.png", depth=16)
    assert found.dtype == np.uint16
    with pytest.raises(WriteError, match=r"\.jpg does not hold 16 bits"):
        fused_as(files, tmp_path / "a.jpg", depth=16)
    with pytest.raises(ConfigError, match="expected 8 or 16"):
        Saving(depth=12)


def test_more_bits_keep_every_value():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(converted(values, np.dtype(np.uint16), 255), values.astype(int) * 257)
    beyond = np.float32([[-1, 0, 0.5, 1, 9]])
    assert converted(beyond, np.dtype(np.uint8), 1).tolist() == [[0, 0, 128, 255, 255]]


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_less_quality_makes_smaller_files(suffix, tmp_path):
    files = write_stack(tmp_path, 255, "uint8")
    sizes = []
    for quality in (20, 60, 95):
        target = tmp_path / f"q{quality}{suffix}"
        found, _ = fused_as(files, target, quality=quality)
        assert found.shape == (72, 96, 3)
        sizes.append(target.stat().st_size)
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 2


@pytest.mark.parametrize("quality", [0, 101])
def test_quality_out_of_range_is_refused(quality):
    with pytest.raises(ConfigError, match="expected 1 to 100"):
        Saving(quality=quality)


def test_quality_without_loss_is_refused_before_any_work(tmp_path):
    files = write_stack(tmp_path, 255, "uint8")
    with pytest.raises(WriteError, match=r"\.png has no quality"):
        fused_as(files, tmp_path / "a.png", quality=80)


def test_slabs_are_saved_alike(tmp_path):
    files = write_stack(tmp_path, 1023, "uint16")
    outputs = Outputs(tmp_path / "a.jpg", slabs=cut_slabs(2, 1), saving=Saving(quality=90))
    fuse_files(files, outputs, OPTIONS)
    means = [read_frame(path).pixels.mean() for path in sorted(tmp_path.glob("a*.jpg"))]
    assert len(means) == 3
    assert max(means) - min(means) < 10


def test_frames_of_unlike_profiles_are_named(tmp_path, caplog):
    files = write_stack(tmp_path, 255, "uint8", icc=(SRGB, P3, None))
    _, report = fused_as(files, tmp_path / "a.png")
    (note,) = report["notes"]
    for words in ("sRGB in", "f0.tif", "f1.tif", "none in", "f2.tif", "profile of the reference"):
        assert words in note
    assert caplog.text.count("different colour profiles") == 1
    same = tmp_path / "same"
    same.mkdir()
    assert fused_as(write_stack(same, 255, "uint8", icc=SRGB), tmp_path / "b.png")[1]["notes"] == []


@pytest.mark.parametrize("target", [".jpg", ".tif"])
@pytest.mark.parametrize("source", [".jpg", ".tif"])
@pytest.mark.parametrize("length", [3, 200, 20_001])
def test_iptc_of_the_reference_is_kept(source, target, length, tmp_path):
    records = b"\x1c\x02\x78" + length.to_bytes(2, "big") + b"b" * length
    frame = striped_stack(2, 72, 96)[0][0]
    write_image(tmp_path / f"a{source}", frame, metadata=Metadata(iptc=records))
    read = read_frame(tmp_path / f"a{source}")
    assert read.metadata.iptc == records
    write_image(tmp_path / f"b{target}", frame, metadata=read.metadata)
    assert read_frame(tmp_path / f"b{target}").metadata.iptc == records
    with Image.open(tmp_path / f"b{target}") as other:  # a reader of another kind
        found = IptcImagePlugin.getiptcinfo(other)
    assert found[2, 120] == b"b" * length


def test_other_image_resources_are_passed_over():
    block = wrapped(b"\x1c\x02records")
    name = b"8BIM" + b"\x04\x0b" + b"\x03abc" + b"\0\0\0\x03" + b"url\0"
    assert unwrapped(PHOTOSHOP + name + block.removeprefix(PHOTOSHOP)) == b"\x1c\x02records"
    for damaged in (b"", b"nothing", PHOTOSHOP, PHOTOSHOP + name, (PHOTOSHOP + name)[:-9]):
        assert unwrapped(damaged) is None
