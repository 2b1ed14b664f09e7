"""The shape of the code: rooms and arrows of each package, the length of functions, lines. Counts alone, no timing.

    python tests/benchmarks/shape.py [--json] [ROOT]

A house is a package or a folder in one; a room is a module or folder that stands directly in it; an arrow is an import
from one room of a house to another. ROOT is the checkout to look at; this one unless told.
"""

from __future__ import annotations

import argparse
import ast
import json
import statistics
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("app", "tasks", "autoscaler", "web")


def main() -> None:
    """Print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[2])
    given = parser.parse_args()
    found = {package: shape(given.root, package) for package in PACKAGES}
    if given.json:
        print(json.dumps(found, indent=2))
        return
    for package, counts in found.items():
        print(f"{package}: {counts['modules']} modules, {counts['lines']} lines, functions {counts['functions']}")
        for house, (rooms, arrows, circles) in counts["houses"].items():
            print(f"  {house}: {rooms} rooms, {arrows} arrows, {circles} of them in both directions")


def shape(root: Path, package: str) -> dict[str, object]:
    """Return the counts of one package under ``root``."""
    modules = {name(path, root): path for path in sorted((root / package).rglob("*.py"))}
    lengths = sorted(length for path in modules.values() for length in function_lengths(path))
    imports = [(source, target) for source, path in modules.items() for target in imported(path, modules)]
    folders = [package, *(f"{package}.{folder}" for folder in sorted(folders_of(root / package)))]
    return {
        "modules": sum(path.name != "__init__.py" for path in modules.values()),
        "lines": sum(len(path.read_text().splitlines()) for path in modules.values()),
        "functions": {
            "count": len(lengths),
            "median": statistics.median(lengths),
            "p90": lengths[int(0.9 * len(lengths))],
            "longest": lengths[-1],
        },
        "houses": {folder: rooms_and_arrows(folder, modules, imports) for folder in folders},
    }


def folders_of(package: Path) -> list[str]:
    """Return the folders with code in a package, by their dotted names within it."""
    found = [path.parent.relative_to(package) for path in package.rglob("__init__.py") if path.parent != package]
    return [".".join(folder.parts) for folder in found]


def name(path: Path, root: Path) -> str:
    """Return a module's dotted name; a package's is its own."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def rooms_and_arrows(house: str, modules: dict[str, Path], imports: list[tuple[str, str]]) -> tuple[int, int, int]:
    """Return how many rooms a house has, how many arrows are between them, and how many of these go both ways."""
    rooms = {room(house, module) for module in modules} - {None}
    arrows = {(room(house, source), room(house, target)) for source, target in imports}
    arrows = {(source, target) for source, target in arrows if source and target and source != target}
    return len(rooms), len(arrows), sum((target, source) in arrows for source, target in arrows)


def room(house: str, module: str) -> str | None:
    """Return the room of ``house`` that a module is in; None when it is in none."""
    return module.removeprefix(f"{house}.").split(".")[0] if module.startswith(f"{house}.") else None


def imported(path: Path, modules: dict[str, Path]) -> Iterator[str]:
    """Yield the modules, of those given, that one imports, inside of functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in modules:
                    yield inner
                elif node.module in modules:
                    yield node.module


def function_lengths(path: Path) -> Iterator[int]:
    """Yield how many lines each function has, without its docstring."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0
            yield (node.end_lineno or node.lineno) - node.lineno + 1 - docstring


if __name__ == "__main__":
    main()
