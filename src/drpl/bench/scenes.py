"""Scenes to score on, and how to find real ones in folders."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from drpl.align.prepare import RegisteredFrames, plan_alignment
from drpl.align.transforms import StackTransforms
from drpl.core.frames import check_stack
from drpl.core.options import FusionOptions
from drpl.errors import AlignmentError, MetricError, ReadError, StackError
from drpl.io.formats import READABLE
from drpl.io.read import read_frame
from drpl.io.sources import find_sources, natural_order
from drpl.io.stacks import ArrayStack
from drpl.metrics.reference import psnr

Bytes = NDArray[np.uint8]
CAP_DB = 60.0
"""Upper bound of PSNR in dB: one exact image would make a mean infinite."""
INNER = 0.12
"""Margin, as a share of each side, that is not scored where frames moved: it may hold mirrored
pixels."""


class RegisteredStack(NamedTuple):
    """Frames before registration, with the transforms and exposures that register them."""

    stack: ArrayStack
    known: StackTransforms


@dataclass(frozen=True)
class BenchScene:
    """Registered frames of one scene, with the truth if there is one.

    Frames and truth have shape (H, W) or (H, W, 3). ``band``, bool (H, W), is True around focus
    boundaries, or None if they are not known; ``kind`` of foreground, such as ``fence``, is empty
    if not known. With ``inner``, only the inner part is scored; see `INNER`. ``original`` serves
    entries that warp frames themselves.
    """

    frames: list[Bytes]
    truth: Bytes | None = None
    band: NDArray[np.bool_] | None = None
    kind: str = ""
    inner: bool = False
    original: RegisteredStack | None = None

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns that are scored, as slices."""
        height, width = self.frames[0].shape[:2]
        margins = [round(side * INNER) if self.inner else 0 for side in (height, width)]
        return slice(margins[0], height - margins[0]), slice(margins[1], width - margins[1])


def capped_psnr(fused: Bytes, scene: BenchScene) -> float:
    """Return the PSNR in dB over the scored window of a scene, at most `CAP_DB`.

    Raise MetricError if the scene has no truth.
    """
    if scene.truth is None:
        raise MetricError("psnr needs a truth; the scene has none")
    return min(psnr(fused[scene.window], scene.truth[scene.window]), CAP_DB)


class SceneSpec(Protocol):
    """Description of a scene, small enough to send to another process, which loads it."""

    @property
    def data_set(self) -> str:
        """Data set in whose ranks the scene counts."""

    @property
    def name(self) -> str:
        """Name, unique within the data set."""

    @property
    def peers(self) -> dict[str, Path]:
        """Files of images that peers fused from the scene, by entry."""

    @property
    def has_truth(self) -> bool:
        """True if the scene has a truth."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the scene is read or rendered from."""

    def load(self) -> BenchScene:
        """Read, render or draw the scene."""


class SyntheticScene:
    """Properties shared by rendered and drawn scenes; peers have fused none of them."""

    peers: ClassVar[dict[str, Path]] = {}
    has_truth: ClassVar = True


@dataclass(frozen=True)
class RealScene:
    """Files of a real scene; those of ``peers`` hold fused images, by entry.

    With ``align``, the frames are registered and matched in exposure first, for every entry alike.
    """

    data_set: str
    name: str
    sources: tuple[Path, ...]
    truth: Path | None = None
    peers: dict[str, Path] = field(default_factory=dict)
    align: bool = False

    @property
    def has_truth(self) -> bool:
        """See `SceneSpec`."""
        return self.truth is not None

    @property
    def files(self) -> tuple[Path, ...]:
        """See `SceneSpec`."""
        truths = () if self.truth is None else (self.truth,)
        return (*self.sources, *truths, *self.peers.values())

    def load(self) -> BenchScene:
        """Read the frames; register them if `align` is set.

        Raise ReadError if a file cannot be read, StackError if the frames do not make a stack of
        8-bit pictures.
        """
        frames = [read_bytes(path) for path in self.sources]
        check_stack(frames, [str(path) for path in self.sources])
        truth = None if self.truth is None else read_bytes(self.truth)
        scene = BenchScene(frames, truth, inner=self.align)
        return registered(scene) if self.align else scene


def read_bytes(path: Path) -> Bytes:
    """Read an 8-bit picture without alpha.

    Raise ReadError if the file cannot be read, StackError if the picture has another depth, or
    alpha.
    """
    pixels = read_frame(path).pixels
    if pixels.dtype != np.uint8 or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise StackError(
            f"{path}: has shape {pixels.shape} and sample type {pixels.dtype}; expected 8-bit grey "
            "or colour without transparency, the only pictures that benchmarks score"
        )
    return pixels


def registered(scene: BenchScene) -> BenchScene:
    """Register the frames of a scene to the middle one and match their exposure.

    Frames that do not fit are left out. If none fits, the scene becomes the middle frame twice,
    the best that any entry could return.
    """
    middle = len(scene.frames) // 2
    stack = ArrayStack(scene.frames, [str(number) for number in range(len(scene.frames))])
    options = FusionOptions(reference=middle)
    try:
        plan = plan_alignment(stack, options)
    except AlignmentError:
        return replace(scene, frames=[scene.frames[middle]] * 2)
    prepared = RegisteredFrames(stack, plan, options)
    frames = [np.array(pixels, np.uint8) for _, pixels, *_ in prepared]
    known = plan.transforms(stack.names)
    return replace(scene, frames=frames, original=RegisteredStack(stack, known))


def find_real_scenes(
    root: Path, *, truth: Path | None, fused: dict[str, Path], align: bool
) -> list[RealScene]:
    """Find pairs and stacks, one in each subfolder of a root, in natural order of their names.

    A subfolder named ``SET_NUMBER`` (``lytro_01``) belongs to data set ``SET``, any other to the
    set named like the root. ``truth`` and the folders of peers in ``fused`` hold an image
    ``NAME.*`` for each scene; a peer takes part in a data set if all images of the set are there.
    For ``align`` see `RealScene`. Raise ReadError if a folder or an image is missing.
    """
    if not root.is_dir():
        raise ReadError(f"{root}: is not a folder; expected one that holds a folder for each scene")
    folders = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    if not folders:
        raise ReadError(f"{root}: holds no folder; expected one for each scene")
    names = [path.name for path in sorted(folders, key=natural_order)]
    sets = {name: _data_set(name, root) for name in names}
    peers: dict[str, dict[str, Path]] = {name: {} for name in names}
    for entry, folder in fused.items():
        for name, path in _pictures(folder, sets).items():
            peers[name][entry] = path
    truths = {} if truth is None else _pictures(truth, sets)
    return [
        RealScene(
            sets[name],
            name,
            tuple(find_sources([root / name])),
            truths.get(name),
            peers[name],
            align,
        )
        for name in names
    ]


def _data_set(name: str, root: Path) -> str:
    """Return the part of a name before ``_`` and a number, else the name of the root."""
    start, _, number = name.rpartition("_")
    return start if start and number.isdecimal() else root.resolve().name


def _pictures(folder: Path, sets: dict[str, str]) -> dict[str, Path]:
    """Return the images of scenes by name; each data set must be complete or absent."""
    if not folder.is_dir():
        raise ReadError(f"{folder}: is not a folder; expected one with an image for each scene")
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in READABLE)
    known = {path.stem: path for path in pictures if path.stem in sets}
    if not known:
        raise ReadError(
            f"{folder}: holds no image named like a scene; expected {next(iter(sets))}.*"
        )
    begun = {sets[name] for name in known}
    missing = [name for name, data_set in sets.items() if data_set in begun and name not in known]
    if missing:
        raise ReadError(
            f"{folder}: has no image of {', '.join(missing[:5])}; expected one for each scene of a "
            "data set, or for none"
        )
    return known
