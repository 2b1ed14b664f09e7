"""The page's JavaScript: its own tests, run by node's test runner, and what must hold of each module."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask, render_template

HERE = Path(__file__).parent
STATIC = Path(__file__).parents[4] / "web" / "static"
TESTS = sorted(HERE.glob("*.test.js"))
MODULES = sorted(STATIC.glob("*.js"))
# The module that each page starts with.
ENTRIES = {"page.html": "page.js", "monitor.html": "monitor.js"}
# Modules that run apart from a page, each with the module that starts it.
WORKERS = {"thumbnailer.js": "thumbnails.js"}


@pytest.fixture(scope="session")
def node() -> str:
    """The node that `make install` brings."""
    found = shutil.which("node", path=str(Path(sys.executable).parent))
    assert found, "node is missing: make install"
    return found


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_what_the_javascript_s_own_tests_say_holds(node: str, path: Path) -> None:
    command = [node, "--test", "--test-reporter=tap", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^# pass [1-9]", run.stdout, re.MULTILINE), run.stdout


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_each_javascript_module_says_in_its_first_line_what_it_is_for(path: Path) -> None:
    assert path.read_text().startswith("// ")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_javascript_module_asks_past_the_path_that_a_proxy_shows_the_site_under(path: Path) -> None:
    addresses = r'(?<!here\()["`]/(?:api|batches|monitor|static)\b'

    assert not re.findall(addresses, path.read_text())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_browser_finds_all_that_a_javascript_module_imports(path: Path) -> None:
    names = imported(path)

    assert all(name.startswith("./") and (STATIC / name).is_file() for name in names), names


def test_every_javascript_module_is_used_by_a_page() -> None:
    assert {path.name for path in MODULES} == set(WORKERS).union(*map(needed, ENTRIES.values()))
    for worker, starter in WORKERS.items():
        assert f'new Worker(here("/static/{worker}")' in (STATIC / starter).read_text()


@pytest.mark.parametrize("template", ENTRIES)
def test_a_page_names_all_its_modules_so_that_a_browser_asks_for_them_at_once(template: str) -> None:
    with Flask("web").test_request_context():
        page = render_template(template, max_file_bytes=1, direct=False)
    named = re.findall(r'<link rel="modulepreload" href="/static/([^"]+)">', page)

    assert f'<script type="module" src="/static/{ENTRIES[template]}">' in page
    assert sorted(named) == sorted(needed(ENTRIES[template]) - {ENTRIES[template]})


def needed(entry: str) -> set[str]:
    """Return the modules that a browser gets for ``entry``, itself included."""
    found, waiting = {entry}, [entry]
    while waiting:
        new = {name.removeprefix("./") for name in imported(STATIC / waiting.pop())} - found
        found |= new
        waiting += new
    return found


def imported(path: Path) -> list[str]:
    """Return what a module imports; for its types alone, it does so in a comment that no browser minds."""
    return re.findall(r'^(?:import|\} from) .*?"([^"]+)";$', path.read_text(), re.MULTILINE)
