"""What must hold of the repository as a whole: its documents tell the truth, and nothing of one machine is in it."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from app import cli
from app.access.scopes import SCOPES
from app.settings import Settings
from web.access.table import OPEN, SCOPE_OF
from web.application import create_app

ROOT = Path(__file__).parents[2]
PACKAGES = ("app", "tasks", "autoscaler", "web")
# In pieces, so that this file does not contain what it forbids.
FORBIDDEN = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "download.py" + "torch.org",
    "/wo" + "rk/",
    "/ro" + "ot/",
    "/ho" + "me/",
    "/Us" + "ers/",
]


def tracked(*patterns: str) -> list[Path]:
    """Return the files of the repository: those that git knows, and the new ones that it does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in sorted(names) if name and (ROOT / name).is_file()]


def short(path: object) -> str:
    return str(path.relative_to(ROOT)) if isinstance(path, Path) else str(path)


SOURCES = tracked(*(f"{package}/*.py" for package in PACKAGES))
SUITES = ("unit", "contract", "integration")
DOCUMENTS = tracked("*.md")


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_the_one_of_this_repository(package: str) -> None:
    found = importlib.import_module(package).__file__

    assert found is not None
    assert Path(found).parent == ROOT / package


def test_no_file_names_a_package_registry_or_a_place_on_one_machine() -> None:
    found = [
        f"{short(path)}: {word}"
        for path in tracked()
        for text in [path.read_bytes()]
        for word in FORBIDDEN
        if word.encode() in text
    ]

    assert not found


# Modules that need no test of their own, each with its reason; there is no other.
UNTESTED: set[str] = set()


@pytest.mark.parametrize("path", [path for path in SOURCES if not path.stem.startswith("__")], ids=short)
def test_each_module_has_a_test_of_its_name_in_its_folder_s_mirror(path: Path) -> None:
    folder = path.relative_to(ROOT).parent
    tests = [ROOT / "tests" / suite / folder / f"test_{path.stem}.py" for suite in SUITES]

    if short(path) in UNTESTED:
        assert not any(map(Path.exists, tests)), "it is an exception no more"
    else:
        assert any(map(Path.exists, tests)), f"none of {', '.join(map(short, tests))}"


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_each_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", [path for path in SOURCES if path != ROOT / "app" / "cli.py"], ids=short)
def test_nothing_but_the_command_line_prints_unless_told_where(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    prints = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]

    assert all(any(word.arg == "file" for word in call.keywords) for call in prints)


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_no_error_is_swallowed(path: Path) -> None:
    handlers = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ExceptHandler)]

    assert all(handler.type is not None for handler in handlers), "a bare except"
    broad = [handler for handler in handlers if isinstance(handler.type, ast.Name) and "Exception" in handler.type.id]
    assert not [handler for handler in broad if all(isinstance(line, ast.Pass) for line in handler.body)]


def test_every_package_that_the_code_imports_is_declared() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    declared = [
        setup["options"]["install_requires"],
        *(extras[name] for name in ("worker", "model", "local", "bound", "otel", "oidc")),
    ]
    names = {plain(line) for text in declared for line in text.splitlines() if line.strip()}

    distributions = packages_distributions()

    missing = {
        f"{short(path)}: {module}"
        for path in SOURCES
        for module in imported(path)
        if not names & {plain(name) for name in distributions.get(module, [module])}
    }

    assert missing == set()


def imported(path: Path) -> set[str]:
    """Return the top-level packages that ``path`` imports at run time, but for ours and Python's own."""
    tree = ast.parse(path.read_text())
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    skipped = {id(node) for block in typing for node in ast.walk(block)}
    nodes = [node for node in ast.walk(tree) if id(node) not in skipped]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return {name.partition(".")[0] for name in names} - set(PACKAGES) - sys.stdlib_module_names


def plain(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement.strip())
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else ""


def test_make_lists_every_target_that_it_has() -> None:
    listed = re.findall(r"^make ([a-z-]+)", subprocess.check_output(["make", "-s"], cwd=ROOT, text=True), re.MULTILINE)

    assert sorted(listed) == sorted(targets())


def targets() -> list[str]:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    return phony[1].split()


def commands(path: Path) -> list[str]:
    """Return what a document tells the reader to type: its indented or fenced lines, and what it quotes."""
    text = path.read_text()
    fenced = [
        line.strip().removeprefix("$ ")
        for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    ]
    return fenced + re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=short)
def test_each_make_target_that_a_document_names_exists(path: Path) -> None:
    named = {found[1] for command in commands(path) if (found := re.match(r"make ([a-z-]+)", command))}

    assert named <= set(targets())


@pytest.mark.parametrize("path", DOCUMENTS, ids=short)
def test_each_elastiq_command_that_a_document_names_exists(path: Path) -> None:
    named = {found[1] for command in commands(path) if (found := re.search(r"(?:^|bin/|\()elastiq ([a-z-]+)", command))}

    assert named <= set(cli.main.commands)


@pytest.mark.parametrize("path", DOCUMENTS, ids=short)
def test_each_link_of_a_document_within_the_repository_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text())
    local = [link for link in links if "://" not in link]

    assert not [link for link in local if not (path.parent / link).exists()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=short)
def test_each_variable_that_a_document_names_is_a_setting(path: Path) -> None:
    known = set(re.findall(r"ELASTIQ_[A-Z_]+", (ROOT / "app" / "settings.py").read_text()))

    assert set(re.findall(r"ELASTIQ_[A-Z_]*[A-Z]", path.read_text())) <= known


def test_the_table_of_scopes_has_exactly_the_routes_that_there_are() -> None:
    assert create_app(Settings()).view_functions.keys() == SCOPE_OF.keys()
    assert set(SCOPE_OF.values()) == {OPEN, *SCOPES}
