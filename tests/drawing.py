"""Drawn pictures for the tests."""

import math

import cv2
import numpy as np

from drpl.align.chain import align_chain, chain_frames
from drpl.align.geometry import map_points

INNER = np.s_[30:-30, 40:-40]
MARGIN = 90
"""Pixels of a scene around what frames show of it."""


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


def draw_photo(height, width, seed=0):
    """A picture with the 1/f spectrum of photos, float32 in [0, 1]."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((height, width))) / frequency
    picture = np.fft.irfft2(spectrum, (height, width))
    return np.clip(0.5 + 0.18 * picture / picture.std(), 0, 1).astype(np.float32)


def around_middle(shape, scale=1.0, degrees=0.0, shift=(0.0, 0.0)):
    """Similarity around the middle of a picture."""
    height, width = shape
    centre = np.array([[1, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1.0]])
    cos, sin = (scale * f(math.radians(degrees)) for f in (math.cos, math.sin))
    matrix = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]], [0, 0, 1.0]])
    return centre @ matrix @ np.linalg.inv(centre)


def take_frame(scene, transform, shape, focus=0.5, seed=0, strength=6.0):
    """A frame in its own geometry, sharp where the slanted depth is the focus; noise, 8 bits."""
    to_frame = np.linalg.inv(transform) @ [[1, 0, -MARGIN], [0, 1, -MARGIN], [0, 0, 1.0]]
    size = shape[::-1]
    frame = cv2.warpPerspective(scene, to_frame, size, flags=cv2.INTER_LANCZOS4)
    depth = np.linspace(0, 1, shape[1], dtype=np.float32)[None]
    level = np.interp(np.abs(depth - focus) * strength, [0, 1, 2, 4, 8], np.arange(5))
    blurred = [cv2.GaussianBlur(frame, (0, 0), s) if s else frame for s in (0, 1, 2, 4, 8)]
    frame = sum(b * np.clip(1 - np.abs(level - i), 0, 1) for i, b in enumerate(blurred))
    frame = frame + np.random.default_rng(seed).normal(0, 0.01, shape)
    return (np.rint(np.clip(frame, 0, 1) * 255) / 255).astype(np.float32)


def take_stack(shape, count, *, step=1.015, degrees=0.1, shift=(2.3, -1.4), seed=0):
    """Frames and their transforms to the middle one."""
    scene = draw_photo(shape[0] + 2 * MARGIN, shape[1] + 2 * MARGIN, seed)
    transforms, frames = [], []
    for index in range(count):
        k = index - count // 2
        move = (shift[0] * k, shift[1] * k)
        transforms.append(around_middle(shape, step**k, degrees * k, move))
        frames.append(take_frame(scene, transforms[-1], shape, index / (count - 1), index))
    return frames, transforms


def align_stack(planes, *, motion="affine", **about):
    """Alignments of luma planes in the order of focus."""
    return align_chain(chain_frames(enumerate(planes), motion=motion), **about)


def moved(frame, number, middle, *, scale=0.012, shift=(2.6, -1.7)):
    """A frame as a camera that breathes and drifts would have taken it."""
    steps = number - middle
    grow = 1 + scale * steps
    centre = (np.array(frame.shape[1::-1]) - 1) / 2
    matrix = np.array(
        [
            [grow, 0, centre[0] * (1 - grow) + shift[0] * steps],
            [0, grow, centre[1] * (1 - grow) + shift[1] * steps],
        ]
    )
    size = frame.shape[1::-1]
    warped = cv2.warpAffine(
        frame, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return warped.reshape(frame.shape)


def misfit(found, true, shape):
    """Return the median distance between two transforms over the picture, in pixels."""
    y, x = np.mgrid[0 : shape[0] - 1 : 15j, 0 : shape[1] - 1 : 15j]
    points = np.stack([x.ravel(), y.ravel()], -1)
    apart = map_points(found, points) - map_points(true, points)
    return float(np.median(np.linalg.norm(apart, axis=1)))
