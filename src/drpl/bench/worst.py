"""Where the first method does worst: crops at 100 %, made again from the scene."""

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
from drpl.bench.methods import Method
from drpl.bench.scenes import BenchScene, Bytes, SceneEntry
from drpl.bench.scoring import results
from drpl.bench.summary import SetScores, lead

CASES = 3
SIDE = 144
"""Of a crop, in pixels."""
SHOWN_FRAMES = 2
SPACE = 4
"""Between the crops of a sheet, in pixels."""
AMPLIFIED = 4
Window = tuple[slice, slice]


@dataclass(frozen=True)
class Picture:
    """A crop.

    Attributes
    ----------
    caption : str
    pixels : uint8 array (H, W) or (H, W, 3)
    """

    caption: str
    pixels: Bytes

    @property
    def uri(self) -> str:
        """The picture itself, as a ``data:`` address of a PNG."""
        image: Any = pyvips.Image.new_from_array(np.ascontiguousarray(self.pixels))
        data: bytes = image.write_to_buffer(".png", compression=9)
        return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@dataclass(frozen=True)
class Case:
    """A scene in which the first method does badly.

    Attributes
    ----------
    title, words : str
    pictures : list of Picture
        All of one size.
    ours : bool
        Whether we drew it: photos of others are not ours to hand on.
    """

    title: str
    words: str
    pictures: list[Picture]
    ours: bool

    @property
    def captions(self) -> str:
        """What the pictures are, in their order."""
        return "; ".join(picture.caption for picture in self.pictures)

    def sheet(self) -> Bytes:
        """The pictures side by side, with white between them."""
        crops = [picture.pixels for picture in self.pictures]
        spaces = [(0, 0), (0, SPACE), *[(0, 0)] * (crops[0].ndim - 2)]
        padded = [np.pad(crop, spaces, constant_values=255) for crop in crops]
        return np.hstack(padded)[:, :-SPACE]


@dataclass(frozen=True)
class Choice:
    """Which scene, beside which other method, and why."""

    scene: str
    other: str
    words: str


def choose(scores: SetScores, count: int = CASES) -> list[Choice]:
    """The scenes in which the first method does worst, worst first.

    With a truth: by PSNR, against the best other method. Without: by its mean rank in the scene.
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
        other = scores.methods[rivals[others[number]]]
        if scores.has_truth:
            way = "below" if badness[number] > 0 else "above"
            words = f"{abs(badness[number]):.2f} dB {way} {other}"
        else:
            words = f"mean rank {badness[number]:.1f} of {len(scores.methods)}; best: {other}"
        found.append(Choice(scores.scenes[number], other, words))
    return found


def show_cases(
    scores: SetScores, entries: Sequence[SceneEntry], methods: dict[str, Method]
) -> Iterator[Case]:
    """Make the worst scenes of a data set again, and cut out where it shows.

    Raises
    ------
    DrplError
        If a scene cannot be loaded any more.
    """
    by_name = {entry.name: entry for entry in entries if entry.data_set == scores.name}
    first = scores.methods[0]
    for choice in choose(scores):
        entry = by_name[choice.scene]
        scene = entry.load()
        wanted = {name: methods[name] for name in (first, choice.other) if name in methods}
        found = results(entry, scene, wanted)
        fused, other = found[first], found[choice.other]
        window = _where(fused, other, scene)
        pictures = list(_pictures({first: fused, choice.other: other}, scene, window))
        rows, columns = window
        words = f"{choice.words}; from row {rows.start}, column {columns.start}"
        title = f"{choice.scene} {scene.kind}".strip()
        yield Case(title, words, pictures, ours=isinstance(entry, DrawnScene))


def _where(fused: Bytes, other: Bytes, scene: BenchScene) -> Window:
    """Square whose worse pixels are worse than the other's by most, or that differs by most."""
    loss = _square_error(fused, other)
    if scene.truth is not None:
        apart = _square_error(fused, scene.truth) - _square_error(other, scene.truth)
        loss = np.maximum(apart, 0)  # else it would avoid all places where the first is better
    rows, columns = scene.window
    sides = [min(SIDE, part.stop - part.start) for part in (rows, columns)]
    summed = cv2.boxFilter(loss[rows, columns], -1, sides[::-1], normalize=False, anchor=(0, 0))
    inside = summed[: summed.shape[0] - sides[0] + 1, : summed.shape[1] - sides[1] + 1]
    top, left = np.unravel_index(inside.argmax(), inside.shape)
    starts = (rows.start + int(top), columns.start + int(left))
    return slice(starts[0], starts[0] + sides[0]), slice(starts[1], starts[1] + sides[1])


def _square_error(one: Bytes, other: Bytes) -> NDArray[np.float32]:
    """Squared differences, summed over channels."""
    apart = np.square(one.astype(np.float32) - other)
    return apart if apart.ndim == 2 else np.asarray(apart.sum(axis=-1))


def _pictures(fused: dict[str, Bytes], scene: BenchScene, window: Window) -> Iterator[Picture]:
    """Sources, fused images, truth and differences in a square."""
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
    """How much detail a crop has."""
    return float(np.square(cv2.Laplacian(crop, cv2.CV_32F)).mean())


def _amplified(one: Bytes, other: Bytes) -> Bytes:
    """A difference, enlarged, around grey."""
    apart = one.astype(np.float32) - other
    return np.asarray(np.rint(np.clip(128 + AMPLIFIED * apart, 0, 255)), np.uint8)
