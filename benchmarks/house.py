"""Measure the structure of a checkout: packages, import chains, circles, long functions, lines.

python -m benchmarks.house
python -m benchmarks.house --root ../before     # another checkout, for comparison
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp

LONGEST = 60
"""Lines of a function without its docstring; longer ones are listed."""
ALONE = ("drpl.__main__", "drpl.errors", "drpl.version")
"""Modules beside the packages, left out of chains."""
FOLDERS = ("src", "benchmarks", "docs/tools")


def import_graph() -> dict[str, set[str]]:
    """Return the imports between top-level packages and modules."""
    graph = grimp.build_graph("drpl")
    children = sorted(graph.find_children("drpl"))
    tops = [child.removeprefix("drpl.") for child in children if child not in ALONE]
    found: dict[str, set[str]] = {top: set() for top in tops}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            pair = [name.split(".")[1] for name in (module, imported) if name.count(".")]
            if len(pair) == 2 and pair[0] != pair[1] and pair[0] in found and pair[1] in found:
                found[pair[0]].add(pair[1])
    return found


def longest_chain(graph: dict[str, set[str]]) -> list[str]:
    """Return the longest chain of imports, importer first; raise CycleError for a circle."""
    chains: dict[str, list[str]] = {}
    for name in TopologicalSorter(graph).static_order():
        below = max((chains[other] for other in graph[name]), key=len, default=[])
        chains[name] = [name, *below]
    return max(chains.values(), key=len)


def long_functions(root: Path) -> Iterator[tuple[int, str]]:
    """List functions of the package and the benchmarks that are too long, with their lines."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    end = node.end_lineno or node.lineno
                    doc = ast.get_docstring(node, clean=False)
                    lines = end - node.lineno + 1 - (0 if doc is None else doc.count("\n") + 1)
                    if lines > LONGEST:
                        yield lines, f"{path.relative_to(root).as_posix()}: {node.name}"


def count_lines(root: Path, suffix: str) -> int:
    """Count the lines of tracked source files outside tests."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", *(f"{folder}/*{suffix}" for folder in FOLDERS)],
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [root / name for name in listed.stdout.split()]
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def main() -> None:
    """Print the figures of a checkout."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--root", type=Path, default=Path())
    root = parser.parse_args().root.resolve()
    sys.path.insert(0, str(root / "src"))
    package = root / "src" / "drpl"
    folders = [path.parent.name for path in sorted(package.glob("*/__init__.py"))]
    modules = [path.stem for path in sorted(package.glob("*.py")) if path.stem != "__init__"]
    print(f"packages at the top level: {len(folders)}; modules beside them: {len(modules)}")
    graph = import_graph()
    print(f"imports between them: {sum(map(len, graph.values()))}")
    try:
        chain = longest_chain(graph)
        print(f"longest chain of imports: {len(chain)} ({' > '.join(chain)})")
    except CycleError as error:
        print(f"circle: {' > '.join(error.args[1])}")
    found = sorted(long_functions(root), reverse=True)
    print(f"functions over {LONGEST} lines: {len(found)}")
    for lines, name in found:
        print(f"  {lines} {name}")
    pyproject = len((root / "pyproject.toml").read_text(encoding="utf-8").splitlines())
    python, script = count_lines(root, ".py"), count_lines(root, ".js")
    print(f"lines: pyproject.toml {pyproject}, Python {python}, JavaScript {script}")


if __name__ == "__main__":
    main()
