"""Source images by files, folders and patterns."""

import os

import pytest

from drpl.errors import ReadError, StackError
from drpl.io.sources import find_sources


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "stack"
    folder.mkdir()
    for name in ("img10.JPG", "img2.jpg", "img1.png", ".hidden.jpg", "notes.txt", "img2.xmp"):
        (folder / name).touch()
    (folder / "more.png").mkdir()
    return folder


def names(paths):
    return [path.name for path in find_sources(paths)]


def test_a_folder_is_read_in_natural_order(folder):
    assert names([folder]) == ["img1.png", "img2.jpg", "img10.JPG"]
    assert names([str(folder)]) == ["img1.png", "img2.jpg", "img10.JPG"]


def test_files_stay_in_the_given_order(folder):
    given = [folder / "img10.JPG", folder / "img1.png"]
    assert find_sources(given) == given
    # a file that is named explicitly may have any suffix
    assert names([folder / "notes.txt", folder / ".hidden.jpg"]) == ["notes.txt", ".hidden.jpg"]


def test_patterns_are_expanded(folder):
    assert names([folder / "img*"]) == ["img1.png", "img2.jpg", "img10.JPG"]
    assert names([folder / "img?.png", folder / "img[2-9].*"]) == ["img1.png", "img2.jpg"]
    assert names([folder.parent / "**" / "*.png"]) == ["img1.png"]


def test_a_file_whose_name_is_a_pattern_is_a_file(folder):
    (folder / "img[1].png").touch()
    assert names([folder / "img[1].png"]) == ["img[1].png"]


def test_natural_order_within_folders(tmp_path):
    for name in ("a10", "a2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x1_9.png").touch()
        (tmp_path / name / "X1_10.png").touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_sources([tmp_path / "*/*"])]
    assert found == ["a2/x1_9.png", "a2/X1_10.png", "a10/x1_9.png", "a10/X1_10.png"]


def test_duplicates_are_refused(folder):
    with pytest.raises(StackError, match=r"img2\.jpg: is named twice"):
        find_sources([folder, folder / "img2.jpg"])
    with pytest.raises(StackError, match="is named twice"):
        find_sources([folder / "img2.jpg", folder / ".." / "stack" / "img2.jpg"])
    os.symlink(folder / "img2.jpg", folder / "img3.jpg")
    with pytest.raises(StackError, match=r"img3\.jpg: is named twice"):
        find_sources([folder])


def test_one_picture_in_two_formats_is_refused(folder):
    (folder / "img2.NEF").touch()
    with pytest.raises(StackError, match="one picture in two formats"):
        find_sources([folder])
    assert names([folder / "*.NEF"]) == ["img2.NEF"]


def test_finding_no_image_is_refused(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match="empty: the folder holds no image"):
        find_sources([tmp_path / "empty"])
    with pytest.raises(ReadError, match="pattern matches no image"):
        find_sources([folder / "*.txt"])
    with pytest.raises(ReadError, match="no such file or folder"):
        find_sources([folder / "img3.png"])
    with pytest.raises(ReadError, match=r"cannot be opened|no such file"):
        find_sources(["n" * 300])
    assert find_sources([]) == []
