"""Reports of a quality run: Markdown, a self-contained HTML page, and figures."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from drpl.bench.plots import INK, box_plot
from drpl.bench.quality import load_entries, one_thread, scene_specs
from drpl.bench.settings import QualitySettings
from drpl.bench.store import ScoreStore
from drpl.bench.summary import SetScores, tabulate
from drpl.bench.tables import TABLES, Table, box_values, sentence
from drpl.bench.worst import Case, show_cases
from drpl.errors import DrplError, ReadError
from drpl.io.write import make_folder, write_image, write_text

MARKDOWN, PAGE, FIGURES = "report.md", "report.html", "figures"
"""Names of the reports and of the folder of figures."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Section:
    """Report section of one data set.

    ``first`` is the entry of interest, ``lead`` a sentence that compares it with its best rival.
    ``coding`` describes the encoding that fused images were recoded to; it is empty if they were
    not. ``figure`` is a box plot as an ``svg`` element, ``file`` its file name. ``cases`` are the
    worst scenes of the first entry, ``failure`` the reason if they could not be made.
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
    failure: str = ""

    @property
    def sheets(self) -> list[tuple[str, Case]]:
        """File names and cases whose pictures may be published."""
        stem = Path(self.file).stem
        return [(f"{stem}_{n}.png", case) for n, case in enumerate(self.cases) if case.publishable]


def write_reports(folder: Path, *, docs: Path | None = None) -> list[Path]:
    """Write the reports of a run into its folder, from its scores; return their files.

    Earlier reports are replaced; figures are written beside them but not returned. ``docs`` is the
    file for a second copy of the Markdown report. Raise ReadError if the folder holds no scores,
    WriteError if a file cannot be written.
    """
    store = ScoreStore(folder)
    about, scores = store.about(), tabulate(store.rows())
    if not scores:
        raise ReadError(f"{folder}: holds no scores yet; run `drpl bench quality` first")
    settings = _settings(folder, about)
    cases = _cases(settings, scores)
    sections = [_section(found, about, *cases[found.name]) for found in scores]
    pages = [folder / MARKDOWN, *([] if docs is None else [docs])]
    context = {
        "sections": sections,
        "about": about,
        "settings": settings,
        "unfinished": _unfinished(about, scores),
    }
    html, markdown = (_render(name, context) for name in ("report.html.j2", "report.md.j2"))
    write_text(folder / PAGE, html, overwrite=True)
    for page in pages:
        _write_figures(page.parent / FIGURES, sections)
        write_text(page, markdown, overwrite=True)
    return [folder / PAGE, *pages]


def sentences(folder: Path) -> dict[str, str]:
    """Compare the first entry with its best rival, in a sentence for each data set."""
    return {found.name: sentence(found) for found in tabulate(ScoreStore(folder).rows())}


def _unfinished(about: dict[str, Any], scores: Sequence[SetScores]) -> str:
    """Return a notice if the run is unfinished, else an empty string."""
    done = sum(len(found.scenes) for found in scores)
    wanted = about.get("scenes", done)
    if done == wanted:
        return ""
    return (
        f"This run is unfinished: {done} of {wanted} scenes are scored; run it again to continue."
    )


def _section(scores: SetScores, about: dict[str, Any], cases: list[Case], failure: str) -> Section:
    """Make the section of one data set."""
    slug = re.sub(r"\W+", "_", scores.name.casefold())
    names, values, label = box_values(scores)
    tables = [made for make in TABLES if (made := make(scores)) is not None]
    return Section(
        title=scores.name,
        first=scores.entries[0],
        lead=sentence(scores),
        coding=about["coding"].get(scores.name, ""),
        scenes=len(scores.scenes),
        tables=tables,
        figure=box_plot(names, values, label, salt=slug),
        caption=f"{scores.name}: {label}, scene by scene",
        file=f"quality_{slug}.svg",
        cases=cases,
        failure=failure,
    )


def _settings(folder: Path, about: dict[str, Any]) -> QualitySettings:
    """Restore the settings of a run."""
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
    """Make the worst scenes of each data set again, or give the reason why that failed."""
    try:
        specs, entries = scene_specs(settings), load_entries(settings)
        with one_thread():
            return {s.name: (list(show_cases(s, specs, entries)), "") for s in scores}
    except DrplError as error:  # the pictures may have been removed since
        log.warning("worst cases are not shown: %s", error)
        return {found.name: ([], str(error)) for found in scores}


def _write_figures(folder: Path, sections: Sequence[Section]) -> None:
    """Write the figures that a Markdown report refers to."""
    make_folder(folder)
    for section in sections:
        write_text(folder / section.file, section.figure, overwrite=True)
        for name, case in section.sheets:
            write_image(folder / name, case.sheet(), overwrite=True)


def _render(template: str, context: dict[str, Any]) -> str:
    """Fill a template."""
    environment = Environment(
        loader=PackageLoader("drpl.bench"),
        autoescape=template.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**context, ink=INK, figures=FIGURES)
