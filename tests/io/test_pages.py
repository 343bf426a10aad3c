"""TIFF files of several pages: each page is a frame."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from drawing import draw_texture, striped_stack
from drpl.core.options import FusionOptions
from drpl.errors import ReadError, StackError
from drpl.files.align import align_files
from drpl.files.fuse import fuse_files
from drpl.io.pages import Source, find_pages
from drpl.io.read import read_frame, read_header
from drpl.io.stacks import FileStack

OPTIONS = FusionOptions(align=False)


@pytest.fixture
def planes():
    return striped_stack(5, 72, 96)[0]


def write_pages(path, planes, **options):
    with tifffile.TiffWriter(path) as tiff:
        for plane in planes:
            tiff.write(plane, contiguous=False, metadata=None, **options)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("grey", [False, True])
def test_each_page_is_read_as_if_split(order, dtype, grey, planes, tmp_path):
    picked = [plane[..., 0] if grey else plane for plane in planes]
    picked = [(plane / 255 if dtype == "float32" else plane).astype(dtype) for plane in picked]
    path = tmp_path / "stack.tif"
    packed = {
        "photometric": "minisblack" if grey else "rgb",
        "compression": "zlib",
        "predictor": dtype != "float32",
    }  # floats need another library
    with tifffile.TiffWriter(path, byteorder=order, bigtiff=order == ">") as tiff:
        for plane in picked:
            tiff.write(plane, contiguous=False, metadata=None, **packed)
    assert find_pages(path) == [Source(path, number) for number in range(1, 6)]
    for number, plane in enumerate(picked, 1):
        assert np.array_equal(read_frame(path, page=number).pixels, plane)
        header = read_header(path, page=number)
        assert (header.shape, header.dtype) == (plane.shape, plane.dtype)


def test_a_stack_in_one_file_is_fused_as_from_many(planes, tmp_path):
    write_pages(tmp_path / "stack.tif", planes)
    files = []
    for number, plane in enumerate(planes):
        files.append(tmp_path / f"{number}.tif")
        tifffile.imwrite(files[-1], plane)
    paged, report = fuse_files([tmp_path / "stack.tif"], tmp_path / "a.png", OPTIONS)
    split, _ = fuse_files(files, tmp_path / "b.png", OPTIONS)
    assert np.array_equal(paged.fused, split.fused)
    assert np.array_equal(paged.index_map, split.index_map)
    assert [frame["page"] for frame in report["frames"]] == [1, 2, 3, 4, 5]
    assert report["frames"][3]["name"] == f"{tmp_path / 'stack.tif'}, page 4"


def test_pages_and_files_make_one_stack(planes, tmp_path):
    write_pages(tmp_path / "a.tif", planes[:3])
    Image.fromarray(planes[3]).save(tmp_path / "b.bmp")
    stack = FileStack([tmp_path / "a.tif", tmp_path / "b.bmp"])
    assert [source.name for source in stack.sources] == [
        *(f"a.tif, page {number}" for number in (1, 2, 3)),
        "b.bmp",
    ]
    assert np.array_equal(stack.read(2), planes[2])
    assert np.array_equal(stack.read(3), planes[3])


def test_thumbnails_and_pyramids_are_not_frames(planes, tmp_path):
    path = tmp_path / "photo.tif"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(planes[0], metadata=None)
        tiff.write(planes[0][::2, ::2], subfiletype=1, metadata=None)
    assert find_pages(path) == [Source(path)]
    assert np.array_equal(FileStack([path, path]).read(0), planes[0])
    with tifffile.TiffWriter(tmp_path / "stack.tif") as tiff:
        for plane in planes:
            tiff.write(plane, metadata=None, contiguous=False)
            tiff.write(plane[::2, ::2], subfiletype=1, metadata=None)
    assert [source.page for source in find_pages(tmp_path / "stack.tif")] == [1, 3, 5, 7, 9]


@pytest.mark.parametrize(
    ("kind", "axes"),
    [("imagej", "ZYX"), ("imagej", "TYX"), ("ome", "ZYX"), ("ome", "TYX"), ("shaped", "QYX")],
)
def test_planes_along_one_axis_are_frames(kind, axes, planes, tmp_path):
    volume = np.stack([plane[..., 0] for plane in planes])
    path = tmp_path / "volume.tif"
    tifffile.imwrite(path, volume, metadata={"axes": axes}, **{kind: True})
    assert len(find_pages(path)) == 5


@pytest.mark.parametrize("axes", ["CYX", "ZCYX", "TZYX"])
@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_channels_and_times_are_refused_by_name(axes, kind, tmp_path):
    volume = np.zeros([3, 2, 16, 24][4 - len(axes) :], np.uint8)
    if kind == "imagej" and axes == "CYX":
        volume = np.zeros((2, 16, 24), np.uint8)
    tifffile.imwrite(tmp_path / "v.tif", volume, metadata={"axes": axes}, **{kind: True})
    with pytest.raises(StackError, match=r"v\.tif: has pages along the axes .*each channel"):
        FileStack([tmp_path / "v.tif"])


def test_a_page_of_another_size_is_named(planes, tmp_path):
    with tifffile.TiffWriter(tmp_path / "s.tif") as tiff:
        for plane in (planes[0], planes[1], planes[2][:50]):
            tiff.write(plane, metadata=None)
    with pytest.raises(StackError, match=r"s\.tif, page 3"):
        FileStack([tmp_path / "s.tif"])


def test_a_damaged_chain_of_pages_is_refused(planes, tmp_path):
    path = write_pages(tmp_path / "s.tif", planes)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises((ReadError, StackError), match=r"s\.tif"):
        fuse_files([path], tmp_path / "out.png", OPTIONS)
    assert not (tmp_path / "out.png").exists()


def test_a_page_is_asked_for_where_one_picture_is_expected(planes, tmp_path):
    path = write_pages(tmp_path / "s.tif", planes)
    with pytest.raises(ReadError, match="holds 5 pages"):
        read_frame(path)


def test_aligned_pages_have_files_of_their_own(planes, tmp_path):
    path = write_pages(tmp_path / "s.tif", planes)
    align_files([path], tmp_path / "aligned", OPTIONS)
    found = sorted(entry.name for entry in (tmp_path / "aligned").iterdir())
    assert found == [*(f"s_000{number}.tif" for number in range(1, 6)), "transforms.json"]


def test_a_result_never_replaces_the_stack(planes, tmp_path):
    from drpl.errors import WriteError
    from drpl.files.outputs import Outputs

    path = write_pages(tmp_path / "s.tif", planes)
    before = path.read_bytes()
    with pytest.raises(WriteError, match="is an input"):
        fuse_files([path], Outputs(path, overwrite=True), OPTIONS)
    assert path.read_bytes() == before


def test_bigtiff_pages(tmp_path):
    textures = [draw_texture(40, 56, seed) for seed in range(3)]
    with tifffile.TiffWriter(tmp_path / "big.tif", bigtiff=True) as tiff:
        for texture in textures:
            tiff.write(texture, metadata=None, contiguous=False, tile=(16, 16))
    stack = FileStack([tmp_path / "big.tif"])
    for number, texture in enumerate(textures):
        assert np.array_equal(stack.read(number), texture)
