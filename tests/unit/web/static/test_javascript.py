"""The page's JavaScript: its own tests, run by node's test runner, and what must hold of each module."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
STATIC = Path(__file__).parents[4] / "web" / "static"
TESTS = sorted(HERE.glob("*.test.js"))
MODULES = sorted(STATIC.glob("*.js"))


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
    # What is imported for its types alone is in a comment, and no browser asks for it.
    imported = re.findall(r'^(?:import|\} from) .*?"([^"]+)";$', path.read_text(), re.MULTILINE)

    assert all(name.startswith("./") and (STATIC / name).is_file() for name in imported), imported


def test_every_javascript_module_is_used_by_a_page() -> None:
    templates = "".join(path.read_text() for path in (STATIC.parent / "templates").glob("*.html"))
    used = set(re.findall(r"filename='(\w+\.js)'", templates))
    waiting = list(used)
    while waiting:
        text = (STATIC / waiting.pop()).read_text()
        new = set(re.findall(r'^(?:import|\} from) .*?"\./([^"]+)";$', text, re.MULTILINE)) - used
        used |= new
        waiting += new

    assert {path.name for path in MODULES} == used
