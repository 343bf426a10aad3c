"""Commands `drpl bench quality` and `drpl bench report`; need the extra ``bench``."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from drpl.bench.settings import QualitySettings
from drpl.cli.flags import Quiet, with_fields
from drpl.cli.terminal import load_extra, progress_bar, say
from drpl.errors import ConfigError

Docs = Annotated[
    Path | None,
    typer.Option(
        help="Write the Markdown report here too, with figures and crops of drawn scenes."
    ),
]


@with_fields(QualitySettings, "settings", skip=("fused",))
def quality(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for scores and reports.")],
    fused: Annotated[
        list[str] | None,
        typer.Option(
            help="Images of real scenes fused by another method: NAME=FOLDER with SCENE.* "
            "(repeatable)."
        ),
    ] = None,
    peers: Annotated[
        Path | None,
        typer.Option(
            help="Folder with a subfolder of fused images per method, in place of several --fused."
        ),
    ] = None,
    docs: Docs = None,
    jobs: Annotated[
        int, typer.Option(min=0, help="Scenes at a time, one core each; 0 takes all cores.")
    ] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start over in a folder that holds another run.")
    ] = False,
    quiet: Quiet = False,
    *,
    settings: partial[QualitySettings],
) -> None:
    """Score models, classical methods and peers' results; an interrupted run is continued.

    Scenes are rendered from photos (--photos) or drawn (--drawn), both with known truth, or real
    (--sources), or all of these.
    """
    bench = load_extra("drpl.bench.quality", "bench")
    load_extra("drpl.bench.report", "bench")
    chosen = settings(fused=_folders(fused or [], peers))
    command = f"drpl {shlex.join(sys.argv[1:])}"
    with progress_bar(quiet=quiet) as progress:
        bench.score_quality(
            chosen, output, jobs=jobs, overwrite=overwrite, command=command, progress=progress
        )
    report(output, docs=docs, quiet=quiet)


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of `drpl bench quality`.")],
    docs: Docs = None,
    quiet: Quiet = False,
) -> None:
    """Write the reports of a run again, from its scores."""
    bench = load_extra("drpl.bench.report", "bench")
    written = bench.write_reports(folder, docs=docs)
    if quiet:
        return
    for data_set, words in bench.sentences(folder).items():
        say(f"{data_set}: {words}")
    names = ", ".join(str(path) for path in written)
    say(f"reports: {names}")


def _folders(fused: list[str], peers: Path | None) -> dict[str, str]:
    """Folders of fused images by method."""
    folders: dict[str, str] = {}
    for entry in fused:
        name, mark, folder = entry.partition("=")
        if not (name and mark and folder):
            raise ConfigError(f"fused is {entry!r}; expected NAME=FOLDER")
        folders[name] = Path(folder).as_posix()
    if peers is not None:
        if not peers.is_dir():
            raise ConfigError(f"{peers}: is not a folder; expected one with a subfolder per method")
        found = sorted(path for path in peers.iterdir() if path.is_dir())
        folders |= {path.name: path.as_posix() for path in found}
    return folders
