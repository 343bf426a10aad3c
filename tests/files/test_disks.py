"""Disks that fail, are full, read-only or lack links: no file is lost or incomplete."""

import errno
import os
import subprocess

import numpy as np
import pytest
import pyvips

from drawing import draw_texture
from drpl.errors import WriteError
from drpl.io.formats import WRITABLE
from drpl.io.read import read_frame
from drpl.io.write import check_output, write_image

SUFFIXES = [suffix for suffix in WRITABLE if suffix not in (".jpeg", ".tiff")]


@pytest.fixture
def texture():
    return draw_texture(33, 47)


def mount(folder, *options):
    """Mount a small disk, or skip the test."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to mount a small disk")


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    mount(folder, "size=64k")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def read_only_disk(tmp_path):
    folder = tmp_path / "locked"
    mount(folder, "size=64k", "ro")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_read_only_folder_is_refused(read_only_disk, texture):
    for write in (lambda path: write_image(path, texture), check_output):
        with pytest.raises(WriteError, match="its folder is read-only"):
            write(read_only_disk / "a.png")


def test_a_folder_without_permission_is_refused(tmp_path, texture, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(WriteError, match="its folder is read-only"):
        write_image(tmp_path / "a.png", texture)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_no_file(small_disk, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    with pytest.raises(WriteError, match="cannot be written"):
        write_image(small_disk / f"a{suffix}", noise)
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_nearly_full_disk_has_a_complete_file_or_none(small_disk, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for taken in range(64, 0, -4):
        (small_disk / "ballast").write_bytes(b"\0" * taken * 1024)
        try:
            write_image(small_disk / f"a{suffix}", noise)
        except WriteError:
            assert [p.name for p in small_disk.iterdir()] == ["ballast"]
        else:
            assert read_frame(small_disk / f"a{suffix}").pixels.shape == noise.shape
            return
    pytest.fail("never written")


def test_a_failed_flush_leaves_no_file(tmp_path, texture, monkeypatch):
    def failing(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    for suffix in SUFFIXES:
        with pytest.raises(WriteError, match="Input/output error"):
            write_image(tmp_path / f"a{suffix}", texture)
    assert list(tmp_path.iterdir()) == []


def test_disks_that_cannot_flush_folders_are_supported(tmp_path, texture, monkeypatch):
    flush = os.fsync

    def files_only(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EINVAL, "Invalid argument")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    write_image(tmp_path / "a.png", texture)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(("suffix", "side"), [(".jpg", 65501), (".webp", 16384)])
def test_sides_too_long_for_a_format_are_refused_early(tmp_path, suffix, side):
    pixels = np.zeros((1, side, 3), np.uint8)
    with pytest.raises(WriteError, match=f"{side}x1 pixels"):
        check_output(tmp_path / f"a{suffix}", like=pixels)
    write_image(tmp_path / f"a{suffix}", pixels[:, 1:])


def test_a_file_with_wrong_content_is_not_kept(tmp_path, texture, monkeypatch):
    def cropped(self, filename, **_):
        self.crop(0, 0, 5, 5).pngsave(filename)

    monkeypatch.setattr(pyvips.Image, "write_to_file", cropped)
    with pytest.raises(WriteError, match="was written incorrectly"):
        write_image(tmp_path / "a.png", texture)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_appears_during_writing_is_not_replaced(tmp_path, texture, monkeypatch):
    def appear(_):
        (tmp_path / "a.png").write_text("mine", encoding="utf-8")

    monkeypatch.setattr(os, "fsync", appear)
    with pytest.raises(WriteError, match="exists already"):
        write_image(tmp_path / "a.png", texture)
    assert (tmp_path / "a.png").read_text(encoding="utf-8") == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_disks_without_hard_links_are_supported(tmp_path, texture, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    write_image(tmp_path / "a.png", texture)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
