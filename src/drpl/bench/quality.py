"""`drpl bench quality`: score every entry on every scene.

Each process works on one thread, so that scores do not depend on the number of processes.
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
from drpl.bench.entries import REFERENCES, Entry, classical_entries, own_entries, own_name
from drpl.bench.provenance import digest_of, provenance
from drpl.bench.scenes import SEED, SceneSpec, find_real_scenes
from drpl.bench.scoring import Row, describe_encodings, score_scene
from drpl.bench.store import ScoreStore
from drpl.classical.table import CLASSICAL_METHODS
from drpl.core.machine import begin_child, usable_cores
from drpl.core.options import COMPOSE_MODES, FusionOptions
from drpl.core.progress import Progress
from drpl.errors import BackendUnavailable, BatchError, ConfigError
from drpl.models.cards import available_models

KINDS = ("pairs", "stacks", "moved")
"""Kinds of rendered scenes: pairs, stacks, and stacks that moved and were registered."""


@dataclass(frozen=True)
class QualitySettings:
    """Scenes and entries of a run; its scores depend on nothing else but code and inputs.

    Attributes
    ----------
    photos : str
        Folder of photos to render scenes from; empty for none.
    kinds : tuple of str
        Kinds of rendered scenes, from `KINDS`.
    scenes : int
        Number of rendered scenes of each kind.
    size : int
        Side of a rendered scene in pixels.
    degraded : bool
        True if rendered frames have shift, exposure change, noise and JPEG coding.
    drawn : int
        Number of drawn scenes, which need no photos.
    seed : int
        Seed of rendered and drawn scenes.
    sources : str
        Folder of real scenes; empty for none. See `drpl.bench.scenes.find_real_scenes`.
    truth : str
        Folder of the truths of real scenes; empty for none.
    align : bool
        True to register the frames of real scenes first.
    models : tuple of str
        Our models, the one of interest first; empty for all shipped models.
    compose : tuple of str
        Compose modes; empty for the default one.
    exposure : bool
        True if our models match exposure first, as `drpl.fuse` does by default.
    baselines : bool
        True to score the classical methods.
    fused : dict of str to str
        Folders of images fused by peers, by entry.

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
            raise ConfigError("truth, fused and align apply to real scenes only; give --sources")
        for name, known in (("kinds", KINDS), ("compose", COMPOSE_MODES)):
            unknown = [value for value in getattr(self, name) if value not in known]
            if unknown:
                raise ConfigError(f"{name} holds {unknown[0]!r}; expected some of {known}")
        reserved = {*self.entry_names, *CLASSICAL_METHODS, *REFERENCES}
        taken = [name for name in self.fused or {} if name in reserved]
        if taken:
            raise ConfigError(
                f"fused: {taken[0]!r} is the name of another entry; choose a different one"
            )

    @property
    def entry_names(self) -> list[str]:
        """Names of our models and the classical methods, in the order of their scores."""
        own = [own_name(model, mode) for model in self.models for mode in self.compose]
        return [*own, *(CLASSICAL_METHODS if self.baselines else ())]

    def entries(self) -> dict[str, Entry]:
        """Load our models and the classical methods, by name."""
        own = own_entries(self.models, self.compose, exposure=self.exposure)
        return own | (classical_entries() if self.baselines else {})

    def scene_specs(self) -> list[SceneSpec]:
        """List all scenes, in the order of the run.

        Raises
        ------
        ReadError
            If files are missing.
        BackendUnavailable
            If rendered scenes are wanted and PyTorch is not installed.
        """
        found: list[SceneSpec] = []
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
    """Return the shipped models, the default one first."""
    default = FusionOptions().method
    return tuple(sorted(available_models(), key=lambda name: name != default))


def _rendered_scene() -> Any:
    """Import the class of rendered scenes, which needs the extra ``train``."""
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
    """Score every entry on every scene, or continue an interrupted run.

    Parameters
    ----------
    settings : QualitySettings
        Scenes and entries.
    output : Path
        Folder for ``scores.csv`` and ``about.json``; created if missing.
    jobs : int
        Number of processes, each with one scene at a time; 0 takes all cores. Scores do not
        depend on it.
    overwrite : bool
        True to replace a run in the folder; False to continue one with the same settings.
    command : str
        Command of the run, as reports show it.
    progress : callable, optional
        Called with ``"score"``, the number of scenes done, and their total.

    Returns
    -------
    ScoreStore
        Scores of the whole run.

    Raises
    ------
    ConfigError
        If the folder holds a run with other settings.
    ReadError, StackError
        If a scene cannot be read, or its images do not fit together.
    ModelError, BackendUnavailable
        If a model is unknown or damaged, or a library is missing.
    BatchError
        If a scoring process was killed.
    WriteError
        If scores cannot be written.
    """
    specs = settings.scene_specs()
    files = dict.fromkeys(path for spec in specs for path in spec.files)
    about = provenance(settings.models) | {
        "settings": asdict(settings),
        "scenes": len(specs),
        "inputs": digest_of(files),
        "command": command,
        "coding": describe_encodings(specs),
    }
    expected = {(spec.data_set, spec.name): _row_names(spec, settings) for spec in specs}
    store = ScoreStore(output)
    done = store.begin(about, expected, overwrite=overwrite)
    scored = _scored(specs[done:], settings, jobs or usable_cores())
    for number, rows in enumerate(scored, start=done):
        if progress is not None:
            progress("score", number, len(specs))
        store.append(rows)
    if progress is not None:
        progress("score", len(specs), len(specs))
    return store


def _row_names(spec: SceneSpec, settings: QualitySettings) -> list[str]:
    """Return the entries and references of a scene, in the order of its rows."""
    return [*settings.entry_names, *spec.peers, *(REFERENCES if spec.has_truth else ())]


def _scored(
    specs: Sequence[SceneSpec], settings: QualitySettings, jobs: int
) -> Iterator[list[Row]]:
    """Yield the rows of each scene, in order."""
    if jobs == 1 or len(specs) < 2:
        with one_thread():
            entries = settings.entries() if specs else {}
            for spec in specs:
                yield score_scene(spec, entries)
        return
    context = get_context("spawn")
    start = partial(_begin_worker, settings)
    with ProcessPoolExecutor(jobs, context, initializer=start) as pool:
        waiting = iter(specs)
        running = [pool.submit(_score_in_worker, spec) for spec in islice(waiting, 2 * jobs)]
        try:
            while running:
                yield running.pop(0).result()
                running += [pool.submit(_score_in_worker, spec) for spec in islice(waiting, 1)]
        except BrokenProcessPool as error:
            raise BatchError(
                "a scoring process was killed, perhaps for lack of memory; run the command again "
                "with fewer --jobs to continue"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_entries: dict[str, Entry] = {}
"""Entries of this process, if it is a worker."""


def _begin_worker(settings: QualitySettings) -> None:
    """Load the entries in a worker process."""
    begin_child()
    # on Ctrl-C the worker ends silently; the parent alone reports it
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    cv2.setNumThreads(1)
    _entries.update(settings.entries())


def _score_in_worker(spec: SceneSpec) -> list[Row]:
    """Score a scene in a worker process."""
    return score_scene(spec, _entries)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run OpenCV on one thread, so that scores do not depend on the number of cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
