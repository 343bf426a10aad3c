"""Fold of stacks: composite, index map, confidence and coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drpl
from drawing import draw_texture, striped_stack
from drpl.compose.fold import NewFrame, merge_frame, start_composite
from drpl.core.masks import PairDecision
from drpl.core.options import FusionOptions
from drpl.decide.consistency import VerifiedModel
from drpl.decide.networks import decide_pair
from drpl.errors import StackError
from drpl.metrics.reference import psnr

PLAIN = FusionOptions(align=False)
MODES = ["select", "pyramid"]


def new_frame(frames, number, covered=None):
    return NewFrame(frames[number], frames[number], number, covered)


def flat_decision(height, width, a):
    masks = np.full((height, width), a, np.float16)
    return PairDecision(masks, (1 - masks).astype(np.float16))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("count", [3, 5])
def test_a_stack_comes_out_sharp_everywhere(model, mode, count):
    frames, truth, index = striped_stack(count, 160, 100 * count)
    result = drpl.fuse(frames, FusionOptions(align=False, compose=mode), model=model)
    best = max(psnr(frame, truth) for frame in frames)
    assert psnr(result.fused, truth) > best + 8
    assert (result.index_map == index).mean() > 0.9
    assert result.masks is None
    assert sum(result.coverage()) == pytest.approx(1)
    assert min(result.coverage()) > 0.5 / count


def test_the_order_of_frames_hardly_matters(model):
    frames, truth, _ = striped_stack(4, 160, 400)
    order = [2, 0, 3, 1]
    result = drpl.fuse(frames, PLAIN, model=model)
    other = drpl.fuse([frames[number] for number in order], PLAIN, model=model)
    agree = result.index_map == np.array(order)[other.index_map]
    assert agree.mean() > 0.97
    assert abs(psnr(result.fused, truth) - psnr(other.fused, truth)) < 0.5


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("mode", MODES)
def test_identical_frames_come_out_exactly(model, dtype, mode):
    frame = draw_texture(70, 90, 1).astype(dtype)
    options = FusionOptions(align=False, compose=mode, value_range=255.0)
    result = drpl.fuse([frame] * 4, options, model=model)
    assert result.fused.dtype == dtype
    assert np.array_equal(result.fused, frame)


def test_a_pair_is_a_stack_of_two(model, pair):
    source_a, source_b, _ = pair
    masks = decide_pair(VerifiedModel(model), source_a, source_b)
    result = drpl.fuse([source_a, source_b], PLAIN, model=model)
    composite = start_composite(source_a.copy(), 0, count=2)
    merge_frame(composite, NewFrame(source_b, source_b, 1), masks, mode="select", white=255.0)
    assert np.array_equal(result.fused, composite.fused)
    assert np.abs(result.masks.mask_a - masks.mask_a).max() < 1e-3


def test_sources_are_not_changed(model):
    frames, _, _ = striped_stack(3, 96, 192)
    before = [frame.copy() for frame in frames]
    for frame in frames:
        frame.flags.writeable = False
    drpl.fuse(frames, PLAIN, model=model)
    for frame, copy in zip(frames, before, strict=True):
        assert np.array_equal(frame, copy)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.just("select"))
@settings(max_examples=20)
def test_fused_pixels_lie_between_their_sources(shares, mode):
    frames = [draw_texture(20, 30, seed) for seed in range(len(shares) + 1)]
    composite = start_composite(frames[0].copy(), 0, count=len(frames))
    for number, share in enumerate(shares, start=1):
        masks = flat_decision(20, 30, share)
        merge_frame(composite, new_frame(frames, number), masks, mode=mode, white=255.0)
    assert (composite.fused >= np.min(frames, axis=0)).all()
    assert (composite.fused <= np.max(frames, axis=0)).all()
    picked = np.take_along_axis(np.stack(frames), composite.index_map[None, ..., None], axis=0)[0]
    assert np.array_equal(composite.seen, picked)


def test_confidence_follows_the_closest_rival():
    frames = [draw_texture(8, 8, seed) for seed in range(4)]
    composite = start_composite(frames[0].copy(), 0, count=4)
    expected = {1: 204, 2: 102, 3: 51}
    for number, share in ((1, 0.9), (2, 0.7), (3, 0.4)):
        masks = flat_decision(8, 8, share)
        merge_frame(composite, new_frame(frames, number), masks, mode="select", white=255.0)
        assert abs(255 - int(composite.doubt[0, 0]) - expected[number]) <= 1
    assert composite.index_map[0, 0] == 3


def test_the_only_frame_that_shows_the_scene_is_taken():
    frames = [draw_texture(16, 24, seed) for seed in range(3)]
    left, right = np.zeros((16, 24), bool), np.zeros((16, 24), bool)
    left[:, :18], right[:, 6:] = True, True
    composite = start_composite(frames[0].copy(), 0, count=3, covered=left)
    masks = flat_decision(16, 24, 0.8)
    merge_frame(composite, new_frame(frames, 1, right), masks, mode="select", white=255.0)
    assert (composite.index_map[:, 18:] == 1).all()
    assert (composite.index_map[:, :6] == 0).all()
    assert composite.covered.all()
    masks = flat_decision(16, 24, 0.2)
    merge_frame(composite, new_frame(frames, 2, right), masks, mode="select", white=255.0)
    assert (composite.index_map[:, :6] == 0).all()
    assert (composite.index_map[:, 6:] == 2).all()
    assert np.array_equal(composite.fused[:, 14:], frames[2][:, 14:])


@pytest.mark.slow
def test_more_than_256_frames_need_a_16_bit_index_map(model):
    frames = [draw_texture(8, 8, seed % 3) for seed in range(300)]
    result = drpl.fuse(frames, PLAIN, model=model)
    assert result.index_map.dtype == np.uint16


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_frames_are_refused(count):
    with pytest.raises(StackError, match=f"found {count} source image"):
        drpl.fuse([draw_texture(8, 8, 0)] * count)


def test_a_third_frame_of_another_size_is_named():
    frames = [draw_texture(8, 8, 0), draw_texture(8, 8, 1), draw_texture(8, 9, 1)]
    with pytest.raises(StackError, match="source 0 and source 2 differ in size: 8x8 and 9x8"):
        drpl.fuse(frames)
