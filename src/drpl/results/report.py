"""Report beside a result: sources, processing and output."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from drpl.align.chain import Alignment
from drpl.align.exposure import Exposure
from drpl.core.machine import peak_memory_mb
from drpl.core.options import FusionOptions
from drpl.io.stacks import FileStack, stack_notices
from drpl.results.edits import Edits
from drpl.results.result import FusionResult
from drpl.version import versions

VERSION = 2
"""Version of the report's fields."""
STATUS_WORDS = {
    "rejected": "was left out",
    "unaligned": "could not be registered but was kept",
    "simpler": "was registered with a simpler motion",
}
"""Sentence of a frame by its status, for those a user should know about."""


def build_report(
    result: FusionResult,
    stack: FileStack,
    options: FusionOptions,
    output: Path,
    *,
    edits: Edits | None = None,
    notes: Sequence[str] = (),
    hashed: bool = True,
) -> dict[str, Any]:
    """Describe sources, work and result as plain values for JSON.

    ``notes`` tell the user of changes to the whole picture. ``hashed`` reads the source files once
    more, for their hashes.

    Returns
    -------
    dict
        ``report`` (version of these fields), ``output``, ``size`` and ``source_size`` (width,
        height), ``window`` (left, top), ``reference``, ``rejected``, ``focus_order``,
        ``decision_scale``, ``levels`` (sample values seen as black and white, and the largest),
        ``sensor`` (pixels filled: hot, dead; spots evened out: dust), ``frames`` (number, name,
        page, sha256, status, motion, transform, residual_px, score, exposure, coverage, notes;
        ``page`` is from 1, or None for a file of one picture), ``notes`` (on the stack and the
        picture), ``slabs`` (file, frames), ``edits`` (file, sha256, strokes of each frame; or
        None), ``options``, ``method``, ``seconds`` (by step), ``peak_memory_mb`` and ``versions``.
    """
    plan = result.plan
    rows, cols = result.window
    height, width = plan.shape
    hashes = {path: _sha256(path) for path in stack.paths} if hashed else {}
    frames = [
        {
            "number": number,
            "name": stack.names[number],
            "page": stack.sources[number].page,
            "sha256": hashes.get(stack.sources[number].path),
            **_describe_alignment(plan.alignments[number]),
            "exposure": _describe_exposure(plan.exposures[number]),
            "coverage": round(share, 6),
            "notes": [*stack.notes.get(number, ()), *filter(None, [plan.alignments[number].note])],
        }
        for number, share in enumerate(result.coverage())
    ]
    return {
        "report": VERSION,
        "output": str(output),
        "size": [cols.stop - cols.start, rows.stop - rows.start],
        "source_size": [width, height],
        "window": {"left": cols.start, "top": rows.start},
        "reference": plan.reference,
        "rejected": sorted(set(plan.order) - set(plan.used)),
        "focus_order": list(plan.focus_order),
        "decision_scale": plan.scale,
        "levels": asdict(plan.levels),
        "sensor": plan.sensor.counts(),
        "frames": frames,
        "notes": [*stack_notices(stack, options.value_range), *notes],
        "slabs": [{"file": str(s.file), "frames": list(s.frames)} for s in result.slabs],
        "edits": None if edits is None else describe_edits(edits, len(frames)),
        "options": asdict(options),
        "method": result.method,
        "seconds": {name: round(value, 3) for name, value in result.seconds.items()},
        "peak_memory_mb": peak_memory_mb(),
        "versions": versions(),
    }


def describe_edits(edits: Edits, count: int) -> dict[str, Any]:
    """Return the report's entry of edits, for a stack of ``count`` frames."""
    return {"file": edits.name, "sha256": edits.sha256 or None, "strokes": edits.counts(count)}


def _describe_alignment(alignment: Alignment) -> dict[str, Any]:
    """Return the report's fields of an alignment."""
    return {
        "status": alignment.status,
        "motion": alignment.motion,
        "transform": np.round(alignment.transform, 9).tolist(),
        "residual_px": _finite(alignment.residual),
        "score": _finite(alignment.score),
    }


def _describe_exposure(exposure: Exposure) -> dict[str, Any]:
    """Return the report's fields of a change in exposure."""
    return {name: [round(v, 5) for v in values] for name, values in asdict(exposure).items()}


def _finite(value: float) -> float | None:
    """Return a rounded number; None for NaN and infinity, which JSON lacks."""
    return round(value, 4) if math.isfinite(value) else None


def _sha256(path: Path) -> str:
    """Return the hash of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def as_json(report: dict[str, Any]) -> str:
    """Return a report as the text of a file."""
    return json.dumps(report, indent=1, allow_nan=False) + "\n"


def in_words(report: dict[str, Any]) -> list[str]:
    """Summarise a report in sentences, as far as they apply; frames are counted from 1."""
    frames, scale = report["frames"], report["decision_scale"]
    width, height = report["size"]
    used = len(frames) - len(report["rejected"])
    words = [f"{used} of {len(frames)} frames were fused into {width} x {height} pixels."]
    words += [
        _frame_in_words(frame)
        for frame in frames
        if frame["notes"] or frame["status"] in STATUS_WORDS
    ]
    filled = report.get("sensor", {})
    if filled.get("hot") or filled.get("dead"):
        words.append(f"Sensor pixels filled: {filled['hot']} hot, {filled['dead']} dead.")
    if filled.get("dust"):
        words.append(f"Spots of dust on the sensor evened out: {filled['dust']}.")
    words += [f"{note[0].upper()}{note[1:]}." for note in report.get("notes", ())]
    if report["focus_order"] != list(range(len(frames))):
        words.append("The frames were not in the order of focus and were sorted.")
    if report["size"] != report["source_size"]:
        words.append("The picture was cropped to the area that all frames show.")
    if scale > 1:
        words.append(f"The frames are soft, so decisions were made at 1/{scale} of their size.")
    words.append(f"It took {sum(report['seconds'].values()):.1f} s.")
    return words


def _frame_in_words(frame: dict[str, Any]) -> str:
    """Return the sentence of a frame that has a note or an entry in `STATUS_WORDS`."""
    name = f"Frame {frame['number'] + 1} ({frame['name']})"
    start = f"{name} {STATUS_WORDS.get(frame['status'], '')}".rstrip()
    return f"{start}: {'; '.join(frame['notes'])}." if frame["notes"] else f"{start}."
