import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import draw_texture, half_sharp_pair, striped_stack
from drpl.classical.dct import measure_block_variance
from drpl.classical.guided import guided_filter
from drpl.classical.pyramid import measure_energy
from drpl.classical.ranking import Ranking, majority, pick
from drpl.classical.sift import DESCRIPTOR, measure_sift_activity
from drpl.classical.table import CLASSICAL_METHODS
from drpl.classical.views import View
from drpl.core.luma import Levels
from drpl.errors import StackError
from drpl.metrics.reference import psnr

EVERY = pytest.mark.parametrize("method", CLASSICAL_METHODS.values(), ids=CLASSICAL_METHODS)
SHARP = [method for name, method in CLASSICAL_METHODS.items() if name != "average"]
EVERY_SHARP = pytest.mark.parametrize("method", SHARP, ids=lambda method: method.id)
DECIDING = [method for method in SHARP if method.decides]
FULL = {np.uint8: 1, np.uint16: 257, np.float32: 1 / 255}


def views(frames, covered=None):
    """Frames of bytes as views."""
    covered = covered or [None] * len(frames)
    return [
        View(f.astype(np.float32), Levels(white=255), seen)
        for f, seen in zip(frames, covered, strict=True)
    ]


@EVERY
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from([None, 1, 2, 3, 4]),
    st.sampled_from([np.uint8, np.uint16, np.float32]),
)
@settings(max_examples=15)
def test_identical_frames_are_kept(method, height, width, channels, dtype):
    frame = draw_texture(height, width, channels=channels or 1).astype(dtype) * dtype(FULL[dtype])
    frame = frame[..., 0] if channels is None else frame
    fused = method.fuse_arrays([frame, frame, frame])
    assert (fused.dtype, fused.shape) == (frame.dtype, frame.shape)
    if dtype is np.float32:
        assert np.allclose(fused, frame, atol=2e-6)
    else:
        assert np.array_equal(fused, frame)


@EVERY
def test_the_order_of_frames_does_not_matter(method):
    frames = [draw_texture(81, 90, seed) for seed in range(4)]
    order = [2, 0, 3, 1]
    plain = method.fuse_views(views(frames))
    shuffled = method.fuse_views(views([frames[n] for n in order]))
    assert np.allclose(plain.fused, shuffled.fused, atol=1e-3)
    clear = plain.confidence > 0
    assert np.array_equal(np.array(order)[shuffled.index_map][clear], plain.index_map[clear])


@EVERY_SHARP
def test_sharp_halves_are_found(method):
    source_a, source_b, truth = half_sharp_pair(160, 200)
    average = CLASSICAL_METHODS["average"].fuse_arrays([source_a, source_b])
    best = max(psnr(picture, truth) for picture in (source_a, source_b, average))
    assert psnr(method.fuse_arrays([source_a, source_b]), truth) > best + 5
    index = method.fuse_views(views([source_a, source_b])).index_map
    assert (index[:, :80] == 1).mean() > 0.9
    assert (index[:, 120:] == 0).mean() > 0.9


@EVERY_SHARP
def test_sharp_stripes_are_found(method):
    frames, truth, index = striped_stack(5, 120, 250)
    average = CLASSICAL_METHODS["average"].fuse_arrays(frames)
    best = max(psnr(picture, truth) for picture in (*frames, average))
    assert psnr(method.fuse_arrays(frames), truth) > best + 5
    assert (method.fuse_views(views(frames)).index_map == index).mean() > 0.85


@EVERY
@pytest.mark.parametrize("dtype", FULL)
def test_depth_does_not_change_the_result(method, dtype):
    frames, _, _ = striped_stack(3, 65, 99)
    fused = method.fuse_arrays([f.astype(dtype) * dtype(FULL[dtype]) for f in frames])
    as_bytes = method.fuse_arrays(frames)
    apart = np.abs(fused.astype(np.float64) / FULL[dtype] - as_bytes)
    assert np.quantile(apart, 0.999) <= 0.51


@EVERY
def test_grey_is_the_colour_of_grey(method):
    frames = [np.ascontiguousarray(f[..., 0]) for f in striped_stack(3, 65, 99)[0]]
    colour = method.fuse_arrays([np.repeat(f[..., None], 3, axis=2) for f in frames])
    grey = method.fuse_arrays(frames)
    apart = np.abs(colour.astype(int) - grey[..., None])
    assert (apart > 1).mean() < 1e-3


@EVERY
def test_value_range_is_only_a_unit(method):
    frames = [f.astype(np.float32) for f in striped_stack(3, 40, 60)[0]]
    wide = method.fuse_arrays(frames)
    unit = method.fuse_arrays([f / np.float32(255) for f in frames])
    assert np.quantile(np.abs(wide - unit * 255), 0.999) < 0.01


@pytest.mark.parametrize("method", [CLASSICAL_METHODS["dsift"], CLASSICAL_METHODS["dct"]])
def test_selected_pixels_are_exact(method):
    frames = [f.astype(np.float32) * np.float32(np.pi) for f in striped_stack(3, 40, 61)[0]]
    fused = method.fuse_arrays(frames)
    assert (np.stack(frames) == fused).all(axis=-1).any(axis=0).all()


@EVERY
def test_uncovered_pixels_are_not_taken(method):
    truth = draw_texture(64, 128)
    blurred = cv2.GaussianBlur(truth, (0, 0), 2)
    wild = draw_texture(64, 128, seed=9)
    covered = np.ones((64, 128), bool)
    covered[:, :64] = False
    frames = views([np.where(covered[..., None], truth, wild), blurred], [covered, None])
    fusion = method.fuse_views(frames)
    assert (fusion.index_map[:, :64] == 1).all()
    # guides, pyramids and wavelets reach some pixels beyond the border of the coverage
    apart = np.abs(fusion.fused - blurred)[:, :40].max()
    assert apart < (1e-3 if method.decides else 1)


@EVERY
def test_frames_that_are_no_stack_are_refused(method):
    with pytest.raises(StackError, match="expected"):
        method.fuse_arrays([np.zeros((8, 8), np.uint8), np.zeros((8, 9), np.uint8)])
    with pytest.raises(StackError, match="expected"):
        method.fuse_arrays([np.zeros((8, 8), np.uint8)])


def test_guided_filter_is_its_definition():
    """Compare with He et al., eq. 5, 6 and 8, window by window."""
    rng = np.random.default_rng(0)
    guide, image = rng.random((2, 24, 27), dtype=np.float32)
    radius, epsilon = 3, 0.01
    padded = [np.pad(p, radius, mode="reflect").astype(float) for p in (guide, image)]
    slope, offset = np.zeros((2, 24, 27))
    for row in range(24):
        for col in range(27):
            window = np.s_[row : row + 2 * radius + 1, col : col + 2 * radius + 1]
            g, i = (p[window] for p in padded)
            slope[row, col] = ((g * i).mean() - g.mean() * i.mean()) / (g.var() + epsilon)
            offset[row, col] = i.mean() - slope[row, col] * g.mean()
    mean = [cv2.blur(p, (7, 7)) for p in (slope, offset)]
    expected = mean[0] * guide + mean[1]
    assert np.allclose(guided_filter(guide, image, radius, epsilon), expected, atol=1e-5)


def test_energy_is_the_sum_of_squares_in_a_window():
    detail = np.zeros((11, 11, 2), np.float32)
    detail[5, 5] = (2.0, 1.0)
    energy = measure_energy(detail)
    assert energy[5, 5] == pytest.approx(5.0)
    assert energy[3, 7] == pytest.approx(5.0)
    assert energy[2, 5] == pytest.approx(0.0, abs=1e-6)


def test_block_variance_is_the_energy_of_ac_coefficients():
    """Compare with the definition of Haghighat et al., by an orthonormal cosine transform."""
    plane = np.random.default_rng(0).random((8, 16), dtype=np.float32)
    expected = []
    for block in (plane[:, :8], plane[:, 8:]):
        coefficients = cv2.dct(block)
        expected.append((np.square(coefficients).sum() - coefficients[0, 0] ** 2) / 64)
    assert np.allclose(measure_block_variance(plane)[0], expected, atol=1e-6)


def test_sift_activity_is_the_sum_of_the_cells():
    """Compare with bilinear shares of a step's gradients among 4x4 cells, pixel by pixel."""
    plane = np.zeros((80, 80), np.float32)
    plane[:, 40:] = 1
    found = measure_sift_activity(plane)[40]
    cell = DESCRIPTOR // 4
    centres = (np.arange(4) - 1.5) * cell
    edge = np.array([39.0, 40.0])  # columns where the Sobel filter returns 4
    for column in (40, 45, 50, 54):
        # boxes of even side are centred half a pixel to the left
        offsets = edge[:, None] - (column - 1) - centres
        shares = np.clip(1 - np.abs(offsets) / cell, 0, None).sum()
        assert found[column] == pytest.approx(4 * shares / DESCRIPTOR, abs=0.5 / cell)


def test_majority_verifies_consistency():
    labels = np.zeros((9, 9), np.uint16)
    labels[4, 4] = 2
    labels[:, 7:] = 1
    verified = majority(labels)
    assert verified[4, 4] == 0
    assert (verified[:, 7:] == 1).all()
    mixed = np.arange(9, dtype=np.uint16).reshape(3, 3)
    assert verified[4, 6] == 0
    assert majority(mixed)[1, 1] == 4


def test_ranking_keeps_winner_and_confidence():
    ranking = Ranking()
    measures = [np.array([[1, 0, 4, 2]]), np.array([[3, 0, 1, 8]])]
    for measure, covered in zip(measures, ([True] * 4, [True, True, True, False]), strict=True):
        ranking.add(measure.astype(np.float32), np.array([covered]))
    assert ranking.index.tolist() == [[1, 0, 0, 0]]
    assert ranking.confidence().tolist() == [[170, 0, 191, 255]]


def test_uncovered_labels_follow_the_fallback():
    frames = [np.full((1, 3, 1), value, np.float32) for value in (0, 1, 2)]
    hidden = np.array([[True, False, True]])
    stack = [View(frames[0]), View(frames[1], Levels(), hidden), View(frames[2])]
    labels, fallback = np.array([[1, 1, 1]], np.uint16), np.array([[2, 2, 0]], np.uint16)
    fused, index = pick(stack, labels, fallback)
    assert index.tolist() == [[1, 2, 1]]
    assert fused.ravel().tolist() == [1, 2, 1]
