"""Reports of a quality run: Markdown, one HTML page, and figures."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from drpl.bench.plots import INK, box_plot
from drpl.bench.quality import QualitySettings, one_thread
from drpl.bench.store import ScoreStore
from drpl.bench.summary import SetScores, tabulate
from drpl.bench.tables import TABLES, Table, box_values, sentence
from drpl.bench.worst import Case, show_cases
from drpl.errors import DrplError, ReadError
from drpl.io.write import make_folder, write_image, write_text

MARKDOWN, PAGE, FIGURES = "report.md", "report.html", "figures"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Section:
    """What a report says of one data set.

    Attributes
    ----------
    title, first, lead, coding : str
        ``first`` is the method of interest, ``lead`` sums it up, ``coding`` says how results were
        coded alike, if they were.
    scenes : int
    tables : list of Table
    figure, caption : str
        An ``svg`` element.
    file : str
        Name of the figure as a file.
    cases : list of Case
    trouble : str
        Why there are no cases, where that went wrong.
    """

    title: str
    first: str
    lead: str
    coding: str
    scenes: int
    tables: list[Table]
    figure: str
    caption: str
    file: str
    cases: list[Case] = field(default_factory=list)
    trouble: str = ""

    @property
    def sheets(self) -> list[tuple[str, Case]]:
        """Cases whose pictures are ours, by names of files."""
        stem = Path(self.file).stem
        return [(f"{stem}_{n}.png", case) for n, case in enumerate(self.cases) if case.ours]


def write_reports(folder: Path, *, docs: Path | None = None) -> list[Path]:
    """Write the reports of a run into its folder, from its scores.

    Parameters
    ----------
    folder : Path
        Of `drpl.bench.quality.score_quality`. Reports that lie there are replaced.
    docs : Path, optional
        Where to write the Markdown report once more; its figures go to ``figures`` beside it.

    Returns
    -------
    list of Path
        The reports.

    Raises
    ------
    ReadError
        If the folder holds no scores.
    WriteError
        If a file cannot be written.
    """
    store = ScoreStore(folder)
    about, scores = store.about(), tabulate(store.rows())
    if not scores:
        raise ReadError(f"{folder}: holds no scores yet; run `drpl bench quality` to its end")
    settings = _settings(folder, about)
    cases = _cases(settings, scores)
    sections = [_section(found, about, *cases[found.name]) for found in scores]
    pages = [folder / MARKDOWN, *([] if docs is None else [docs])]
    says = {
        "sections": sections,
        "about": about,
        "settings": settings,
        "unfinished": _unfinished(about, scores),
    }
    html, markdown = (_render(template, says) for template in ("report.html.j2", "report.md.j2"))
    write_text(folder / PAGE, html, overwrite=True)
    for page in pages:
        _write_figures(page.parent / FIGURES, sections)
        write_text(page, markdown, overwrite=True)
    return [folder / PAGE, *pages]


def sentences(folder: Path) -> dict[str, str]:
    """How the first method does, in a sentence for each data set."""
    return {found.name: sentence(found) for found in tabulate(ScoreStore(folder).rows())}


def _unfinished(about: dict[str, Any], scores: Sequence[SetScores]) -> str:
    """What to say of a run that was stopped, or nothing."""
    done = sum(len(found.scenes) for found in scores)
    wanted = about.get("scenes", done)
    if done == wanted:
        return ""
    return f"This run is unfinished: {done} of {wanted} scenes are scored; run it again to go on."


def _section(scores: SetScores, about: dict[str, Any], cases: list[Case], trouble: str) -> Section:
    """What there is to say of one data set."""
    slug = re.sub(r"\W+", "_", scores.name.casefold())
    names, values, label = box_values(scores)
    tables = [made for make in TABLES if (made := make(scores)) is not None]
    return Section(
        title=scores.name,
        first=scores.methods[0],
        lead=sentence(scores),
        coding=about["coding"].get(scores.name, ""),
        scenes=len(scores.scenes),
        tables=tables,
        figure=box_plot(names, values, label, salt=slug),
        caption=f"{scores.name}: {label}, scene by scene",
        file=f"quality_{slug}.svg",
        cases=cases,
        trouble=trouble,
    )


def _settings(folder: Path, about: dict[str, Any]) -> QualitySettings:
    """Settings of a run, if this version of drpl knows them."""
    try:
        return QualitySettings(**about["settings"])
    except (KeyError, TypeError) as error:
        raise ReadError(
            f"{folder}: was made by another version of drpl ({error}); run `drpl bench quality` "
            "again, with --overwrite"
        ) from error


def _cases(
    settings: QualitySettings, scores: Sequence[SetScores]
) -> dict[str, tuple[list[Case], str]]:
    """Worst scenes of each data set, made again; or why they cannot be."""
    try:
        entries, methods = settings.entries(), settings.methods()
        with one_thread():
            return {s.name: (list(show_cases(s, entries, methods)), "") for s in scores}
    except DrplError as error:  # scores can outlive the pictures that they are of
        log.warning("worst cases are not shown: %s", error)
        return {found.name: ([], str(error)) for found in scores}


def _write_figures(folder: Path, sections: Sequence[Section]) -> None:
    """Write the figures of a Markdown report."""
    make_folder(folder)
    for section in sections:
        write_text(folder / section.file, section.figure, overwrite=True)
        for name, case in section.sheets:
            write_image(folder / name, case.sheet(), overwrite=True)


def _render(template: str, says: dict[str, Any]) -> str:
    """Fill a template."""
    environment = Environment(
        loader=PackageLoader("drpl.bench"),
        autoescape=template.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**says, ink=INK, figures=FIGURES)
