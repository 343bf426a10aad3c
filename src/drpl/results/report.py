"""The report beside a result: what went in, what was done to it, what came out."""

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
from drpl.results.edits import Edits
from drpl.results.result import FusionResult
from drpl.version import versions

VERSION = 1
CHUNK = 1 << 20


def build_report(
    result: FusionResult,
    options: FusionOptions,
    names: Sequence[str],
    *,
    inputs: Sequence[Path] = (),
    output: Path | None = None,
    notes: dict[int, tuple[str, ...]] | None = None,
    edits: Edits | None = None,
) -> dict[str, Any]:
    """What went in, what was done and what came out, as plain values for JSON.

    Parameters
    ----------
    result : FusionResult
    options : FusionOptions
    names : sequence of str
        Of the frames.
    inputs : sequence of Path
        Their files, to be hashed.
    output : Path, optional
    notes : dict, optional
        What reading changed, by number of the frame.
    edits : Edits, optional
        Strokes that the result was retouched by.

    Returns
    -------
    dict
        ``frames`` (name, sha256, status, transform, residual, exposure, coverage, notes),
        ``slabs`` (file, frames), ``edits`` (file, sha256, strokes of each frame; or None),
        ``options``, ``method``, ``scale``, ``window``, ``seconds``, ``peak_memory_mb`` and
        ``versions``.
    """
    plan = result.plan
    shares = result.coverage()
    frames = [
        {
            "number": number,
            "name": name,
            "sha256": _sha256(inputs[number]) if inputs else None,
            **_alignment(plan.alignments[number]),
            "exposure": _exposure(plan.exposures[number]),
            "coverage": round(shares[number], 6),
            "notes": [*(notes or {}).get(number, ()), *_spoken(plan.alignments[number].note)],
        }
        for number, name in enumerate(names)
    ]
    rows, cols = result.window
    height, width = plan.shape
    return {
        "report": VERSION,
        "output": str(output) if output is not None else None,
        "size": [cols.stop - cols.start, rows.stop - rows.start],
        "source_size": [width, height],
        "window": {"left": cols.start, "top": rows.start},
        "reference": plan.reference,
        "rejected": [n for n in range(len(names)) if n not in plan.used],
        "focus_order": list(plan.focus_order),
        "decision_scale": plan.scale,
        "frames": frames,
        "slabs": [{"file": str(s.file), "frames": list(s.frames)} for s in result.slabs],
        "edits": None if edits is None else describe_edits(edits, len(names)),
        "options": asdict(options),
        "method": result.method,
        "seconds": {name: round(value, 3) for name, value in result.seconds.items()},
        "peak_memory_mb": peak_memory_mb(),
        "versions": versions(),
    }


def describe_edits(edits: Edits, count: int) -> dict[str, Any]:
    """What a report tells of edits, of a stack of ``count`` frames."""
    return {"file": edits.name, "sha256": edits.sha256 or None, "strokes": edits.counts(count)}


def _spoken(note: str) -> list[str]:
    """A note, if there is one."""
    return [note] if note else []


def _alignment(alignment: Alignment) -> dict[str, Any]:
    """How a frame was registered."""
    return {
        "status": alignment.status,
        "motion": alignment.motion,
        "transform": np.round(alignment.transform, 9).tolist(),
        "residual_px": _number(alignment.residual),
        "score": _number(alignment.score),
    }


def _exposure(exposure: Exposure) -> dict[str, Any]:
    """How a frame's exposure was changed."""
    return {
        "gain": [round(value, 5) for value in exposure.gain],
        "offset": [round(value, 5) for value in exposure.offset],
        "highlights": [round(value, 5) for value in exposure.highlights],
    }


def _number(value: float) -> float | None:
    """A number that JSON knows."""
    return round(value, 4) if math.isfinite(value) else None


def _sha256(path: Path) -> str:
    """Hash of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def as_json(report: dict[str, Any]) -> str:
    """A report as the text of a file."""
    return json.dumps(report, indent=1, allow_nan=False) + "\n"


def in_words(report: dict[str, Any]) -> list[str]:
    """What a report says, as sentences for people; frames are counted from 1.

    Parameters
    ----------
    report : dict
        Of `build_report`.
    """
    frames, rejected = report["frames"], report["rejected"]
    width, height = report["size"]
    used = len(frames) - len(rejected)
    words = [f"{used} of {len(frames)} frames were fused into {width} x {height} pixels."]
    ways = {
        "rejected": "was left out",
        "unaligned": "could not be registered and was taken as it is",
        "simpler": "was registered with a simpler motion",
    }
    for frame in frames:
        said = "; ".join(frame["notes"])
        way = ways.get(frame["status"], "")
        if way or said:
            name = f"Frame {frame['number'] + 1} ({frame['name']})"
            words.append(
                f"{name} {way}{': ' if way and said else ''}{said}." if way else f"{name}: {said}."
            )
    order = report["focus_order"]
    if any(place != number for place, number in enumerate(order)):
        words.append("The frames were not in the order of their focus, which was followed instead.")
    if report["size"] != report["source_size"]:
        words.append("The picture was cropped to what all frames show.")
    if report["decision_scale"] > 1:
        words.append(f"The frames are soft: decided at 1/{report['decision_scale']} of their size.")
    words.append(f"It took {sum(report['seconds'].values()):.1f} s.")
    return words
