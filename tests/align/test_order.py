"""Order of frames: recovered from focus, without effect on the fused picture."""

import cv2
import numpy as np
import pytest

import drpl
from drawing import striped_stack
from drpl.align.order import focus_order, focus_profile, in_sequence
from drpl.core.luma import Levels, luma_plane
from drpl.core.options import FusionOptions
from drpl.io.read import read_frame
from drpl.io.write import write_image
from fusing import fuse_to

STILL = FusionOptions(align=False)


def profiles(frames):
    return [focus_profile(luma_plane(frame, Levels(white=255))) for frame in frames]


@pytest.fixture(scope="module")
def swept():
    """Return nine frames, each sharp in a stripe, and the truth; detail grows to the right."""
    frames, truth, _ = striped_stack(9, 160, 288, seed=6)
    fade = np.linspace(0.4, 1, 288)[None, :, None]
    faded = [np.rint(128 + (f - 128.0) * fade).astype(np.uint8) for f in (*frames, truth)]
    return faded[:-1], faded[-1]


def breathed(frames):
    """Return the frames with focus breathing and the shifts of a hand-held camera."""
    found = []
    for number, frame in enumerate(frames):
        steps = number - len(frames) // 2
        grow = 1 + 0.01 * steps
        size = frame.shape[1::-1]
        across, down = (side / 2 * (1 - grow) for side in size)
        matrix = np.array([[grow, 0, across + 2 * steps], [0, grow, down - steps]])
        found.append(
            cv2.warpAffine(
                frame, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
            )
        )
    return found


def shuffles(count, times=5):
    return [np.random.default_rng(seed).permutation(count) for seed in range(times)]


@pytest.mark.parametrize("moving", [False, True])
def test_shuffled_frames_come_out_in_the_order_of_focus(swept, moving):
    frames = breathed(swept[0]) if moving else swept[0]
    order = focus_order(profiles(frames))
    assert in_sequence(order)
    for shuffle in (np.arange(9)[::-1], *shuffles(9)):
        found = focus_order(profiles([frames[n] for n in shuffle]))
        assert [int(shuffle[n]) for n in found] == order


def test_two_swapped_frames_are_put_in_order(swept):
    frames = list(swept[0])
    frames[1], frames[6] = frames[6], frames[1]
    found = focus_order(profiles(frames))
    assert found in ([0, 6, 2, 3, 4, 5, 1, 7, 8], [8, 7, 1, 5, 4, 3, 2, 6, 0])


def test_the_given_order_is_kept_if_focus_does_not_contradict_it(swept):
    rng = np.random.default_rng(3)
    still = [np.clip(swept[0][4] + rng.normal(0, 3, (160, 288, 3)), 0, 255) for _ in range(7)]
    assert in_sequence(focus_order(profiles([frame.astype(np.uint8) for frame in still])))
    same = [swept[0][4]] * 5
    assert in_sequence(focus_order(profiles(same)))


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 5), (17, 2)])
def test_tiny_frames_have_an_order(size):
    rng = np.random.default_rng(0)
    found = focus_order([focus_profile(rng.random(size, dtype=np.float32)) for _ in range(3)])
    assert sorted(found) == [0, 1, 2]


def test_the_order_of_frames_does_not_change_the_picture(model, swept):
    frames, _ = swept
    result = drpl.fuse(frames, STILL, model=model)
    for shuffle in (np.arange(9)[::-1], *shuffles(9)):
        other = drpl.fuse([frames[n] for n in shuffle], STILL, model=model)
        assert np.array_equal(other.fused, result.fused)
        assert np.array_equal(shuffle[other.index_map], result.index_map)
        assert np.array_equal(other.confidence, result.confidence)


def test_swapping_a_pair_swaps_its_masks(model, swept):
    pair = [swept[0][1], swept[0][6]]
    result, other = (drpl.fuse(frames, STILL, model=model) for frames in (pair, pair[::-1]))
    assert np.array_equal(result.fused, other.fused)
    assert np.array_equal(result.index_map, 1 - other.index_map)
    assert np.array_equal(result.masks.mask_a, other.masks.mask_b)
    assert np.array_equal(result.masks.mask_b, other.masks.mask_a)


def test_moved_frames_are_registered_in_the_order_of_focus(model, swept):
    frames = breathed(swept[0])
    result = drpl.fuse(frames, model=model)
    for shuffle in (np.arange(9)[::-1], *shuffles(9, 2)):
        other = drpl.fuse([frames[n] for n in shuffle], model=model)
        assert shuffle[other.plan.reference] == result.plan.reference
        assert [a.status for a in other.plan.alignments].count("aligned") == 8
        apart = np.abs(other.fused.astype(int) - result.fused)
        assert apart.mean() < 0.3


def test_focus_order_is_reported_and_depth_follows_it(tmp_path, swept):
    frames = list(swept[0])
    frames[1], frames[6] = frames[6], frames[1]
    paths = [tmp_path / f"f{number}.png" for number in range(9)]
    for path, frame in zip(paths, frames, strict=True):
        write_image(path, frame, inputs=[], overwrite=False)
    result, about = fuse_to(paths, tmp_path / "out.png", STILL, maps=tmp_path / "maps", z_step=10.0)
    assert about["focus_order"] == [0, 6, 2, 3, 4, 5, 1, 7, 8]
    height = read_frame(tmp_path / "maps" / "height_um.tif").pixels
    assert np.array_equal(np.unique(height[result.index_map == 6]), [10.0])
    assert np.array_equal(np.unique(height[result.index_map == 1]), [60.0])
