"""Retouching of a job's result: strokes are replayed on planes on disk, and tiles are renewed.

The folder ``retouched`` of a result holds its planes (fused image, index map, confidence map) as
arrays, and the frames that strokes take from: so a stroke costs little, however large the picture
is. ``edits.json`` lists the strokes on the planes. The file ``changing`` exists while the planes
change; if a process leaves it behind, killed or too slow, the interrupted strokes are rolled back.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.core.composite import Prepared
from drpl.core.frames import Pixels, full_scale
from drpl.core.tiling import Window
from drpl.errors import WriteError
from drpl.io.provenance import FUSED_BY
from drpl.io.read import read_frame
from drpl.io.stacks import FileStack
from drpl.io.write import write_image, write_text
from drpl.results.edits import Edits, changed_window, edits_as_json, parse_edits
from drpl.results.maps import CONFIDENCE, DEPTH, INDEX_MAP, depth_greys, draw_map
from drpl.results.report import as_json
from drpl.results.retouch import Reader, retouch
from drpl.results.stored import FUSED, MAPS, REPORT, StoredResult
from drpl.serve.work.cutting import cut_tiles, index_pixels
from drpl.serve.work.layers import pixels_shown, plain, read_profile

EDITS, CHANGING = "edits.json", "changing"
PLANES = ("fused.npy", "index.npy", "confidence.npy")
DERIVED = ("fused.tif", "fused.png", "fused.jpg", "maps.zip")
"""Files made from the planes."""
RENEWED = (INDEX_MAP, CONFIDENCE, DEPTH)
"""Maps that strokes change."""
Planes = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Fused image, index map and confidence map, each (H, W) or (H, W, C), mapped from disk."""


class Retouching:
    """Result of a job, and the strokes painted over it.

    Its planes and frames may take ``room`` bytes on disk. If they take more, or a file cannot be
    written, every method raises WriteError.
    """

    def __init__(self, stored: StoredResult, stack: FileStack, room: int) -> None:
        self._stored, self._stack = stored, stack
        self._folder = stored.folder / "retouched"
        self._room = room
        self._unretouched = Edits(stored.size, ())

    def parse(self, text: str) -> Edits:
        """Parse edits of this result; see `StoredResult.parse_edits`."""
        return self._stored.parse_edits(text, EDITS)

    def recover(self) -> Edits:
        """Roll back interrupted strokes and return the edits that the planes hold."""
        held = self._unretouched
        if (self._folder / EDITS).exists():
            held = self.parse((self._folder / EDITS).read_text(encoding="utf-8"))
        if (self._folder / CHANGING).exists():
            width, height = self._stored.size
            self._remove_planes()
            self._paint(self._unretouched, held, (slice(0, height), slice(0, width)))
        return held

    def change(self, edits: Edits) -> Window | None:
        """Bring planes, tiles and report up to date with edits.

        Returns rows and columns of the result that have changed; None if none have.
        """
        before = self.recover()
        if edits == before:
            return None
        changed = changed_window(before, edits)
        self._folder.mkdir(exist_ok=True)
        (self._folder / CHANGING).touch()
        self._paint(before, edits, changed)
        return changed

    def write_files(self) -> None:
        """Write the retouched picture and maps, as `drpl fuse --edits` does."""
        self.recover()
        result = self._stored.result(*self._planes())
        reference = result.plan.reference
        self._stack.read(reference)  # notes its metadata
        maps = self._folder / MAPS
        shutil.copytree(self._stored.folder / MAPS, maps, dirs_exist_ok=True)
        for name in RENEWED:
            drawn = draw_map(name, result)
            write_image(maps / name, drawn, software=FUSED_BY, overwrite=True)
        write_image(
            self._folder / FUSED,
            result.fused,
            metadata=self._stack.metadata[reference],
            software=FUSED_BY,
            overwrite=True,
        )

    def _paint(self, before: Edits, edits: Edits, changed: Window | None) -> None:
        """Bring the planes and everything made from them from one state of the edits to another."""
        for name in DERIVED:
            (self._folder / name).unlink(missing_ok=True)
        done = len(before.strokes)
        if edits.strokes[:done] != before.strokes:
            self._remove_planes()
            done = 0
        planes = self._planes()
        white = full_scale(planes[0], None)
        retouch(*planes, replace(edits, strokes=edits.strokes[done:]), self._reader(), white=white)
        self._cut(planes, changed)
        text = edits_as_json(edits)
        report = self._stored.retouched_report(parse_edits(text.encode(), name=EDITS), planes[1])
        write_text(self._folder / REPORT, as_json(report), overwrite=True)
        write_text(self._folder / EDITS, text, overwrite=True)
        (self._folder / CHANGING).unlink()

    def _planes(self) -> Planes:
        """Open the planes; copy them from the unretouched result if there are none."""
        files = [self._folder / name for name in PLANES]
        if not files[-1].exists():
            self._folder.mkdir(exist_ok=True)
            maps = self._stored.folder / MAPS
            sources = (self._stored.folder / FUSED, maps / INDEX_MAP, maps / CONFIDENCE)
            for source, file in zip(sources, files, strict=True):
                self._save(read_frame(source, max_pixels=sys.maxsize).pixels, file)
        fused, index, confidence = (np.load(file, mmap_mode="r+") for file in files)
        return fused, index, confidence

    def _remove_planes(self) -> None:
        """Remove the planes, the last first: `_planes` takes it as a sign that all exist."""
        for name in reversed(PLANES):
            file = self._folder / name
            self._room += file.stat().st_size if file.exists() else 0
            file.unlink(missing_ok=True)

    def _reader(self) -> Reader:
        """Return a reader of frames as they were fused; each frame is made once and kept."""

        def read(number: int) -> Prepared:
            file = self._folder / f"frame-{number}.npy"
            mask = self._folder / f"covered-{number}.npy"
            if not file.exists():
                prepared = self._stored.frame(self._stack, number)
                if prepared.covered is not None:
                    self._save(prepared.covered, mask)
                self._save(prepared.frame, file)
            covered = np.load(mask, mmap_mode="r") if mask.exists() else None
            return Prepared(number, np.load(file, mmap_mode="r"), covered)

        return read

    def _save(self, pixels: Pixels, file: Path) -> None:
        """Write an array atomically."""
        self._room -= pixels.nbytes
        if self._room < 0:
            raise WriteError("there is no room left to retouch; remove jobs you no longer need")
        partial = file.with_name(f".partial-{file.name}")
        np.save(partial, pixels)
        partial.replace(file)

    def _cut(self, planes: Planes, changed: Window | None) -> None:
        """Renew the tiles that show changed pixels."""
        fused, index, confidence = planes
        layers = self._stored.folder / "layers"
        if not (layers / "retouched").exists():
            partial = layers / ".partial-retouched"
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(layers / "fused", partial)
            partial.rename(layers / "retouched")
        if changed is None:
            return
        profile = read_profile(self._stored.folder / FUSED)
        greys = depth_greys(self._stored.plan.focus_order)
        cut_tiles(
            lambda part: fused[part],
            layers / "retouched",
            changed,
            lambda pixels: pixels_shown(pixels, profile),
        )
        cut_tiles(
            lambda part: index[part],
            layers / "index",
            changed,
            lambda small: plain(index_pixels(small)),
            nearest=True,
        )
        cut_tiles(lambda part: confidence[part], layers / "confidence", changed, plain)
        cut_tiles(lambda part: greys[index[part]], layers / "depth", changed, plain)


def open_result(max_pixels: int) -> tuple[StoredResult, FileStack]:
    """Open result and stack of the job whose ``frames`` folder is the working directory.

    Raise ReadError or AlignmentError if the report or the transforms are missing or damaged.
    """
    stored = StoredResult.open(Path("..") / "result")
    paths = [Path(frame["name"]) for frame in stored.report["frames"]]
    return stored, FileStack(paths, max_pixels=max_pixels, checked=True)


def retouch_result(text: str, room: int, max_pixels: int) -> dict[str, Any]:
    """Replay an edit list, as JSON, on the result of a job; see `Retouching`.

    Returns the number of ``strokes``, and ``changed``: left, top, width and height in pixels of the
    changed rectangle.
    """
    retouching = Retouching(*open_result(max_pixels), room)
    edits = retouching.parse(text)
    rows, cols = retouching.change(edits) or (slice(0, 0), slice(0, 0))
    changed = [cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start]
    return {"strokes": len(edits.strokes), "changed": changed}


def recover_result(room: int, max_pixels: int) -> None:
    """Roll back interrupted strokes of a result; see `Retouching`."""
    Retouching(*open_result(max_pixels), room).recover()


def write_retouched(room: int, max_pixels: int) -> None:
    """Write the picture and the maps of a retouched result; see `Retouching`."""
    Retouching(*open_result(max_pixels), room).write_files()
