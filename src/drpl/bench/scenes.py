"""What methods are scored on: scenes, and where real ones are found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from drpl.align.prepare import plan_alignment, prepared_frames
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
SEED = 20_000
CAP_DB = 60.0
"""PSNR counts as at most this much: equal images would make a mean infinite."""
INNER = 0.12
"""Share of each side that is not scored where frames moved: others bring mirrored pixels there."""


class RegisteredStack(NamedTuple):
    """Frames as they were taken, and what registers and exposes them.

    Attributes
    ----------
    stack : ArrayStack
    known : StackTransforms
    """

    stack: ArrayStack
    known: StackTransforms


@dataclass(frozen=True)
class BenchScene:
    """Registered pictures of one scene, each focused elsewhere.

    Attributes
    ----------
    frames : list of uint8 arrays (H, W) or (H, W, 3)
    truth : uint8 array like a frame, or None
    band : bool array (H, W), or None
        Around the focus boundaries, where that is known.
    kind : str
        Of what stands in front.
    inner : bool
        Whether only the inner part is scored; see `INNER`.
    taken : RegisteredStack or None
        The frames as they were before they were registered, for methods that do so themselves.
    """

    frames: list[Bytes]
    truth: Bytes | None = None
    band: NDArray[np.bool_] | None = None
    kind: str = ""
    inner: bool = False
    taken: RegisteredStack | None = None

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns that are scored."""
        height, width = self.frames[0].shape[:2]
        margins = [round(side * INNER) if self.inner else 0 for side in (height, width)]
        return slice(margins[0], height - margins[0]), slice(margins[1], width - margins[1])


def capped_psnr(fused: Bytes, scene: BenchScene) -> float:
    """PSNR in dB, `CAP_DB` at most, over what is scored of a scene that has a truth."""
    if scene.truth is None:
        raise MetricError("psnr needs a truth, and the scene has none")
    return min(psnr(fused[scene.window], scene.truth[scene.window]), CAP_DB)


class SceneEntry(Protocol):
    """What a scene is loaded from; small, so that it can go to another process."""

    @property
    def data_set(self) -> str:
        """Whose ranks it counts for."""
        ...

    @property
    def name(self) -> str:
        """Within the data set."""
        ...

    @property
    def others(self) -> dict[str, Path]:
        """Files of fused images made by others, by method."""
        ...

    @property
    def has_truth(self) -> bool:
        """Whether it comes with a truth."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it is made of."""
        ...

    def load(self) -> BenchScene:
        """Read or render it."""
        ...


class MadeScene:
    """What scenes of our own making have in common."""

    @property
    def others(self) -> dict[str, Path]:
        """See `SceneEntry`: nobody else fused it."""
        return {}

    @property
    def has_truth(self) -> bool:
        """See `SceneEntry`."""
        return True


@dataclass(frozen=True)
class RealScene:
    """A scene in files.

    Attributes
    ----------
    data_set, name : str
    sources : tuple of Path
    truth : Path or None
    others : dict of str to Path
    align : bool
        Whether the frames are registered and exposed alike first, for every method.
    """

    data_set: str
    name: str
    sources: tuple[Path, ...]
    truth: Path | None = None
    others: dict[str, Path] = field(default_factory=dict)
    align: bool = False

    @property
    def has_truth(self) -> bool:
        """See `SceneEntry`."""
        return self.truth is not None

    @property
    def files(self) -> tuple[Path, ...]:
        """See `SceneEntry`."""
        truths = () if self.truth is None else (self.truth,)
        return (*self.sources, *truths, *self.others.values())

    def load(self) -> BenchScene:
        """Read the frames, and align them if that is asked for.

        Raises
        ------
        ReadError, StackError, AlignmentError
        """
        frames = [read_bytes(path) for path in self.sources]
        check_stack(frames, [str(path) for path in self.sources])
        truth = None if self.truth is None else read_bytes(self.truth)
        scene = BenchScene(frames, truth, inner=self.align)
        return registered(scene) if self.align else scene


def read_bytes(path: Path) -> Bytes:
    """Read an 8-bit picture without alpha.

    Raises
    ------
    ReadError
        If it cannot be read.
    StackError
        If it is of another kind.
    """
    pixels = read_frame(path).pixels
    if pixels.dtype != np.uint8 or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise StackError(
            f"{path}: has shape {pixels.shape} and sample type {pixels.dtype}; expected 8-bit grey "
            "or colour without transparency, which is what benchmarks score"
        )
    return pixels


def registered(scene: BenchScene) -> BenchScene:
    """Register the frames of a scene to the middle one and expose them alike, by drpl's aligner.

    Those that do not fit are left out. If none fits, the middle one stands for all: it is what is
    left to any method.
    """
    middle = len(scene.frames) // 2
    stack = ArrayStack(scene.frames, [str(number) for number in range(len(scene.frames))])
    options = FusionOptions(reference=middle)
    try:
        plan = plan_alignment(stack, options)
    except AlignmentError:
        return replace(scene, frames=[scene.frames[middle]] * 2)
    prepared = prepared_frames(stack, plan, options, stage="align")
    frames = [np.array(pixels, np.uint8) for _, pixels, *_ in prepared]
    known = StackTransforms(plan.shape, tuple(stack.names), plan.alignments, plan.exposures)
    return replace(scene, frames=frames, taken=RegisteredStack(stack, known))


def find_real_scenes(
    root: Path, *, truth: Path | None, fused: dict[str, Path], align: bool
) -> list[RealScene]:
    """Find the pairs and stacks in a folder's folders.

    Parameters
    ----------
    root : Path
        Each folder in it is a scene, its images in natural order. The number that ends its name
        after ``_`` tells scenes of one data set apart (``lytro_01``); without, the set is the root.
    truth : Path or None
        Folder with an image ``NAME.*`` for each scene.
    fused : dict of str to Path
        Folders of fused images ``NAME.*``, by method. A method takes part in the data sets of
        which it has every image.
    align : bool
        See `RealScene`.

    Returns
    -------
    list of RealScene
        In natural order of names.

    Raises
    ------
    ReadError
        If a folder or an image is missing.
    """
    if not root.is_dir():
        raise ReadError(f"{root}: is not a folder; expected one that holds a folder for each scene")
    folders = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    if not folders:
        raise ReadError(f"{root}: holds no folder; expected one for each scene")
    names = [path.name for path in sorted(folders, key=natural_order)]
    sets = {name: _data_set(name, root) for name in names}
    others: dict[str, dict[str, Path]] = {name: {} for name in names}
    for method, folder in fused.items():
        for name, path in _pictures(folder, sets).items():
            others[name][method] = path
    truths = {} if truth is None else _pictures(truth, sets)
    return [
        RealScene(
            sets[name],
            name,
            tuple(find_sources([root / name])),
            truths.get(name),
            others[name],
            align,
        )
        for name in names
    ]


def _data_set(name: str, root: Path) -> str:
    """What stands before the number of a scene."""
    start, _, number = name.rpartition("_")
    return start if start and number.isdecimal() else root.resolve().name


def _pictures(folder: Path, sets: dict[str, str]) -> dict[str, Path]:
    """Images of scenes by name, for each data set all or none."""
    if not folder.is_dir():
        raise ReadError(f"{folder}: is not a folder; expected one with an image for each scene")
    found = {path.stem: path for path in sorted(_images(folder))}
    known = {name: path for name, path in found.items() if name in sets}
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


def _images(folder: Path) -> Iterator[Path]:
    """Image files of a folder."""
    return (path for path in folder.iterdir() if path.suffix.lower() in READABLE)
