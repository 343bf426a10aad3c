"""Short tables of a quality run for documents: ``python -m benchmarks.short DIR --docs FILE``.

Sections: ``quality SET`` for each data set with a truth, ``quality ranks`` for all others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.docs import Docs, write_sections
from drpl.bench.store import ScoreStore
from drpl.bench.summary import SetScores, mean, tabulate
from drpl.bench.tables import best_first, markdown_table, ways_to_ceiling

MEANS = {"psnr_band": ("in the band", 2), "psnr_outside": ("outside", 2), "ssim": ("SSIM", 4)}
"""Heading and decimals of metrics shown beside PSNR, where they apply."""


def truth_table(scores: SetScores) -> str:
    """Format means over the scenes of a data set with truth: entries, best first, references."""
    names = [*scores.entries, *scores.references]
    psnr = scores.of("psnr")
    columns = {
        "method": names,
        "PSNR": [f"{value:.2f}" for value in mean(psnr)],
        "10th percentile": [f"{value:.2f}" for value in np.percentile(psnr, 10, axis=0)],
    }
    for metric, (head, digits) in MEANS.items():
        if metric in scores.metrics:
            columns[head] = [f"{value:.{digits}f}" for value in mean(scores.of(metric))]
    columns["way to the ceiling"] = ways_to_ceiling(scores)
    rows = list(zip(*columns.values(), strict=True))
    order = [*best_first(scores), *range(len(scores.entries), len(names))]
    return markdown_table(list(columns), [rows[n] for n in order])


def rank_table(sets: list[SetScores]) -> str:
    """Format average ranks by data set, best mean over the data sets first."""
    ranks = [dict(zip(s.entries, s.mean_ranks().mean(axis=0), strict=True)) for s in sets]
    names = [name for name in ranks[0] if all(name in of_set for of_set in ranks)]
    names.sort(key=lambda name: float(np.mean([of_set[name] for of_set in ranks])))
    rows = [[name, *(f"{of_set[name]:.2f}" for of_set in ranks)] for name in names]
    return markdown_table(["method", *(f"{s.name} ({len(s.scenes)})" for s in sets)], rows)


def sections(sets: list[SetScores]) -> dict[str, str]:
    """Return the tables of a run by section."""
    found = {f"quality {s.name}": truth_table(s) for s in sets if s.has_truth}
    ranked = [s for s in sets if not s.has_truth]
    return found | ({"quality ranks": rank_table(ranked)} if ranked else {})


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of `drpl bench quality`.")],
    docs: Docs = None,
) -> None:
    """Print means and ranks of a quality run, without intervals."""
    tables = sections(tabulate(ScoreStore(folder).rows()))
    for name, table in tables.items():
        typer.echo(f"{name}:\n\n{table}\n")
    write_sections(docs, tables)


if __name__ == "__main__":
    typer.run(main)
