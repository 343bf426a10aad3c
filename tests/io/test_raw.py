"""Camera RAW files: development with LibRaw, or with a stand-in for it."""

import struct
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import pyvips

from drpl.errors import BackendUnavailable, ReadError
from drpl.io.raw import read_raw
from drpl.io.read import read_frame

LIGHT = (0.1, 0.4, 0.7)


def write_dng(path, light=LIGHT, size=(48, 64), orientation=1):
    """A DNG of one colour: RGGB photosites, white level 65535, neutral white balance."""
    height, width = size
    sites = np.empty(size, np.uint16)
    for row, col, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        sites[row::2, col::2] = round(light[channel] * 65535)
    # XYZ (D65) to the camera's colours, here those of sRGB
    matrix = [32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570]
    fractions = [part for value in matrix for part in (value, 10000)]
    tags = [
        (254, 4, "I", [0]),
        (256, 4, "I", [width]),
        (257, 4, "I", [height]),
        (258, 3, "H", [16]),
        (259, 3, "H", [1]),
        (262, 3, "H", [32803]),
        (271, 2, "s", b"Drawn\0"),
        (272, 2, "s", b"Test camera\0"),
        (273, 4, "I", [0]),
        (274, 3, "H", [orientation]),
        (277, 3, "H", [1]),
        (278, 4, "I", [height]),
        (279, 4, "I", [sites.nbytes]),
        (284, 3, "H", [1]),
        (33421, 3, "H", [2, 2]),
        (33422, 1, "B", [0, 1, 1, 2]),
        (50706, 1, "B", [1, 4, 0, 0]),
        (50707, 1, "B", [1, 1, 0, 0]),
        (50708, 2, "s", b"Test camera\0"),
        (50714, 3, "H", [0]),
        (50717, 4, "I", [65535]),
        (50721, 10, "i", fractions),
        (50728, 5, "I", [1, 1] * 3),
        (50778, 3, "H", [21]),
    ]
    behind = 8 + 2 + 12 * len(tags) + 4
    table, values = struct.pack("<H", len(tags)), b""
    for tag, kind, code, content in tags:
        data = content if code == "s" else struct.pack(f"<{len(content)}{code}", *content)
        count = len(content) // (2 if kind in (5, 10) else 1)
        if len(data) > 4:
            field, values = struct.pack("<I", behind + len(values)), values + data
            values += b"\0" * (len(values) % 2)
        else:
            field = data.ljust(4, b"\0")
        table += struct.pack("<HHI", tag, kind, count) + field
    at = table.index(struct.pack("<HHI", 273, 4, 1)) + 8
    table = table[:at] + struct.pack("<I", behind + len(values)) + table[at + 4 :]
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + table + b"\0" * 4 + values + sites.tobytes())


def srgb(light):
    light = np.asarray(light)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


class FakeRaw:
    """Stand-in for a file opened by rawpy."""

    sizes = SimpleNamespace(width=64, height=48)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def postprocess(self, **options):
        self.options.update(options)
        size = (24, 32, 3) if options["half_size"] else (48, 64, 3)
        return np.full(size, 30000, np.uint16)


@pytest.fixture
def fake_rawpy(monkeypatch):
    module = ModuleType("rawpy")
    module.LibRawError = type("LibRawError", (Exception,), {})
    module.ColorSpace = SimpleNamespace(sRGB="sRGB")
    module.options = FakeRaw.options = {}
    module.imread = lambda path: FakeRaw()
    monkeypatch.setitem(sys.modules, "rawpy", module)
    return module


def test_without_rawpy_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    write_dng(tmp_path / "a.dng")
    with pytest.raises(BackendUnavailable, match=r"pip install 'drpl\[raw\]'"):
        read_frame(tmp_path / "a.dng")


def test_development_does_not_depend_on_the_content(tmp_path, fake_rawpy):
    write_dng(tmp_path / "a.DNG")
    frame = read_frame(tmp_path / "a.DNG")
    assert frame.pixels.shape == (48, 64, 3)
    assert frame.pixels.dtype == np.uint16
    assert frame.metadata.icc == pyvips.Image.profile_load("srgb")
    assert b"Test camera" in frame.metadata.exif
    assert "white balance" in frame.notes[0]
    expected = {"use_camera_wb": True, "no_auto_bright": True, "adjust_maximum_thr": 0.0}
    assert expected.items() <= fake_rawpy.options.items()
    assert fake_rawpy.options["output_bps"] == 16


def test_raw_is_developed_at_half_size_for_thumbnails(tmp_path, fake_rawpy):
    write_dng(tmp_path / "a.dng")
    read_raw(tmp_path / "a.dng", max_pixels=10_000, half=True)
    assert fake_rawpy.options["half_size"]
    read_frame(tmp_path / "a.dng")
    assert not fake_rawpy.options["half_size"]


def test_raw_errors_are_read_errors(tmp_path, fake_rawpy):
    def unknown(path):
        raise fake_rawpy.LibRawError(b"Unsupported file format or not RAW file")

    write_dng(tmp_path / "a.dng")
    with pytest.raises(ReadError, match="64x48 pixels; expected at most 1,000"):
        read_frame(tmp_path / "a.dng", max_pixels=1000)
    fake_rawpy.imread = unknown
    with pytest.raises(ReadError, match=r"cannot be developed.*Unsupported file format"):
        read_frame(tmp_path / "a.dng")


def test_libraw_gives_linear_light_with_the_srgb_curve(tmp_path):
    pytest.importorskip("rawpy")
    write_dng(tmp_path / "a.dng")
    frame = read_frame(tmp_path / "a.dng")
    assert frame.pixels.shape == (48, 64, 3)
    centre = frame.pixels[8:-8, 8:-8].reshape(-1, 3) / 65535
    assert np.ptp(centre, axis=0) == pytest.approx(0, abs=1e-3)
    assert centre[0] == pytest.approx(srgb(LIGHT), abs=0.01)
    # half the light stays half the light: no automatic brightness
    write_dng(tmp_path / "dim.dng", [value / 2 for value in LIGHT])
    dim = read_frame(tmp_path / "dim.dng").pixels[20, 20] / 65535
    assert dim == pytest.approx(srgb(np.divide(LIGHT, 2)), abs=0.01)


def test_raw_is_turned_upright_and_damage_is_refused(tmp_path):
    pytest.importorskip("rawpy")
    write_dng(tmp_path / "turned.dng", orientation=6)
    frame = read_frame(tmp_path / "turned.dng")
    assert frame.pixels.shape == (64, 48, 3)
    content = (tmp_path / "turned.dng").read_bytes()
    (tmp_path / "cut.dng").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.nef").write_text("no picture", encoding="utf-8")
    for name in ("cut.dng", "text.nef"):
        with pytest.raises(ReadError, match="cannot be developed"):
            read_frame(tmp_path / name)
