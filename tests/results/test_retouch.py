"""Strokes on a picture: pixels that change and pixels that stay."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import draw_photo, draw_texture
from drpl.compose.blend import LEVELS, blend_pyramids, pyramid_reach
from drpl.core.composite import Prepared
from drpl.core.frames import full_scale
from drpl.core.options import FusionOptions
from drpl.errors import ConfigError
from drpl.metrics.reference import psnr
from drpl.results.edits import Edits, Stroke, changed_window
from drpl.results.retouch import frame_runs, retouch
from drpl.scenes.drawn import draw_pair

SIZE = (150, 210)
LINE = ((70.3, 60.0), (140.0, 90.5))
PLAIN = FusionOptions(align=False, exposure=False)
WHITE = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


def distances(stroke, shape):
    """Distance of every pixel from the stroke's line, by brute force."""
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    found = np.full(shape, np.inf)
    ends = [*stroke.points[1:], stroke.points[-1]]
    for (x0, y0), (x1, y1) in zip(stroke.points, ends, strict=True):
        for share in np.linspace(0, 1, 1001):
            x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
            found = np.minimum(found, np.hypot(cols - x, rows - y))
    return found


def pictures(count, dtype="uint8", channels=3, shape=SIZE):
    """Different pictures that fill the range of their dtype."""
    found = []
    for seed in range(count):
        picture = draw_texture(*shape, seed, channels=channels or 1).astype(np.float64) / 255
        picture = picture[..., 0] if channels is None else picture
        scaled = picture * WHITE[dtype]
        found.append((scaled if dtype == "float32" else np.rint(scaled)).astype(dtype))
    return found


def drawn(before, frames, strokes, covered=None):
    """Retouched copies of a picture and of maps filled with frame 9 and confidence 7."""
    shape = before.shape[:2]
    planes = before.copy(), np.full(shape, 9, np.uint8), np.full(shape, 7, np.uint8)
    edits = Edits(shape[::-1], tuple(strokes))
    white = full_scale(before, None)
    retouch(*planes, edits, lambda n: Prepared(n, frames[n], covered), white=white)
    return planes


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
def test_the_core_is_the_frame_and_nothing_changes_outside(dtype, channels):
    before, frame = pictures(2, dtype, channels)
    stroke = Stroke(0, 33.5, 0.8, LINE)
    fused, index_map, confidence = drawn(before, [frame], [stroke])
    distance = distances(stroke, SIZE)
    outside, core = distance > 33.5, distance < 33.5 * 0.2 - 0.1
    assert core.sum() > 800
    assert fused.dtype == before.dtype
    assert fused.shape == before.shape
    assert np.array_equal(fused[outside], before[outside])
    if dtype == "float32":
        assert np.abs(fused[core] - frame[core]).max() < 1e-6
    else:
        assert np.array_equal(fused[core], frame[core])
    # the frame has more than half the weight up to the middle of the soft edge
    middle = 33.5 * 0.6
    assert (index_map[distance < middle - 0.1] == 0).all()
    assert (index_map[distance > middle + 0.1] == 9).all()
    assert np.array_equal(confidence == 255, index_map == 0)
    assert (confidence[index_map == 9] == 7).all()


@pytest.mark.parametrize("softness", [0, 0.1, 0.35, 1])
@pytest.mark.parametrize("radius", [1, 6, 60, 400])
def test_the_edge_has_the_requested_softness(radius, softness):
    shape = (64, 1000)
    before, frame = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    stroke = Stroke(0, radius, softness, ((500, -20), (500, 84)))
    profile = drawn(before, [frame], [stroke])[0][30, 500:]
    edge = max(1, softness * radius)
    places = np.arange(500)
    assert (profile[places >= radius] == 0).all()
    assert profile[places <= radius - edge] == pytest.approx(1, abs=1e-5)
    assert (np.diff(profile) <= 1e-5).all()
    middle = radius - edge / 2
    assert np.interp(middle, places, profile) == pytest.approx(0.5, abs=0.26 if edge < 3 else 0.1)
    # the change spreads over the edge instead of jumping in its middle
    assert -np.diff(profile).min() <= max(1, 2.2 / edge) + 1e-5


@pytest.mark.parametrize("levels", range(1, LEVELS + 1))
def test_a_pyramid_spreads_a_step_no_farther_than_its_reach(levels):
    rng = np.random.default_rng(levels)
    before, frame = rng.random((2, 40, 400), dtype=np.float32)
    reached = 0
    for step in range(200, 200 + 2**levels):
        weight = np.zeros((40, 400), np.float32)
        weight[:, :step] = 1
        blended = blend_pyramids(before, frame, weight, white=1, levels=levels)
        changed = np.flatnonzero((blended != before).any(0)).max() - step + 1
        kept = step - np.flatnonzero((np.abs(blended - frame) > 1e-6).any(0)).min()
        reached = max(reached, changed, kept)
    assert pyramid_reach(levels) - 2 ** (levels + 1) <= reached <= pyramid_reach(levels)


def test_a_soft_edge_shows_no_step_in_brightness():
    photo = draw_photo(300, 300) * 0.6
    bright = np.float32(0.2) + photo
    stroke = Stroke(0, 120, 0.75, ((150, 150),))
    fused = drawn(photo, [bright], [stroke])[0]
    step = np.abs(np.diff(cv2.blur(fused - photo, (3, 3)), axis=1)).max()
    assert step < 0.01  # of 0.2, spread over 90 pixels


def test_strokes_may_leave_the_picture():
    before, frame = pictures(2)
    stroke = Stroke(0, 12, 0, ((100, 75), (300, -100), (-60, 20)))
    fused, index_map, _ = drawn(before, [frame], [stroke])
    distance = distances(stroke, SIZE)
    assert np.array_equal(fused[distance > 12], before[distance > 12])
    assert np.array_equal(fused[distance < 10.9], frame[distance < 10.9])
    away = Stroke(0, 5, 0.5, ((-40, -40),))
    fused, index_map, _ = drawn(before, [frame], [away])
    assert np.array_equal(fused, before)
    assert (index_map == 9).all()


def test_nothing_is_taken_where_a_frame_does_not_show_the_scene():
    before, frame = pictures(2)
    covered = np.ones(SIZE, bool)
    covered[:, 100:] = False
    stroke = Stroke(0, 30, 0.3, ((100, 75),))
    fused, index_map, _ = drawn(before, [frame], [stroke], covered)
    assert np.array_equal(fused[:, 100:], before[:, 100:])
    assert (index_map[:, 100:] == 9).all()
    assert np.array_equal(fused[70:80, 80:100], frame[70:80, 80:100])


def test_a_stroke_across_tiles_equals_one_in_a_single_tile(monkeypatch):
    before, frame = pictures(2, shape=(700, 1300))
    stroke = Stroke(0, 290, 1, ((20, 30), (1250, 650)))
    tiled = drawn(before, [frame], [stroke])
    monkeypatch.setattr("drpl.results.retouch.TILE", 4096)
    whole = drawn(before, [frame], [stroke])
    assert np.abs(tiled[0].astype(int) - whole[0]).max() <= 1
    assert np.array_equal(tiled[1], whole[1])


def test_a_stroke_removes_a_halo():
    source_a, source_b, truth = draw_pair()
    halo = ((source_a.astype(int) + source_b) // 2).astype(np.uint8)
    strokes = [Stroke(1, 55, 0.5, ((470, 230), (640, 235)))]
    fused = drawn(halo, [source_a, source_b], strokes)[0]
    text = np.s_[205:265, 440:670]
    assert psnr(halo[text], truth[text]) < 25
    assert psnr(fused[text], truth[text]) > 38


def test_the_later_stroke_wins_where_strokes_overlap():
    before, *frames = pictures(3)
    strokes = [Stroke(0, 20, 0, ((80, 70),)), Stroke(1, 20, 0, ((95, 70),))]
    one, index, _ = drawn(before, frames, strokes)
    other, swapped, _ = drawn(before, frames, strokes[::-1])
    assert (index[70, 90], swapped[70, 90]) == (1, 0)
    assert np.array_equal(one[65:75, 85:90], frames[1][65:75, 85:90])
    assert np.array_equal(other[65:75, 85:90], frames[0][65:75, 85:90])


def test_each_frame_is_read_once_if_strokes_are_apart():
    strokes = [Stroke(n % 2, 10, 0.2, ((40 + 100 * n, 50),)) for n in range(9)]
    assert [[s.frame for s in run] for run in frame_runs(strokes, 100, 1000)] == [[0] * 5, [1] * 4]
    near = [replace(stroke, points=((40, 50),)) for stroke in strokes]
    assert len(frame_runs(near, 100, 1000)) == 9


points = st.tuples(st.integers(-20, 220), st.integers(-20, 160))
strokes_of_three = st.lists(
    st.builds(
        Stroke,
        st.integers(0, 2),
        st.sampled_from([1.0, 7.5, 30.0]),
        st.sampled_from([0.0, 0.5, 1.0]),
        st.lists(points, min_size=1, max_size=3).map(tuple),
    ),
    max_size=7,
)


@given(strokes_of_three)
@settings(max_examples=40)
def test_drawing_by_frame_equals_drawing_stroke_by_stroke(strokes):
    before, *frames = pictures(4, "float32")
    together = drawn(before, frames, strokes)
    planes = before.copy(), np.full(SIZE, 9, np.uint8), np.full(SIZE, 7, np.uint8)
    for stroke in strokes:
        edits = Edits(SIZE[::-1], (stroke,))
        retouch(*planes, edits, lambda n: Prepared(n, frames[n]), white=1.0)
    for one, other in zip(together, planes, strict=True):
        assert np.array_equal(one, other)


@given(strokes_of_three, strokes_of_three, st.integers(0, 7))
@settings(max_examples=40)
def test_two_states_differ_only_in_the_changed_window(first, second, shared):
    second = first[:shared] + second
    before, *frames = pictures(4)
    states = [drawn(before, frames, strokes) for strokes in (first, second)]
    edits = [Edits(SIZE[::-1], tuple(strokes)) for strokes in (first, second)]
    window = changed_window(*edits)
    for one, other in zip(*states, strict=True):
        differs = one != other
        if window is not None:
            differs[window] = False
        assert not differs.any()


def test_edits_for_another_size_are_refused():
    before, frame = pictures(2)
    planes = before.copy(), np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    with pytest.raises(ConfigError, match="the edits are for 9x9 pixels; the picture has 210x150"):
        retouch(*planes, Edits((9, 9), ()), lambda n: Prepared(n, frame), white=255.0)
