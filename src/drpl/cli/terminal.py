"""What the commands of the terminal share: options from `FusionOptions`, progress, errors."""

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
    from drpl.core.progress import Progress as Told
    from drpl.files.batch import Outcome


OUTCOMES = {"done": "done", "skipped": "done before", "left out": "left out", "failed": "failed"}
console = Console()
errors = Console(stderr=True)


def say(words: str, *, style: str | None = None) -> None:
    """Print a line as it is: names of files are not broken, and what they hold is no markup."""
    console.print(words, style=style, highlight=False, soft_wrap=True, markup=False)


@contextmanager
def progress_bar(*, quiet: bool, title: str = "") -> Iterator[Told | None]:
    """A bar on stderr that a pipeline tells its stage and frame; nothing where no one looks."""
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

        def told(stage: str, done: int, count: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(f"{escape(title)} {stage}".strip(), total=count)
            bar.update(tasks[stage], completed=done, total=count)

        yield told


SHOWN = 6
"""Frames out of place that are named."""


def show_report(report: dict[str, Any]) -> None:
    """Say in a few lines what was done."""
    frames = report["frames"]
    width, height = report["size"]
    used = len(frames) - len(report["rejected"])
    scale = report["decision_scale"]
    parts = [f"{used} of {len(frames)} frames"]
    parts += [f"decided at 1/{scale}"] if scale > 1 else []
    parts += [f"{len(report['slabs'])} slabs beside it"] if report["slabs"] else []
    parts += [f"retouched by {_counted(report['edits']['strokes'])}"] if report["edits"] else []
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in report["seconds"].items())
    parts.append(f"{sum(report['seconds'].values()):.1f} s ({seconds})")
    text = f"{report['output']}: {width}x{height}, {', '.join(parts)}"
    say(text)
    misplaced = [n for place, n in enumerate(report["focus_order"]) if place != n]
    if misplaced:
        names = ", ".join(frames[number]["name"] for number in misplaced[:SHOWN])
        names += f" and {len(misplaced) - SHOWN} more" if len(misplaced) > SHOWN else ""
        line = f"not in the order of focus, which was followed instead: {names}"
        say(line, style="yellow")
    for frame in frames:
        if frame["status"] in ("rejected", "unaligned", "simpler"):
            said = "; ".join(frame["notes"])
            line = f"{frame['name']}: {frame['status']} ({said})"
            say(line, style="yellow")


def _counted(strokes: list[int]) -> str:
    """How many strokes there are in all."""
    return f"{sum(strokes)} stroke{'s' * (sum(strokes) != 1)}"


def show_alignments(plan: Plan) -> None:
    """Say how each frame was registered."""
    table = Table("frame", "status", "motion", "residual (px)", "score", "note")
    for number, found in enumerate(plan.alignments):
        figures = (f"{found.residual:.2f}", f"{found.score:.3f}")
        table.add_row(str(number), found.status, found.motion, *figures, found.note)
    console.print(table)


def show_outcome(outcome: Outcome, *, quiet: bool) -> None:
    """Say what became of a stack of a batch; of failures also where only errors are wanted."""
    item, status = outcome.item, outcome.status
    if status == "failed":
        text = f"{item.name}: {outcome.message}"
        errors.print(text, highlight=False, soft_wrap=True, markup=False)
    elif not quiet:
        ways = {"skipped": "done before", "left out": f"left out ({outcome.message})"}
        frames = f"{len(item.sources)} frame{'s' * (len(item.sources) != 1)}"
        text = f"{item.name}: {frames}, {ways.get(status, f'{outcome.seconds:.1f} s')}"
        say(text)


def show_counts(counts: Counter[str]) -> None:
    """Say how many stacks of a batch ended in which way."""
    if not counts:
        console.print("no stack found", highlight=False)
        return
    table = Table(*(OUTCOMES[status] for status in counts), title="Stacks")
    table.add_row(*(str(count) for count in counts.values()))
    # after what the terminal shows of a Ctrl-C
    console.print()
    console.print(table, highlight=False)


def log_to_terminal() -> None:
    """Show what the library logs, on stderr."""
    logger = logging.getLogger("drpl")
    logger.setLevel(logging.INFO)
    if not logger.handlers:
        logger.addHandler(RichHandler(console=errors, show_path=False, show_level=False))


def load_extra(name: str, extra: str) -> Any:
    """Load a module that an extra is needed for.

    Raises
    ------
    BackendUnavailable
        If the extra is not installed.
    """
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BackendUnavailable(
            f"{error.name} is not installed; this needs: pip install 'drpl[{extra}]'"
        ) from error
