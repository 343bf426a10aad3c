"""Arrays of every kind that users pass to `drpl.fuse`: fused right, or refused in one sentence."""

import logging
from pathlib import Path

import numpy as np
import pytest

import drpl
from drawing import draw_photo, half_sharp_pair
from drpl.core.options import FusionOptions
from drpl.errors import ConfigError, DrplError, ModelError, StackError
from drpl.io.write import write_image
from drpl.metrics.reference import psnr
from drpl.models.methods import available_methods
from fusing import fuse_to

OPTIONS = FusionOptions(method="gff", align=False)


class Lazy:
    """An array of another library, which NumPy can take."""

    def __init__(self, array):
        self._array = array
        self.shape, self.ndim, self.dtype = array.shape, array.ndim, array.dtype

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._array, dtype)

    def __iter__(self):
        return (Lazy(part) for part in self._array)


@pytest.fixture(scope="module")
def grey():
    """A pair of grey pictures, and how it is fused."""
    a, b, _ = half_sharp_pair(64, 96)
    pair = [a[..., 0].copy(), b[..., 0].copy()]
    return pair, drpl.fuse(pair, OPTIONS).fused


KINDS = {
    "generator": lambda pair: (frame for frame in pair),
    "tuple": tuple,
    "array (Z, Y, X)": np.stack,
    "lists of lists": lambda pair: [frame.tolist() for frame in pair],
    "list of everything": lambda pair: np.stack(pair).tolist(),
    "lazy frames": lambda pair: [Lazy(frame) for frame in pair],
    "lazy stack": lambda pair: Lazy(np.stack(pair)),
    "int16": lambda pair: [frame.astype(np.int16) for frame in pair],
    "int32": lambda pair: [frame.astype(np.int32) for frame in pair],
    "int64": lambda pair: [frame.astype(np.int64) for frame in pair],
    "uint32": lambda pair: [frame.astype(np.uint32) for frame in pair],
    "big-endian": lambda pair: [frame.astype(">i4") for frame in pair],
    "strided": lambda pair: [np.repeat(frame, 2, 1)[:, ::2] for frame in pair],
    "Fortran": lambda pair: [np.asfortranarray(frame) for frame in pair],
    "reversed": lambda pair: [frame[::-1, ::-1].copy()[::-1, ::-1] for frame in pair],
}


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_of_any_kind_are_fused_like_plain_ones(grey, kind):
    pair, expected = grey
    if kind == "int16":  # fused as uint16
        expected = drpl.fuse([frame.astype(np.uint16) for frame in pair], OPTIONS).fused
    fused = drpl.fuse(KINDS[kind](pair), OPTIONS).fused
    assert np.array_equal(fused, expected)
    wanted = {"int16": "int16", "int32": "int32", "uint32": "uint32", "big-endian": "int32"}
    assert fused.dtype == wanted.get(kind, "int64" if "int64" in kind or "list" in kind else "u1")


def test_pillow_and_torch_pictures_are_arrays_too(grey):
    pair, expected = grey
    image = pytest.importorskip("PIL.Image")
    assert np.array_equal(drpl.fuse([image.fromarray(f) for f in pair], OPTIONS).fused, expected)
    with pytest.raises(StackError, match=r"source 0: is a Pillow image of mode P; convert it"):
        drpl.fuse([image.fromarray(f).convert("P") for f in pair], OPTIONS)
    torch = pytest.importorskip("torch")
    assert np.array_equal(drpl.fuse([torch.from_numpy(f) for f in pair], OPTIONS).fused, expected)
    with pytest.raises(StackError, match="Tensor cannot be taken as an array"):
        drpl.fuse([torch.zeros(9, 9, requires_grad=True)] * 2)


@pytest.mark.parametrize("library", ["dask.array", "xarray", "zarr"])
def test_lazy_libraries_are_read_whole(grey, library):
    pair, expected = grey
    module = pytest.importorskip(library)
    make = {"dask.array": "from_array", "xarray": "DataArray", "zarr": "array"}[library]
    assert np.array_equal(drpl.fuse(getattr(module, make)(np.stack(pair)), OPTIONS).fused, expected)


def test_a_volume_of_colour_is_a_stack():
    a, b, _ = half_sharp_pair(64, 96)
    fused = drpl.fuse(np.stack([a, b]), OPTIONS).fused
    assert np.array_equal(fused, drpl.fuse([a, b], OPTIONS).fused)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, ">f4", ">f8"])
def test_other_floats_become_float32_and_it_is_said_once(grey, dtype, caplog):
    pair = [(frame / 256).astype(dtype) for frame in grey[0]]
    with caplog.at_level(logging.WARNING):
        fused = drpl.fuse(pair, OPTIONS).fused
    assert fused.dtype == np.float32
    assert fused.dtype.isnative
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == (dtype != ">f4")
    assert all("fused as float32" in line for line in said)


@pytest.mark.parametrize("compose", ["select", "pyramid"])
def test_int16_stays_within_its_range(compose):
    rng = np.random.default_rng(0)
    pair = [rng.integers(0, 2, (64, 96)).astype(np.int16) * 32767 for _ in range(2)]
    fused = drpl.fuse(pair, FusionOptions(align=False, compose=compose)).fused
    assert fused.dtype == np.int16
    assert fused.min() >= 0


def test_the_callers_arrays_are_not_changed(model, grey):
    pair = [frame.copy() for frame in grey[0]]
    for frame in pair:
        frame.setflags(write=False)
    for options in (OPTIONS, FusionOptions(compose="pyramid"), FusionOptions()):
        drpl.fuse(pair, options).fused[:] = 0
    drpl.decide_pair(model, *pair)
    assert all(np.array_equal(a, b) for a, b in zip(pair, grey[0], strict=True))


FRAME = np.zeros((20, 30), np.uint8)
REFUSED = {
    "path": ("a.tif", "fuse_files"),
    "Path": (Path("a.tif"), "fuse_files"),
    "paths": (["a.tif", "b.tif"], "source 0: found the path 'a.tif'.*fuse_files"),
    "Paths": ([Path("a.tif"), FRAME], "fuse_files"),
    "none": (None, "of type NoneType; expected a sequence of arrays"),
    "number": (3, "of type int"),
    "mapping": ({"a": FRAME}, "of type dict"),
    "nothing": ([], "found 0 source images"),
    "one": ([FRAME], "found 1 source image;"),
    "one picture": (np.zeros((40, 50, 3), np.uint8), "is one picture"),
    "one grey picture": (FRAME, "has 2 axes"),
    "channels first": (np.zeros((5, 3, 40, 50), np.uint8), r"np\.moveaxis\(array, 1, -1\)"),
    "frames with channels first": ([np.zeros((3, 40, 50))] * 2, r"np\.moveaxis\(array, 0, -1\)"),
    "many channels": (np.zeros((5, 40, 50, 7)), "has 7 channels"),
    "bool": ([FRAME > 0] * 2, r"bool; .*astype\(np\.uint8\) \* 255"),
    "complex": ([FRAME * 1j] * 2, "sample type is complex128"),
    "object": ([FRAME.astype(object)] * 2, "sample type is object"),
    "structured": ([np.zeros((9, 9), [("a", "u1")])] * 2, "sample type is"),
    "text": ([np.full((9, 9), "a")] * 2, "sample type is"),
    "ragged": ([[[1, 2], [3]]] * 2, "cannot be taken as an array"),
    "masked": ([np.ma.masked_equal(FRAME, 0)] * 2, r"fill it first: array\.filled\(0\)"),
    "negative": ([FRAME, FRAME.astype(np.int16) - 5], "differ in sample type"),
    "negative int16": ([FRAME.astype(np.int16) - 5] * 2, "values from -5 to -5"),
    "large": ([FRAME.astype(np.int64) + 65536] * 2, "expected 0 to 65535"),
    "beyond float32": ([FRAME + 1e300] * 2, "1e.300, too large for float32"),
    "huge": ([FRAME + np.float32(1e30)] * 2, r"up to 1e\+30; expected at most 1e\+09: divide"),
    "empty": ([FRAME[:0]] * 2, "shape is"),
    "numbers": ([1, 2], "shape is"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_stack_is_refused(kind):
    sources, words = REFUSED[kind]
    with pytest.raises(StackError, match=words) as caught:
        drpl.fuse(sources)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted_and_placed(bad):
    frame = np.zeros((20, 30, 3), np.float32)
    frame[7, 11] = frame[9, 2, 1] = bad
    with pytest.raises(
        StackError, match=r"source 1: .* in 2 pixels, the first in row 7, column 11"
    ):
        drpl.fuse([np.zeros_like(frame), frame])


@pytest.mark.parametrize("model", ["gff", Path("gff")])
def test_the_id_of_a_method_is_no_model(model):
    with pytest.raises(ModelError, match=r'FusionOptions\(method="gff"\)'):
        drpl.fuse([FRAME, FRAME], model=model)
    with pytest.raises(ModelError, match="load_model"):
        drpl.decide_pair(model, FRAME, FRAME)


def test_misplaced_options_are_named():
    for options, words in (
        ({"method": "gff"}, r"FusionOptions\(\*\*options\)"),
        ("gff", r"FusionOptions\(method='gff'\)"),
        (3, "options are 3"),
    ):
        with pytest.raises(ConfigError, match=words):
            drpl.fuse([FRAME, FRAME], options)
    with pytest.raises(ConfigError, match=r"drpl\.FusionOptions\(method='gff'\)"):
        drpl.fuse([FRAME, FRAME], method="gff")
    with pytest.raises(StackError, match="found 1 names for 2 frames"):
        drpl.fuse([FRAME, FRAME], names=["a"])


def counts(peak=4095):
    """A grey pair of floats that hold counts, and the truth."""
    a, b, truth = half_sharp_pair(96, 128)
    return [(frame[..., 0] / np.float32(255) * peak).astype(np.float32) for frame in (a, b, truth)]


def test_floats_beyond_white_are_said_and_kept(tmp_path, caplog):
    *pair, _ = counts()
    for number, frame in enumerate(pair):
        write_image(tmp_path / f"{number}.tif", frame)
    with caplog.at_level(logging.WARNING):
        result, report = fuse_to([tmp_path], tmp_path / "out.tif", FusionOptions(align=False))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert "--value-range" in said[0]
    assert report["notes"][0] in said[0]
    assert result.fused.max() > 1000


@pytest.mark.parametrize(
    ("shift", "value_range", "said"), [(0, 4095, 0), (0, None, 1), (-900, 4095, 1), (0, 4000, 0)]
)
def test_values_within_the_range_need_no_notice(shift, value_range, said, caplog):
    pair = [frame + np.float32(shift) for frame in counts()[:2]]
    with caplog.at_level(logging.WARNING):
        drpl.fuse(pair, FusionOptions(align=False, value_range=value_range))
    assert len(caplog.records) == said


def test_a_value_range_counts_for_integers():
    *pair, truth = (np.rint(frame).astype(np.uint16) for frame in counts(1023))
    options = FusionOptions(align=False, value_range=1023)
    assert psnr(drpl.fuse(pair, options).fused, truth, value_range=1023) > 35
    with pytest.raises(ConfigError, match="value_range is 70000; expected at most 65535"):
        drpl.fuse(pair, FusionOptions(value_range=70000))


@pytest.mark.parametrize("compose", ["select", "pyramid"])
def test_integers_are_not_clipped_to_the_value_range(compose):
    frame = np.random.default_rng(0).integers(0, 60_000, (64, 96), np.uint16)
    options = FusionOptions(align=False, compose=compose, value_range=1023)
    assert np.array_equal(drpl.fuse([frame, frame], options).fused, frame)


RAMP = draw_photo(40, 56)
ODD = {
    "constant": [np.full((40, 56), 77, np.uint8)] * 3,
    "black": [np.zeros((40, 56), np.uint16)] * 3,
    "one pixel": [np.full((1, 1), n, np.uint8) for n in range(3)],
    "a line": [np.full((1, 50, 3), n, np.uint8) for n in range(3)],
    "large": [RAMP * np.float32(9e8) + n for n in range(3)],
    "mixed": [RAMP * np.float32(scale) for scale in (1, 9e8, 1)],
    "denormal": [RAMP * np.float32(1e-40)] * 3,
    "negative": [RAMP - 1] * 3,
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("method", available_methods())
def test_odd_frames_give_no_warnings(kind, method):
    for align in (True, False):
        try:
            fused = drpl.fuse(ODD[kind], FusionOptions(method=method, align=align)).fused
        except DrplError:
            continue
        assert np.isfinite(fused).all()
