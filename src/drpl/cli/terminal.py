"""Output of the commands: lines, tables, progress bars and logs; optional modules."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from drpl.errors import BackendUnavailable

if TYPE_CHECKING:
    from drpl.align.plan import Plan
    from drpl.core.progress import Progress as ProgressCallback
    from drpl.files.batch import Outcome

OUTCOMES = {"done": "done", "skipped": "done before", "left out": "left out", "failed": "failed"}
"""Table headings by status of a stack."""
MOST_NAMES = 6
"""Number of misplaced frames that are named."""
console = Console()
errors = Console(stderr=True)


def say(words: str, *, style: str | None = None) -> None:
    """Print a line as it is: without wrapping long file names, and without markup."""
    console.print(words, style=style, highlight=False, soft_wrap=True, markup=False)


@contextmanager
def progress_bar(*, quiet: bool, title: str = "") -> Iterator[ProgressCallback | None]:
    """Show a progress bar on stderr and yield its callback; None if quiet or not on a terminal."""
    if quiet or not errors.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def update(stage: str, done: int, count: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(f"{escape(title)} {stage}".strip(), total=count)
            bar.update(tasks[stage], completed=done, total=count)

        yield update


def show_report(report: dict[str, Any]) -> None:
    """Print a fusion report in a few lines."""
    frames = report["frames"]
    width, height = report["size"]
    used = len(frames) - len(report["rejected"])
    scale = report["decision_scale"]
    parts = [f"{used} of {len(frames)} frames"]
    parts += [f"decided at 1/{scale}"] if scale > 1 else []
    parts += [f"{len(report['slabs'])} slabs next to it"] if report["slabs"] else []
    if report["edits"]:
        strokes = sum(report["edits"]["strokes"])
        parts.append(f"retouched by {strokes} stroke{'s' * (strokes != 1)}")
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in report["seconds"].items())
    parts.append(f"{sum(report['seconds'].values()):.1f} s ({seconds})")
    say(f"{report['output']}: {width}x{height}, {', '.join(parts)}")
    misplaced = [n for place, n in enumerate(report["focus_order"]) if place != n]
    if misplaced:
        names = ", ".join(frames[number]["name"] for number in misplaced[:MOST_NAMES])
        more = len(misplaced) - MOST_NAMES
        names += f" and {more} more" if more > 0 else ""
        say(f"out of focus order, which was used instead: {names}", style="yellow")
    for frame in frames:
        if frame["status"] in ("rejected", "unaligned", "simpler"):
            notes = "; ".join(frame["notes"])
            say(f"{frame['name']}: {frame['status']} ({notes})", style="yellow")


def show_alignments(plan: Plan) -> None:
    """Print a table of how each frame was aligned."""
    table = Table("frame", "status", "motion", "residual (px)", "score", "note")
    for number, alignment in enumerate(plan.alignments):
        figures = (f"{alignment.residual:.2f}", f"{alignment.score:.3f}")
        table.add_row(str(number), alignment.status, alignment.motion, *figures, alignment.note)
    console.print(table)


def show_outcome(outcome: Outcome, *, quiet: bool) -> None:
    """Print the outcome of a stack of a batch; if quiet, only of a failed one."""
    item, status = outcome.item, outcome.status
    if status == "failed":
        line = f"{item.name}: {outcome.message}"
        errors.print(line, highlight=False, soft_wrap=True, markup=False)
    elif not quiet:
        endings = {"skipped": "done before", "left out": f"left out ({outcome.message})"}
        frames = f"{item.frames} frame{'s' * (item.frames != 1)}"
        say(f"{item.name}: {frames}, {endings.get(status, f'{outcome.seconds:.1f} s')}")


def show_counts(counts: Counter[str]) -> None:
    """Print a table that counts the outcomes of a batch."""
    if not counts:
        console.print("no stack found", highlight=False)
        return
    table = Table(*(OUTCOMES[status] for status in counts), title="Stacks")
    table.add_row(*(str(count) for count in counts.values()))
    console.print()  # a Ctrl-C leaves ^C on the line
    console.print(table, highlight=False)


def log_to_terminal() -> None:
    """Show the library's log on stderr."""
    logger = logging.getLogger("drpl")
    logger.setLevel(logging.INFO)
    if not logger.handlers:
        logger.addHandler(RichHandler(console=errors, show_path=False, show_level=False))


def load_extra(name: str, extra: str) -> Any:
    """Import a module that needs an extra; raise BackendUnavailable without it."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BackendUnavailable(
            f"{error.name} is not installed; run: pip install 'drpl[{extra}]'"
        ) from error
