"""`drpl bench quality`: score every entry on every scene.

Each process works on one thread, so that scores do not depend on the number of processes.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict
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
from drpl.bench.scenes import SceneSpec, find_real_scenes
from drpl.bench.scoring import Row, describe_encodings, score_scene
from drpl.bench.settings import QualitySettings
from drpl.bench.store import ScoreStore
from drpl.classical.table import CLASSICAL_METHODS
from drpl.core.machine import begin_child, usable_cores
from drpl.core.options import FusionOptions
from drpl.core.progress import Progress
from drpl.errors import BackendUnavailable, BatchError, ConfigError
from drpl.models.cards import available_models


def entry_names(settings: QualitySettings) -> list[str]:
    """Return the names of our models and the classical methods, in the order of their scores."""
    own = [own_name(model, mode) for model in chosen_models(settings) for mode in settings.compose]
    return [*own, *(CLASSICAL_METHODS if settings.classical else ())]


def chosen_models(settings: QualitySettings) -> tuple[str, ...]:
    """Return the models to score: those chosen, or all shipped ones with the default first."""
    default = FusionOptions().method
    return settings.models or tuple(sorted(available_models(), key=lambda name: name != default))


def load_entries(settings: QualitySettings) -> dict[str, Entry]:
    """Load our models and the classical methods, by name."""
    own = own_entries(chosen_models(settings), settings.compose, exposure=settings.exposure)
    return own | (classical_entries() if settings.classical else {})


def scene_specs(settings: QualitySettings) -> list[SceneSpec]:
    """List all scenes, in the order of the run.

    Raise ConfigError if a peer has the name of another entry, ReadError if files are missing, and
    BackendUnavailable if rendered scenes are wanted without PyTorch.
    """
    reserved = {*entry_names(settings), *CLASSICAL_METHODS, *REFERENCES}
    taken = [name for name in settings.fused if name in reserved]
    if taken:
        raise ConfigError(
            f"fused: {taken[0]!r} is the name of another entry; choose a different one"
        )
    found: list[SceneSpec] = []
    if settings.photos:
        rendered, photos = _rendered_scene(), Path(settings.photos)
        found += [
            rendered(photos, kind, index, settings.size, settings.degraded, settings.seed)
            for kind in settings.kinds
            for index in range(settings.scenes)
        ]
    found += [DrawnScene(index, settings.seed) for index in range(settings.drawn)]
    if settings.sources:
        found += find_real_scenes(
            Path(settings.sources),
            truth=Path(settings.truth) if settings.truth else None,
            fused={name: Path(folder) for name, folder in settings.fused.items()},
            align=settings.align,
        )
    return found


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

    The folder ``output``, created if missing, receives ``scores.csv`` and ``about.json``;
    ``overwrite`` replaces a run in it, which is else continued if it has the same settings. Each of
    ``jobs`` processes (0: one for each core) has one scene at a time; scores do not depend on their
    number. ``command`` is shown in reports. ``progress`` is called with ``"score"``, the number of
    scenes done, and their total.

    Raise ConfigError if the folder holds a run with other settings, BatchError if a scoring process
    was killed, WriteError if scores cannot be written; further, ReadError or StackError if a scene
    cannot be read or its images do not fit together, and ModelError or BackendUnavailable if a
    model is unknown or damaged or a library is missing.
    """
    specs = scene_specs(settings)
    files = dict.fromkeys(path for spec in specs for path in spec.files)
    about = provenance(chosen_models(settings)) | {
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
    return [*entry_names(settings), *spec.peers, *(REFERENCES if spec.has_truth else ())]


def _scored(
    specs: Sequence[SceneSpec], settings: QualitySettings, jobs: int
) -> Iterator[list[Row]]:
    """Yield the rows of each scene, in order."""
    if jobs == 1 or len(specs) < 2:
        with one_thread():
            entries = load_entries(settings) if specs else {}
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
    _entries.update(load_entries(settings))


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
