"""`drpl bench quality`: every method on every scene, scored, remembered, reported.

Rendered scenes come with their truth; real ones with what others made of them. Each process works
on one thread, so that scores do not depend on how many there are.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2

from drpl.bench.drawn import DrawnScene
from drpl.bench.methods import REFERENCES, Method, baseline_methods, own_methods, own_name
from drpl.bench.provenance import digest_of, provenance
from drpl.bench.scenes import SEED, SceneEntry, find_real_scenes
from drpl.bench.scoring import Row, describe_encodings, score_scene
from drpl.bench.store import ScoreStore
from drpl.classical.table import BASELINES
from drpl.core.machine import begin_child, usable_cores
from drpl.core.options import COMPOSE_MODES, FusionOptions
from drpl.core.progress import Progress
from drpl.errors import BackendUnavailable, BatchError, ConfigError
from drpl.models.cards import available_models

KINDS = ("pairs", "stacks", "moved")
"""Rendered scenes: pairs, stacks, and stacks that moved and were aligned."""


@dataclass(frozen=True)
class QualitySettings:
    """What is scored; the scores depend on nothing else.

    Attributes
    ----------
    photos : str
        Folder of photos that scenes are rendered from; empty for none.
    kinds : tuple of str
        Some of `KINDS`.
    scenes, size : int
        Of each kind, and their side in pixels.
    degraded : bool
        Whether rendered frames have shift, exposure change, noise and JPEG.
    drawn : int
        Scenes of our own drawing; they need no photos.
    seed : int
        Of rendered and drawn scenes.
    sources : str
        Folder of real scenes; empty for none. See `drpl.bench.scenes.find_real_scenes`.
    truth : str
        Folder of their truths; empty for none.
    align : bool
        Whether their frames are aligned first.
    models, compose : tuple of str
        Our models, the one of interest first, and their ways to compose; all models that ship,
        and the default way, if empty.
    exposure : bool
        Whether our models match the exposure of frames first, as `drpl.fuse` does by default.
    baselines : bool
    fused : dict of str to str
        Folders of fused images, by method.

    Raises
    ------
    ConfigError
        If there is nothing to score, or a value is out of range.
    """

    photos: str = ""
    kinds: tuple[str, ...] = KINDS
    scenes: int = 60
    size: int = 384
    degraded: bool = False
    drawn: int = 0
    seed: int = SEED
    sources: str = ""
    truth: str = ""
    align: bool = False
    models: tuple[str, ...] = ()
    compose: tuple[str, ...] = ()
    exposure: bool = False
    baselines: bool = True
    fused: dict[str, str] | None = None

    def __post_init__(self) -> None:
        """Resolve and validate."""
        object.__setattr__(self, "models", self.models or _shipped())
        object.__setattr__(self, "compose", self.compose or (FusionOptions().compose,))
        object.__setattr__(self, "fused", self.fused or {})
        if not (self.photos or self.drawn or self.sources):
            raise ConfigError("there is nothing to score; give --photos, --drawn or --sources")
        if not self.sources and (self.truth or self.fused or self.align):
            raise ConfigError("truth, fused images and align are of real scenes; give --sources")
        for name, known in (("kinds", KINDS), ("compose", COMPOSE_MODES)):
            unknown = [value for value in getattr(self, name) if value not in known]
            if unknown:
                raise ConfigError(f"{name} holds {unknown[0]!r}; expected some of {known}")
        reserved = {*self.method_names, *BASELINES, *REFERENCES}
        taken = [name for name in self.fused or {} if name in reserved]
        if taken:
            raise ConfigError(f"fused: {taken[0]!r} is the name of another method; give another")

    @property
    def method_names(self) -> list[str]:
        """Our models and the baselines, in the order of their results."""
        own = [own_name(model, mode) for model in self.models for mode in self.compose]
        return [*own, *(BASELINES if self.baselines else ())]

    def methods(self) -> dict[str, Method]:
        """Load what is scored."""
        own = own_methods(self.models, self.compose, exposure=self.exposure)
        return own | (baseline_methods() if self.baselines else {})

    def entries(self) -> list[SceneEntry]:
        """All scenes, in the order of the run.

        Raises
        ------
        ReadError
            If files are missing.
        BackendUnavailable
            If scenes are to be rendered without PyTorch.
        """
        found: list[SceneEntry] = []
        if self.photos:
            rendered = _rendered_scene()
            found += [
                rendered(Path(self.photos), kind, index, self.size, self.degraded, self.seed)
                for kind in self.kinds
                for index in range(self.scenes)
            ]
        found += [DrawnScene(index, self.seed) for index in range(self.drawn)]
        if self.sources:
            found += find_real_scenes(
                Path(self.sources),
                truth=Path(self.truth) if self.truth else None,
                fused={name: Path(folder) for name, folder in (self.fused or {}).items()},
                align=self.align,
            )
        return found


def _shipped() -> tuple[str, ...]:
    """Models that ship, the default one first: it is the one of interest."""
    default = FusionOptions().model
    return tuple(sorted(available_models(), key=lambda name: name != default))


def _rendered_scene() -> Any:
    """The class of rendered scenes, which needs the extra ``train``."""
    try:
        return import_module("drpl.bench.rendered").RenderedScene
    except ImportError as error:
        raise BackendUnavailable(
            f"{error.name} is not installed; rendered scenes need: pip install 'drpl[bench,train]'"
        ) from error


def score_quality(
    settings: QualitySettings,
    output: Path,
    *,
    jobs: int = 0,
    overwrite: bool = False,
    command: str = "",
    progress: Progress | None = None,
) -> ScoreStore:
    """Score every method on every scene; stopped at any moment, it goes on where it was.

    Parameters
    ----------
    settings : QualitySettings
    output : Path
        Folder for ``scores.csv`` and ``about.json``, made if need be.
    jobs : int
        Scenes at a time, each in a process of its own; 0 takes all cores. Scores do not depend on
        it.
    overwrite : bool
        Whether what lies in the folder is replaced; else a run with the same settings goes on.
    command : str
        What reports give as the command of the run.
    progress : callable, optional
        Told how far the work is.

    Raises
    ------
    ConfigError
        If the folder holds a run with other settings.
    ReadError, StackError, ModelError, BackendUnavailable, WriteError
    """
    entries = settings.entries()
    files = dict.fromkeys(path for entry in entries for path in entry.files)
    about = provenance(settings.models) | {
        "settings": asdict(settings),
        "scenes": len(entries),
        "inputs": digest_of(files),
        "command": command,
        "coding": describe_encodings(entries),
    }
    expected = {(entry.data_set, entry.name): _methods_of(entry, settings) for entry in entries}
    store = ScoreStore(output)
    done = store.begin(about, expected, overwrite=overwrite)
    scored = _scored(entries[done:], settings, jobs or usable_cores())
    for number, rows in enumerate(scored, start=done):
        if progress is not None:
            progress("score", number, len(entries))
        store.append(rows)
    if progress is not None:
        progress("score", len(entries), len(entries))
    return store


def _methods_of(entry: SceneEntry, settings: QualitySettings) -> list[str]:
    """Methods of a scene, in the order of its rows."""
    return [*settings.method_names, *entry.others, *(REFERENCES if entry.has_truth else ())]


def _scored(
    entries: Sequence[SceneEntry], settings: QualitySettings, jobs: int
) -> Iterator[list[Row]]:
    """Rows of scenes, in their order."""
    if jobs == 1 or len(entries) < 2:
        with one_thread():
            methods = settings.methods() if entries else {}
            for entry in entries:
                yield score_scene(entry, methods)
        return
    context = get_context("spawn")
    start = partial(_begin_worker, settings)
    with ProcessPoolExecutor(jobs, context, initializer=start) as pool:
        rest = iter(entries)
        running = [pool.submit(_score_apart, entry) for entry in islice(rest, 2 * jobs)]
        try:
            while running:
                yield running.pop(0).result()
                running += [pool.submit(_score_apart, entry) for entry in islice(rest, 1)]
        except BrokenProcessPool as error:
            raise BatchError(
                "a process that scores was killed; too little memory? Run the command again to go "
                "on, with fewer --jobs"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_methods: dict[str, Method] = {}
"""Of this process, if it is a worker."""


def _begin_worker(settings: QualitySettings) -> None:
    """Load the methods of a process that scores scenes."""
    begin_child()
    # Ctrl-C is told by the parent alone
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    cv2.setNumThreads(1)
    _methods.update(settings.methods())


def _score_apart(entry: SceneEntry) -> list[Row]:
    """Score a scene in a worker."""
    return score_scene(entry, _methods)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let OpenCV work on one thread, as scores want it."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
