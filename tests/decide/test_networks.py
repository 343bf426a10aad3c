import shutil

import numpy as np
import pytest

from drawing import draw_texture, half_sharp_pair
from drpl.core.luma import Levels
from drpl.core.masks import PairDecision, decision_map
from drpl.decide.networks import PairNetwork, decide_pair
from drpl.errors import ModelError, StackError
from drpl.metrics.reference import psnr
from drpl.models.cards import load_model, model_folder

SIZES = [(1, 1), (1, 90), (70, 3), (64, 64), (130, 257), (333, 190)]


def decide(model, a, b, tile=512):
    return decide_pair(model, a, b, tile=tile, mask_dtype=np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tile", [64, 192])
def test_tiled_equals_whole(model, size, tile):
    source_a, source_b, _ = half_sharp_pair(*size)
    tiled, whole = decide(model, source_a, source_b, tile), decide(model, source_a, source_b, 4096)
    for found, expected in ((tiled.mask_a, whole.mask_a), (tiled.mask_b, whole.mask_b)):
        assert found.shape == size
        assert np.abs(found - expected).max() <= 1e-5


def test_tiled_equals_whole_for_the_papers_network():
    network = load_model("drpl", threads=2)
    source_a, source_b, _ = half_sharp_pair(110, 150)
    tiled, whole = (decide(network, source_a, source_b, tile) for tile in (64, 4096))
    assert np.abs(tiled.mask_a - whole.mask_a).max() <= 1e-5
    assert np.abs(tiled.mask_b - whole.mask_b).max() <= 1e-5
    soft = decision_map(whole)
    assert (soft[:, :60] < 0.5).mean() > 0.9
    assert (soft[:, 90:] > 0.5).mean() > 0.9


def test_a_session_serves_changing_sizes(model, pair):
    source_a, source_b, _ = pair
    first = decide(model, source_a, source_b).mask_a
    small = decide(model, source_a[:70, :90], source_b[:70, :90]).mask_a
    assert small.shape == (70, 90)
    assert np.array_equal(decide(model, source_a, source_b).mask_a, first)


def test_stages_free_their_memory_on_a_large_picture(model, pair, monkeypatch):
    source_a, source_b, _ = pair
    expected = decide(model, source_a, source_b).mask_a
    released = []
    for stage in (model.encode, model.trunk):
        monkeypatch.setattr(stage, "release", lambda stage=stage: released.append(stage))
    monkeypatch.setattr("drpl.decide.networks.LARGE", 1000)
    assert np.array_equal(decide(model, source_a, source_b).mask_a, expected)
    assert released == [model.encode, model.trunk]


def test_a_released_session_runs_again(model):
    source = np.full((1, 1, 64, 64), 0.5, np.float32)
    (before,) = model.encode.run({"source": source})
    before = before.copy()
    model.encode.release()
    assert np.array_equal(model.encode.run({"source": source})[0], before)


def test_a_loaded_model_does_not_need_its_files(pair, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model_folder("drpl-fast"), folder)
    loaded = load_model(str(folder), threads=1)
    shutil.rmtree(folder)
    assert decide(loaded, *pair[:2]).mask_a.shape == (150, 211)


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"other": np.zeros((1, 1, 64, 64), np.float32)},
        {"source": np.zeros((64, 64), np.float32)},
        {"source": np.zeros((1, 3, 64, 64), np.float32)},
    ],
)
def test_inputs_that_do_not_fit_the_graph_are_refused(model, inputs):
    with pytest.raises(ModelError, match=r"encode\.onnx: the network failed"):
        model.encode.run(inputs)


def test_threads_do_not_change_the_masks(pair):
    one, three = (
        decide(load_model("drpl-fast", threads=threads), *pair[:2], tile=64) for threads in (1, 3)
    )
    assert np.abs(one.mask_a - three.mask_a).max() <= 1e-6


def test_swapping_the_sources_swaps_the_masks(model, pair):
    source_a, source_b, _ = pair
    masks, swapped = decide(model, source_a, source_b), decide(model, source_b, source_a)
    assert np.array_equal(masks.mask_a, swapped.mask_b)
    assert np.array_equal(masks.mask_b, swapped.mask_a)


def test_pixels_200_away_change_the_masks(model):
    source_a, source_b, _ = half_sharp_pair(320, 640)
    far_a, far_b = source_a.copy(), source_b.copy()
    far_a[:, 420:], far_b[:, 420:] = source_b[:, 420:], source_a[:, 420:]
    near = (slice(None), slice(220))
    masks, changed = decide(model, source_a, source_b), decide(model, far_a, far_b)
    # rounding in tiles stays below 1e-5
    assert np.abs(masks.mask_a[near] - changed.mask_a[near]).max() > 1e-4


def test_decides_for_the_sharp_half(model, pair):
    source_a, source_b, _ = pair
    soft = decision_map(decide(model, source_a, source_b))
    middle = soft.shape[1] // 2
    assert (soft[:, : middle - 12] < 0.5).mean() > 0.99
    assert (soft[:, middle + 12 :] > 0.5).mean() > 0.99


def test_masks_are_complementary(model, pair):
    masks = decide(model, *pair[:2])
    assert np.abs(masks.mask_a + masks.mask_b - 1).mean() < 0.05


def test_dtype_and_channels_do_not_matter(model, pair):
    source_a, source_b, _ = pair
    expected = decide(model, source_a, source_b).mask_a
    wide = [s.astype(np.uint16) * 257 for s in (source_a, source_b)]
    floating = [s.astype(np.float32) / 255 for s in (source_a, source_b)]
    opaque = [np.dstack([s, np.full(s.shape[:2], 255, s.dtype)]) for s in (source_a, source_b)]
    for kind in (wide, floating, opaque):
        assert np.allclose(decide(model, *kind).mask_a, expected, atol=1e-4)


def test_floats_are_decided_like_integers(model, pair):
    sources = [s.astype(np.float32) for s in pair[:2]]
    expected = decide(model, *pair[:2]).mask_a
    found = decide_pair(model, *sources, mask_dtype=np.float32).mask_a
    assert np.allclose(found, expected, atol=1e-4)


def test_grey_equals_grey_as_colour(model, pair):
    grey = [s[..., 0] for s in pair[:2]]
    colour = [np.repeat(s[..., None], 3, axis=2) for s in grey]
    assert np.allclose(decide(model, *grey).mask_a, decide(model, *colour).mask_a, atol=1e-4)


class Recorder:
    """Session that decides for the source with more red, and records shapes."""

    def __init__(self):
        self.shapes = []

    def run(self, inputs):
        a, b = inputs["source_a"], inputs["source_b"]
        self.shapes.append(a.shape)
        brighter = (a[:, :1] > b[:, :1]).astype(np.float32)
        return [brighter, 1 - brighter]


def test_a_pair_network_reads_rgb_tiles_with_context():
    session = Recorder()
    source_a, source_b = draw_texture(90, 130, 1), draw_texture(90, 130, 2)
    masks = decide(PairNetwork(session, (10,)), source_a, source_b, tile=64)
    expected = source_a[..., 0] > source_b[..., 0]
    assert np.array_equal(masks.mask_a > 0.5, expected)
    assert session.shapes[0] == (1, 3, 74, 74)
    assert len(session.shapes) == 6


def test_decision_map_of_rows():
    masks = PairDecision(np.array([[1.0], [0.5]]), np.array([[0.0], [1.0]]))
    assert decision_map(masks, slice(1, 2)).tolist() == [[0.25]]


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8)], "differ in size: 4x4 and 5x4"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)], "differ in channels"),
        ([np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint16)], "differ in sample type"),
        ([np.full((4, 4), -1, np.int16)] * 2, "int16 values from -1 to -1"),
        ([np.zeros((0, 4), np.uint8)] * 2, "shape is"),
        ([np.zeros((4, 4, 5), np.uint8)] * 2, "shape is"),
        ([np.full((4, 4), np.nan, np.float32)] * 2, "NaN"),
    ],
)
def test_sources_that_are_no_pair_are_refused(model, sources, message):
    with pytest.raises(StackError, match=message):
        decide(model, *sources)


def test_a_half_sharp_pair_is_fused_close_to_the_truth(model):
    source_a, source_b, truth = half_sharp_pair(200, 300, seed=4)
    masks = decide(model, source_a, source_b)
    soft = decision_map(masks)[..., None]
    fused = np.rint(soft * source_a + (1 - soft) * source_b).astype(np.uint8)
    assert psnr(fused, truth) > psnr(source_a, truth) + 8


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (40, 200), (100, 70)])
@pytest.mark.parametrize("window", [(0, 64, 0, 64), (0, 128, 64, 128), (64, 128, 0, 64)])
def test_the_canvas_mirrors_the_picture(size, window):
    from drpl.decide.networks import BORDER, _Canvas

    picture = draw_texture(*size, channels=1)[..., 0]
    canvas = _Canvas(*size)
    pads = [
        (BORDER, side - BORDER - n)
        for side, n in zip((canvas.height, canvas.width), size, strict=True)
    ]
    expected = np.pad(picture, pads, mode="symmetric").astype(np.float32) / 255
    top, bottom, left, right = window
    rows, cols = slice(top, min(bottom, canvas.height)), slice(left, min(right, canvas.width))
    if rows.start < rows.stop and cols.start < cols.stop:
        found = canvas.luma(picture, (rows, cols), Levels(white=255))[0, 0]
        assert np.allclose(found, expected[rows, cols], atol=1e-6)
