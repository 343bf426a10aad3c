"""Transforms between two frames."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import around_middle, draw_photo, misfit, take_frame
from drpl.align.geometry import is_plausible
from drpl.align.pairs import match_planes
from drpl.core.options import MOTIONS
from drpl.scenes.drawn import draw_pair


@pytest.mark.parametrize("motion", ["similarity", "affine", "homography"])
@pytest.mark.parametrize(
    "true",
    [
        around_middle((300, 400), 1.02, 0.5, (20, 15)),
        around_middle((300, 400), 1.18),
        around_middle((300, 400), 0.85, 0, (5, 0)),
        around_middle((300, 400), 1.0, 10),
    ],
    ids=["step", "far", "farther", "turned"],
)
def test_transforms_are_recovered_in_spite_of_different_focus(motion, true):
    scene = draw_photo(480, 580, 5)
    reference = take_frame(scene, np.eye(3), (300, 400), 0.3, 1)
    moving = take_frame(scene, true, (300, 400), 0.7, 2)
    match = match_planes(reference, moving, motion=motion)
    assert misfit(match.transform, true, (300, 400)) < 0.2
    assert match.score > 0.8


def test_a_homography_is_recovered():
    scene = draw_photo(480, 580, 6)
    true = around_middle((300, 400), 1.01)
    true[2, 0], true[2, 1] = 5e-5, -3e-5
    reference, moving = (take_frame(scene, t, (300, 400), 0.5, 3) for t in (np.eye(3), true))
    found = match_planes(reference, moving, motion="homography").transform
    assert misfit(found, true, (300, 400)) < 0.2
    assert misfit(match_planes(reference, moving).transform, true, (300, 400)) > 0.2


def test_features_recover_large_motions():
    scene = draw_photo(480, 580, 7)
    true = around_middle((300, 400), 1.1, 18, (60, 40))
    reference, moving = (take_frame(scene, t, (300, 400), 0.5, 3) for t in (np.eye(3), true))
    found = match_planes(reference, moving, motion="similarity").transform
    assert misfit(found, true, (300, 400)) < 0.3


@settings(max_examples=15)
@given(
    st.floats(-40, 40), st.floats(-40, 40), st.floats(0.6, 1.4), st.sampled_from([0.0, 1.5, 3.0])
)
def test_known_shifts_are_recovered(right, down, gain, blur):
    scene = draw_photo(380, 440, 8)
    shape = (200, 260)
    true = around_middle(shape, shift=(right, down))
    reference, moving = (take_frame(scene, t, shape, 0.5, 4, 0) for t in (np.eye(3), true))
    moving = cv2.GaussianBlur(moving, (0, 0), blur) if blur else moving
    found = match_planes(reference, moving * np.float32(gain), motion="translation").transform
    assert misfit(found, true, shape) < 0.2


def test_features_that_collapse_the_picture_are_no_match():
    planes = [frame[:240, 80:380, 1].astype(np.float32) for frame in draw_pair()[:2]]
    for motion in MOTIONS:
        match = match_planes(*planes, motion=motion)
        assert is_plausible(match.transform)
