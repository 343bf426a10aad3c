"""Drawn pictures for the tests."""

import cv2
import numpy as np


def draw_texture(height, width, seed=0, channels=3):
    """Colourful texture of several finenesses, uint8."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, channels), np.float32)
    for step in (1, 3, 9):
        grid = rng.random((-(-height // step), -(-width // step), channels), dtype=np.float32)
        picture += cv2.resize(grid, (width, height)).reshape(height, width, channels)
    return np.rint(picture * 85).astype(np.uint8)


def half_sharp_pair(height, width, seed=0):
    """Truth, and a pair blurred on the left (A) and on the right (B)."""
    truth = draw_texture(height, width, seed)
    blurred = cv2.GaussianBlur(truth, (0, 0), 2.5)
    source_a, source_b = truth.copy(), truth.copy()
    source_a[:, : width // 2] = blurred[:, : width // 2]
    source_b[:, width // 2 :] = blurred[:, width // 2 :]
    return source_a, source_b, truth


def striped_stack(count, height, width, seed=1):
    """A stack in which every frame is sharp in one upright stripe; truth and index map."""
    truth = draw_texture(height, width, seed)
    index = np.minimum(np.arange(width) * count // width, count - 1)
    frames = []
    for number in range(count):
        far = np.abs(index - number).astype(np.float32)
        frame = truth.copy()
        for distance in range(1, count):
            blurred = cv2.GaussianBlur(truth, (0, 0), 1.5 * distance)
            frame[:, far == distance] = blurred[:, far == distance]
        frames.append(frame)
    return frames, truth, np.broadcast_to(index, (height, width))
