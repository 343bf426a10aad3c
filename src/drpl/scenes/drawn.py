"""Drawn scene with known truth, photographed twice."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Bytes = NDArray[np.uint8]
HEIGHT, WIDTH = 640, 960
BLUR_RADIUS = 9.0
PAPER, INK = (237, 230, 209), (31, 36, 51)


def draw_pair(seed: int = 3) -> tuple[Bytes, Bytes, Bytes]:
    """Draw a scene and photograph it twice: focused on its foreground and on its background.

    A poster hangs behind leaves and a wire net. The defocused foreground is blurred together with
    its matte, in linear light, and composited over the complete poster. Returns the frame focused
    on the leaves, the frame focused on the poster and the all-in-focus image, each (640, 960, 3).
    """
    rng = np.random.default_rng(seed)
    poster = _poster(rng)
    front, matte = _foreground(rng)
    kernel = _disc(BLUR_RADIUS)

    def blurred(image: Image) -> Image:
        return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT).astype(np.float32)

    def over(layer: Image, opacity: Image, behind: Image) -> Bytes:
        linear = layer + (1 - opacity[..., None]) * behind
        return np.rint(np.clip(linear, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)

    layer = front * matte[..., None]
    return (
        over(layer, matte, blurred(poster)),
        over(blurred(layer), blurred(matte), poster),
        over(layer, matte, poster),
    )


def _disc(radius: float) -> Image:
    """Anti-aliased disc of a radius in pixels, with a sum of 1."""
    reach = int(np.ceil(radius))
    rows, cols = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(rows, cols), 0, 1)
    kernel: Image = (disc / disc.sum()).astype(np.float32)
    return kernel


def _grain(rng: np.random.Generator, octaves: tuple[int, ...]) -> Image:
    """Mean of random grids of several resolutions, roughly within [-1, 1]."""
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for cells in octaves:
        grid = rng.uniform(-1, 1, (cells * 2, cells * 3)).astype(np.float32)
        total += cv2.resize(grid, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return total / np.float32(len(octaves))


def _poster(rng: np.random.Generator) -> Image:
    """Background in linear light: grainy paper with colours, a star, rings, gratings, text."""
    sheet = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    sheet[:] = PAPER
    for row, colour in ((150, (191, 212, 219)), (300, (230, 184, 128)), (450, (153, 173, 140))):
        top = row + 60 * _grain(rng, (3, 6))[0]
        sheet[np.arange(HEIGHT)[:, None] > top[None]] = colour
    for spoke in range(48):
        angle = np.pi * spoke / 24
        tip = (int(250 + 130 * np.cos(angle)), int(190 + 130 * np.sin(angle)))
        cv2.line(sheet, (250, 190), tip, INK, 1 + spoke % 3, cv2.LINE_AA)
    for ring in range(12, 132, 12):
        cv2.circle(sheet, (700, 430), ring, INK, 1 + (ring // 12) % 3, cv2.LINE_AA)
    for step, pitch in enumerate((3, 4, 6, 8)):
        cols = np.arange(560 + 90 * step, 640 + 90 * step)
        sheet[70:130, cols[(cols // pitch) % 2 == 0]] = INK
    font = cv2.FONT_HERSHEY_DUPLEX
    cv2.putText(sheet, "sharp everywhere", (430, 240), font, 1.5, INK, 2, cv2.LINE_AA)
    for line in range(7):
        text = "0123456789 the quick brown fox jumps over the lazy dog"
        origin = (60, 430 + 24 * line)
        cv2.putText(sheet, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
    coded = sheet.astype(np.float32) / 255
    coded += 0.06 * _grain(rng, (40, 90, 160))[..., None] + 0.02 * rng.standard_normal(coded.shape)
    return (np.clip(coded, 0, 1) ** 2.2).astype(np.float32)


def _foreground(rng: np.random.Generator) -> tuple[Image, Image]:
    """Colours, in linear light, and matte of leaves on a twig and of a wire net."""
    coded = np.empty((HEIGHT, WIDTH, 3), np.float32)
    coded[:] = (0.35, 0.5, 0.2)
    coded *= 1 + 0.5 * _grain(rng, (12, 50, 140))[..., None]
    matte = np.zeros((HEIGHT * 2, WIDTH * 2), np.uint8)
    for along in np.linspace(0.02, 0.72, 9):
        base = np.array([WIDTH * along, HEIGHT * (0.98 - 0.55 * along)])
        for side in (-1, 1):
            aim = -0.5 + side * rng.uniform(0.6, 1.1)
            _leaf(coded, matte, base, aim, rng.uniform(90, 170))
    root, tip = (0, int(HEIGHT * 0.99)), (int(WIDTH * 0.75), int(HEIGHT * 0.56))
    cv2.line(matte, (2 * root[0], 2 * root[1]), (2 * tip[0], 2 * tip[1]), 255, 14, cv2.LINE_AA)
    cv2.line(coded, root, tip, (0.3, 0.22, 0.14), 7, cv2.LINE_AA)
    net = np.zeros_like(matte)
    for offset in range(-HEIGHT, WIDTH + HEIGHT, 44):
        for lean in (-1, 1):
            start, end = (2 * offset, 0), (2 * (offset + lean * HEIGHT), 2 * HEIGHT)
            cv2.line(net, start, end, 255, 5, cv2.LINE_AA)
    net[:, : int(2 * WIDTH * 0.72)] = 0
    wire = cv2.resize(net, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    coded = np.where(
        wire[..., None] > 0, np.float32(0.7) + 0.15 * _grain(rng, (60,))[..., None], coded
    )
    leaves = cv2.resize(matte, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    opacity = np.maximum(leaves.astype(np.float32) / 255, wire)
    return (np.clip(coded, 0, 1) ** 2.2).astype(np.float32), opacity.astype(np.float32)


def _leaf(coded: Image, matte: Bytes, base: Image, aim: float, length: float) -> None:
    """Add a leaf to the matte, which has twice the resolution, and its veins to the colours."""
    along = np.array([np.cos(aim), np.sin(aim)])
    across = np.array([-along[1], along[0]])
    share = np.linspace(0, 1, 40)
    half = 0.2 * length * np.sin(np.pi * share**0.8)
    spine = base + np.outer(share * length, along)
    rim = np.concatenate([spine + half[:, None] * across, (spine - half[:, None] * across)[::-1]])
    cv2.fillPoly(matte, [np.rint(rim * 2).astype(np.int32)], 255, cv2.LINE_AA)
    light = (0.62, 0.74, 0.4)
    for index in range(4, 36, 4):
        for side in (-1, 1):
            tip = spine[index] + 0.9 * half[index] * (side * across + along)
            ends = [tuple(np.rint(p).astype(int).tolist()) for p in (spine[index], tip)]
            cv2.line(coded, ends[0], ends[1], light, 1, cv2.LINE_AA)
    ends = [tuple(np.rint(p).astype(int).tolist()) for p in (spine[0], spine[-1])]
    cv2.line(coded, ends[0], ends[1], light, 2, cv2.LINE_AA)
