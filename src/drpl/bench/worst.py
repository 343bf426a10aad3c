"""Worst scenes of the first entry, shown as crops at 100 %."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyvips
from numpy.typing import NDArray

from drpl.bench.drawn import DrawnScene
from drpl.bench.entries import Entry
from drpl.bench.scenes import BenchScene, Bytes, SceneSpec
from drpl.bench.scoring import fused_images
from drpl.bench.summary import SetScores, lead

CASES = 3
"""Scenes shown of each data set."""
SIDE = 144
"""Side of a crop in pixels."""
SHOWN_FRAMES = 2
"""Frames shown of each scene: those with most detail in the crop."""
SPACE = 4
"""Gap between the crops of a sheet in pixels."""
AMPLIFIED = 4
"""Factor by which differences are multiplied."""
Window = tuple[slice, slice]


@dataclass(frozen=True)
class Picture:
    """Crop, shape (H, W) or (H, W, 3), with a caption that names its content."""

    caption: str
    pixels: Bytes

    @property
    def uri(self) -> str:
        """PNG of the crop as a ``data:`` URI."""
        image: Any = pyvips.Image.new_from_array(np.ascontiguousarray(self.pixels))
        data: bytes = image.write_to_buffer(".png", compression=9)
        return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@dataclass(frozen=True)
class Case:
    """Scene in which the first entry does badly.

    ``words`` give the result of the comparison and the place of the crops; ``pictures`` are of one
    size. Drawn scenes are publishable: photos may not be passed on.
    """

    title: str
    words: str
    pictures: list[Picture]
    publishable: bool

    @property
    def captions(self) -> str:
        """Captions of the pictures in one line."""
        return "; ".join(picture.caption for picture in self.pictures)

    def sheet(self) -> Bytes:
        """Join the pictures side by side, with white gaps."""
        crops = [picture.pixels for picture in self.pictures]
        spaces = [(0, 0), (0, SPACE), *[(0, 0)] * (crops[0].ndim - 2)]
        padded = [np.pad(crop, spaces, constant_values=255) for crop in crops]
        return np.hstack(padded)[:, :-SPACE]


@dataclass(frozen=True)
class Choice:
    """Scene to show, entry to show beside the first, and the result of the comparison."""

    scene: str
    other: str
    words: str


def choose(scores: SetScores, count: int = CASES) -> list[Choice]:
    """Choose at most ``count`` scenes in which the first entry does worst, worst first.

    Scenes with a truth are compared by PSNR with the best rival in the scene, others by the first
    entry's mean rank in the scene. Without rivals, none is chosen.
    """
    rivals = scores.rivals
    if not rivals:
        return []
    if scores.has_truth:
        losses = -lead(scores, "psnr")[:, rivals]
        badness, others = losses.max(axis=1), losses.argmax(axis=1)
    else:
        image_ranks = scores.image_ranks()
        badness, others = image_ranks[:, 0], image_ranks[:, rivals].argmin(axis=1)
    found = []
    for number in np.argsort(-badness, kind="stable")[:count]:
        other = scores.entries[rivals[others[number]]]
        if scores.has_truth:
            way = "below" if badness[number] > 0 else "above"
            words = f"{abs(badness[number]):.2f} dB {way} {other}"
        else:
            words = f"mean rank {badness[number]:.1f} of {len(scores.entries)}; best: {other}"
        found.append(Choice(scores.scenes[number], other, words))
    return found


def show_cases(
    scores: SetScores, specs: Sequence[SceneSpec], entries: dict[str, Entry]
) -> Iterator[Case]:
    """Load and fuse the worst scenes of a data set again, and crop them where they differ most.

    ``specs`` and ``entries`` are all of the run. Raise DrplError if a scene cannot be loaded any
    more.
    """
    by_name = {spec.name: spec for spec in specs if spec.data_set == scores.name}
    first = scores.entries[0]
    for choice in choose(scores):
        spec = by_name[choice.scene]
        scene = spec.load()
        wanted = {name: entries[name] for name in (first, choice.other) if name in entries}
        images = fused_images(spec, scene, wanted)
        fused, other = images[first], images[choice.other]
        window = _worst_window(fused, other, scene)
        pictures = list(_pictures({first: fused, choice.other: other}, scene, window))
        rows, columns = window
        words = f"{choice.words}; from row {rows.start}, column {columns.start}"
        title = f"{choice.scene} {scene.kind}".strip()
        yield Case(title, words, pictures, publishable=isinstance(spec, DrawnScene))


def _worst_window(fused: Bytes, other: Bytes, scene: BenchScene) -> Window:
    """Find the square with most excess error over the other image, or most difference to it."""
    loss = _square_error(fused, other)
    if scene.truth is not None:
        excess = _square_error(fused, scene.truth) - _square_error(other, scene.truth)
        loss = np.maximum(excess, 0)  # better pixels must not offset worse ones in the square
    rows, columns = scene.window
    sides = [min(SIDE, part.stop - part.start) for part in (rows, columns)]
    summed = cv2.boxFilter(loss[rows, columns], -1, sides[::-1], normalize=False, anchor=(0, 0))
    inside = summed[: summed.shape[0] - sides[0] + 1, : summed.shape[1] - sides[1] + 1]
    top, left = np.unravel_index(inside.argmax(), inside.shape)
    starts = (rows.start + int(top), columns.start + int(left))
    return slice(starts[0], starts[0] + sides[0]), slice(starts[1], starts[1] + sides[1])


def _square_error(one: Bytes, other: Bytes) -> NDArray[np.float32]:
    """Return squared differences, summed over channels."""
    squares = np.square(one.astype(np.float32) - other)
    return squares if squares.ndim == 2 else np.asarray(squares.sum(axis=-1))


def _pictures(fused: dict[str, Bytes], scene: BenchScene, window: Window) -> Iterator[Picture]:
    """Crop sources, fused images, truth and differences."""
    crops = [frame[window] for frame in scene.frames]
    sharpest = sorted(range(len(crops)), key=lambda number: -_detail(crops[number]))
    for number in sorted(sharpest[:SHOWN_FRAMES]):
        yield Picture(f"source {number}", crops[number])
    for name, image in fused.items():
        yield Picture(name, image[window])
    if scene.truth is None:
        (first, one), (second, other) = fused.items()
        yield Picture(f"{first} - {second}, x{AMPLIFIED}", _amplified(one, other)[window])
        return
    yield Picture("truth", scene.truth[window])
    for name, image in fused.items():
        yield Picture(f"{name} - truth, x{AMPLIFIED}", _amplified(image, scene.truth)[window])


def _detail(crop: Bytes) -> float:
    """Return the mean squared Laplacian of a crop."""
    return float(np.square(cv2.Laplacian(crop, cv2.CV_32F)).mean())


def _amplified(one: Bytes, other: Bytes) -> Bytes:
    """Return the difference, amplified, around mid-grey."""
    difference = one.astype(np.float32) - other
    return np.asarray(np.rint(np.clip(128 + AMPLIFIED * difference, 0, 255)), np.uint8)
