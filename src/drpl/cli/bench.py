"""The commands of the terminal that score: `drpl evaluate`, `drpl bench quality` and `report`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from drpl.cli.flags import complete_method
from drpl.cli.terminal import load_extra, progress_bar, say
from drpl.core.options import COMPOSE_MODES
from drpl.errors import ConfigError

Docs = Annotated[
    Path | None,
    typer.Option(
        help="Write the Markdown report here too, with figures and crops of drawn scenes."
    ),
]


def quality(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for scores and reports.")],
    photos: Annotated[
        Path | None,
        typer.Option(help="Folder of photos: scenes are rendered from those training kept out."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Rendered scenes: pairs, stacks, moved (repeatable); all by default."),
    ] = None,
    scenes: Annotated[int, typer.Option(min=1, help="Rendered scenes of each kind.")] = 60,
    size: Annotated[int, typer.Option(min=64, help="Side of a rendered scene in pixels.")] = 384,
    degraded: Annotated[
        bool,
        typer.Option(
            "--degraded/--clean", help="Rendered frames with shift, exposure, noise and JPEG."
        ),
    ] = False,
    drawn: Annotated[
        int, typer.Option(min=0, help="Scenes like that of `drpl demo`: they need no photos.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Same seed, same rendered and drawn scenes.")] = 20_000,
    sources: Annotated[
        Path | None, typer.Option(help="Folder of real scenes, each a folder of frames.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Folder with the truths of real scenes: NAME.*")
    ] = None,
    align: Annotated[
        bool, typer.Option("--align/--no-align", help="Align the frames of real scenes first.")
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="Model to score (repeatable), the first is compared with all; all by default.",
            autocompletion=complete_method,
        ),
    ] = None,
    compose: Annotated[
        list[str] | None,
        typer.Option(help=f"Way to compose (repeatable): {', '.join(COMPOSE_MODES)}."),
    ] = None,
    exposure: Annotated[
        bool,
        typer.Option(
            "--exposure/--no-exposure",
            help="Let our models match exposure first, as drpl fuse does; baselines get the same "
            "frames unmatched.",
        ),
    ] = False,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="Score the classical methods too.")
    ] = True,
    fused: Annotated[
        list[str] | None,
        typer.Option(
            help="Fused images of anybody for real scenes: NAME=FOLDER of SCENE.* (repeatable)."
        ),
    ] = None,
    peers: Annotated[
        Path | None, typer.Option(help="Folder whose folders are those of --fused, by name.")
    ] = None,
    docs: Docs = None,
    jobs: Annotated[
        int, typer.Option(min=0, help="Scenes at a time, one core each; 0 takes all cores.")
    ] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Begin anew in a folder that holds another run.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Score models, baselines and others' results over scenes; stopped, it goes on where it was.

    Scenes are rendered from photos (--photos) or drawn (--drawn), both with known truth, or real
    (--sources), or all of that.
    """
    bench = load_extra("drpl.bench.quality", "bench")
    load_extra("drpl.bench.report", "bench")
    settings = bench.QualitySettings(
        photos=_text(photos),
        kinds=tuple(kind or bench.KINDS),
        scenes=scenes,
        size=size,
        degraded=degraded,
        drawn=drawn,
        seed=seed,
        sources=_text(sources),
        truth=_text(truth),
        align=align,
        models=tuple(model or ()),
        compose=tuple(compose or ()),
        exposure=exposure,
        baselines=baselines,
        fused=_folders(fused or [], peers),
    )
    command = f"drpl {shlex.join(sys.argv[1:])}"
    with progress_bar(quiet=quiet) as progress:
        bench.score_quality(
            settings, output, jobs=jobs, overwrite=overwrite, command=command, progress=progress
        )
    report(output, docs=docs, quiet=quiet)


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of `drpl bench quality`.")],
    docs: Docs = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
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


def _text(path: Path | None) -> str:
    """A folder as settings hold it."""
    return "" if path is None else path.as_posix()


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
            raise ConfigError(f"peers is {peers}, no folder; expected one with a folder a method")
        found = sorted(path for path in peers.iterdir() if path.is_dir())
        folders |= {path.name: path.as_posix() for path in found}
    return folders
