"""Source images by files, folders and patterns."""

import json
import os

import numpy as np
import pytest

from drawing import draw_texture, striped_stack
from drpl.compose.slabs import Slabs
from drpl.core.options import FusionOptions
from drpl.errors import ReadError, StackError
from drpl.files.align import align_files
from drpl.files.fuse import fuse_files
from drpl.files.outputs import Outputs
from drpl.io.provenance import report_beside
from drpl.io.read import read_frame
from drpl.io.sources import find_sources
from drpl.io.write import write_image


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


@pytest.fixture
def shots(tmp_path):
    folder = tmp_path / "shots"
    folder.mkdir()
    for number, frame in enumerate(striped_stack(3, 72, 96)[0]):
        write_image(folder / f"f{number}.png", frame)
    return folder


def fuse_into(folder, name, *, report=True, **settings):
    target = folder / name
    beside = report_beside(target) if report else None
    return fuse_files([folder], Outputs(target, report=beside, **settings), FusionOptions())


@pytest.mark.parametrize("report", [True, False])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp", ".avif"])
def test_results_among_the_shots_are_left_out_and_named(report, suffix, shots, caplog):
    first, _ = fuse_into(shots, f"result{suffix}", report=report)
    again, _ = fuse_into(shots, "result2.png", report=report)
    assert len(again.plan.order) == 3
    assert np.array_equal(first.fused, again.fused)
    assert f"result{suffix}: left out, since it is a result of drpl" in caplog.text
    fuse_into(shots, f"result{suffix}", report=report, overwrite=True)
    assert names([shots / "*"]) == ["f0.png", "f1.png", "f2.png"]
    assert names([shots / f"result{suffix}", shots / "f1.png"]) == [f"result{suffix}", "f1.png"]


def test_slabs_are_results_too_and_results_alone_are_a_stack(shots, tmp_path):
    fuse_into(shots, "all.png", slabs=Slabs(2, 1))
    assert names([shots]) == ["f0.png", "f1.png", "f2.png"]
    apart = tmp_path / "apart"
    apart.mkdir()
    for name in ("all_slab_01.png", "all_slab_02.png"):
        (shots / name).rename(apart / name)
    assert names([apart]) == ["all_slab_01.png", "all_slab_02.png"]


def test_a_result_of_an_older_version_is_known_by_its_report(shots):
    fuse_into(shots, "old.png")
    pixels = read_frame(shots / "old.png").pixels
    write_image(shots / "old.png", pixels, overwrite=True)  # without the mark
    assert names([shots]) == ["f0.png", "f1.png", "f2.png"]
    (shots / "old.json").unlink()
    assert "old.png" in names([shots])


def test_aligned_frames_are_frames(shots, tmp_path):
    align_files([shots], tmp_path / "aligned")
    write_image(tmp_path / "aligned" / "f9.tif", draw_texture(72, 96))
    assert names([tmp_path / "aligned"]) == ["f0.tif", "f1.tif", "f2.tif", "f9.tif"]


@pytest.mark.parametrize("text", ["{", "[]", '{"report": 2}', '{"report": 2, "output": 3}'])
def test_other_files_beside_a_picture_are_no_reports(text, shots):
    (shots / "f1.json").write_text(text)
    assert names([shots]) == ["f0.png", "f1.png", "f2.png"]
    assert report_beside(shots / "f1.png") == shots / "f1.json"


def test_results_of_one_name_have_reports_of_their_own(shots, tmp_path):
    for name in ("a.tif", "a.png", "a.jpg"):
        target = tmp_path / name
        fuse_files([shots], Outputs(target, report=report_beside(target)), FusionOptions())
    for name, report in (("a.tif", "a.json"), ("a.png", "a.png.json"), ("a.jpg", "a.jpg.json")):
        assert json.loads((tmp_path / report).read_text())["output"] == str(tmp_path / name)
        assert report_beside(tmp_path / name) == tmp_path / report
