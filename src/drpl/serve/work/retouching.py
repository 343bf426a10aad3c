"""Retouch the stored result of a job: strokes replayed on planes on disk, tiles renewed around.

Beside a result, ``retouched/`` holds the planes (fused, index map, confidence) as arrays, and the
frames that strokes took from; so that one stroke costs little, however large the picture is.
``edits.json`` says what is painted. While planes are changed ``changing`` is there: strokes that
came to no end, since the process was killed or took too long, are taken back.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drpl.align.plan import Plan
from drpl.align.prepare import prepared_frame
from drpl.align.transforms import StackTransforms, read_transforms
from drpl.core.frames import Metadata, Pixels, Prepared, full_scale
from drpl.core.options import FusionOptions
from drpl.core.tiling import Window
from drpl.errors import WriteError
from drpl.files.align import TRANSFORMS
from drpl.io.read import read_frame
from drpl.io.write import write_image, write_text
from drpl.results.edits import Edits, changed_window, check_edits, edits_as_json, parse_edits
from drpl.results.maps import CONFIDENCE, DEPTH, INDEX_MAP, write_maps
from drpl.results.report import as_json, describe_edits
from drpl.results.result import FusionResult
from drpl.results.retouch import Reader, retouch
from drpl.serve.work.cutting import STRIP, cut_tiles, index_pixels
from drpl.serve.work.layers import pixels_shown, plain, read_profile

EDITS, CHANGING = "edits.json", "changing"
FUSED, INDEX, SURE = "fused.npy", "index.npy", "confidence.npy"
DERIVED = ("fused.tif", "fused.png", "fused.jpg", "maps.zip")
"""Files that are made of the planes."""
RENEWED = (INDEX_MAP, CONFIDENCE, DEPTH)
Planes = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Fused, index map, confidence."""


class JobFrames:
    """Frames of a job by their files in the folder of the process, of which few are read."""

    borrowed = False

    def __init__(self, names: Sequence[str], max_pixels: int) -> None:
        self.names = names
        self.metadata: dict[int, Metadata] = {}
        self.max_pixels = max_pixels

    @property
    def like(self) -> Pixels:
        """See `drpl.io.stacks.Stack`."""
        return self.read(0)

    def read(self, number: int) -> Pixels:
        """See `drpl.io.stacks.Stack`."""
        frame = read_frame(self.names[number], max_pixels=self.max_pixels)
        self.metadata[number] = frame.metadata
        return np.ascontiguousarray(frame.pixels)


class Retouching:
    """The result of a job, and what was painted over it.

    Parameters
    ----------
    result : Path
        Folder of the result.
    frames : JobFrames
    room : int
        Bytes that planes and frames may take on disk.
    """

    def __init__(self, result: Path, frames: JobFrames, room: int) -> None:
        self._result, self._folder = result, result / "retouched"
        self._frames = frames
        self._room = room
        self._known: StackTransforms = read_transforms(result / TRANSFORMS)
        self._report = json.loads((result / "report.json").read_text(encoding="utf-8"))
        (width, height), at = self._report["size"], self._report["window"]
        rows = slice(at["top"], at["top"] + height)
        self._window = (rows, slice(at["left"], at["left"] + width))
        self._none = Edits((width, height), ())

    def parse(self, text: str) -> Edits:
        """Edits of this result.

        Raises
        ------
        ConfigError
            If they are not.
        """
        edits = parse_edits(text.encode(), name=EDITS)
        check_edits(edits, self._known.alignments, self._window)
        return edits

    def settle(self) -> Edits:
        """What the planes hold; what was interrupted is taken back."""
        held = self._none
        if (self._folder / EDITS).exists():
            held = self.parse((self._folder / EDITS).read_text(encoding="utf-8"))
        if (self._folder / CHANGING).exists():
            self._remove_planes()
            self._paint(self._none, held, self._whole())
        return held

    def change(self, edits: Edits) -> Window | None:
        """Bring planes, tiles and report to a list of strokes; gives where they have changed."""
        before = self.settle()
        if edits == before:
            return None
        changed = changed_window(before, edits)
        self._folder.mkdir(exist_ok=True)
        (self._folder / CHANGING).touch()
        self._paint(before, edits, changed)
        return changed

    def write_files(self) -> None:
        """Write picture and maps as `drpl fuse --edits` does."""
        self.settle()
        fused, index, confidence = self._planes()
        reference = self._report["reference"]
        self._frames.read(reference)
        maps = self._folder / "maps"
        shutil.copytree(self._result / "maps", maps, dirs_exist_ok=True)
        plan = Plan(
            self._known.shape,
            self._known.alignments,
            self._known.exposures,
            self._report["decision_scale"],
            tuple(self._report["focus_order"]),
        )
        found = FusionResult(fused, index, confidence, None, plan, self._window, {})
        paths = {name: maps / name for name in RENEWED}
        write_maps(paths, found, inputs=[], overwrite=True)
        write_image(
            self._folder / "fused.tif",
            fused,
            metadata=self._frames.metadata[reference],
            overwrite=True,
        )

    def _whole(self) -> Window:
        """All rows and columns of the result."""
        width, height = self._none.size
        return slice(0, height), slice(0, width)

    def _paint(self, before: Edits, edits: Edits, changed: Window | None) -> None:
        """Change the planes, and what is made of them."""
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
        self._write_report(parse_edits(text.encode(), name=EDITS), planes[1])
        write_text(self._folder / EDITS, text, overwrite=True)
        (self._folder / CHANGING).unlink()

    def _planes(self) -> Planes:
        """The planes, on disk; as they were fused, if there are none."""
        files = (self._folder / FUSED, self._folder / INDEX, self._folder / SURE)
        if not files[-1].exists():
            self._folder.mkdir(exist_ok=True)
            maps = self._result / "maps"
            sources = (self._result / "fused.tif", maps / INDEX_MAP, maps / CONFIDENCE)
            for source, file in zip(sources, files, strict=True):
                self._save(read_frame(source, max_pixels=self._frames.max_pixels).pixels, file)
        fused, index, confidence = (np.load(file, mmap_mode="r+") for file in files)
        return fused, index, confidence

    def _remove_planes(self) -> None:
        """Remove the planes; the last one first, which tells that all are there."""
        for name in (SURE, INDEX, FUSED):
            file = self._folder / name
            self._room += file.stat().st_size if file.exists() else 0
            file.unlink(missing_ok=True)

    def _reader(self) -> Reader:
        """Gives frames as they were fused; each is made once."""

        def read(number: int) -> Prepared:
            file = self._folder / f"frame-{number}.npy"
            mask = self._folder / f"covered-{number}.npy"
            if not file.exists():
                options = FusionOptions()
                _, pixels, covered, _ = prepared_frame(
                    self._frames, self._known, options, number, window=self._window
                )
                if covered is not None:
                    self._save(covered, mask)
                self._save(pixels, file)
            shown = np.load(mask, mmap_mode="r") if mask.exists() else None
            return Prepared(number, np.load(file, mmap_mode="r"), shown)

        return read

    def _save(self, pixels: Pixels, file: Path) -> None:
        """Write an array, which appears whole."""
        self._room -= pixels.nbytes
        if self._room < 0:
            raise WriteError("there is no room left to retouch; remove jobs that are not needed")
        partial = file.with_name(f".partial-{file.name}")
        np.save(partial, pixels)
        partial.replace(file)

    def _cut(self, planes: Planes, changed: Window | None) -> None:
        """Renew the tiles of what has changed."""
        fused, index, confidence = planes
        layers = self._result / "layers"
        if not (layers / "retouched").exists():
            partial = layers / ".partial-retouched"
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(layers / "fused", partial)
            partial.rename(layers / "retouched")
        if changed is None:
            return
        profile = read_profile(self._result / "fused.tif")
        order = self._report["focus_order"]
        greys = np.rint(np.linspace(0, 255, len(order))[np.argsort(order)]).astype(np.uint8)
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

    def _write_report(self, edits: Edits, index: NDArray[Any]) -> None:
        """Write what was fused, with the strokes and what is from each frame now."""
        frames = self._report["frames"]
        strips = np.array_split(index, max(1, index.size // STRIP))  # it counts in 64 bits
        counts = [np.bincount(strip.ravel(), minlength=len(frames)) for strip in strips]
        found = np.sum(counts, axis=0)
        shares = [round(float(pixels) / index.size, 6) for pixels in found]
        pairs = zip(frames, shares, strict=True)
        report = self._report | {
            "edits": describe_edits(edits, len(frames)),
            "frames": [frame | {"coverage": share} for frame, share in pairs],
        }
        write_text(self._folder / "report.json", as_json(report), overwrite=True)


def retouch_result(text: str, names: list[str], max_pixels: int, room: int) -> dict[str, Any]:
    """Replay strokes on the result of a job.

    Gives how many there are, and left, top, width and height of what has changed.
    """
    job = _of_job(names, max_pixels, room)
    edits = job.parse(text)
    rows, cols = job.change(edits) or (slice(0, 0), slice(0, 0))
    changed = [cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start]
    return {"strokes": len(edits.strokes), "changed": changed}


def settle_result(names: list[str], max_pixels: int, room: int) -> None:
    """Take back strokes that came to no end."""
    _of_job(names, max_pixels, room).settle()


def write_retouched(names: list[str], max_pixels: int, room: int) -> None:
    """Write the files of a retouched result."""
    _of_job(names, max_pixels, room).write_files()


def _of_job(names: list[str], max_pixels: int, room: int) -> Retouching:
    """The result of the job in whose frames the process is."""
    return Retouching(Path("..") / "result", JobFrames(names, max_pixels), room)
