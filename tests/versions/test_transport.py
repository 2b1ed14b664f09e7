"""The transport on the oldest and newest Celery and kombu that setup.cfg allows, where these are not installed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from packaging.version import Version

from tests.support import versions
from tests.support.versions import ROOT, PipFailed, Versions

SUITES = ("tests/unit/app/sqs", "tests/unit/tasks/worker", "tests/integration/app/sqs")
AT_ONCE = 2
SAY = "import sys, importlib.metadata as m; print(*[m.version(name) for name in sys.argv[1:]])"
IMPORTED = "import amqp, celery, kombu; print(amqp.__version__, celery.__version__, kombu.__version__)"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@contextmanager
def registry() -> Iterator[None]:
    """Skip a test for which pip has no registry at hand, but not where every test must run."""
    try:
        yield
    except PipFailed as err:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"not had from a package registry: {str(err).splitlines()[-1]}")


@pytest.fixture(scope="module")
def folder(pytestconfig: pytest.Config) -> Path:
    """Where environments stay from one run to the next."""
    return Path(pytestconfig.cache.mkdir("versions"))


@pytest.fixture(scope="module", params=[versions.oldest, versions.newest], ids=["oldest", "newest"])
def wanted(request: pytest.FixtureRequest) -> Versions:
    choose: Callable[[], Versions] = request.param
    with registry():
        found = choose()
    if found == versions.installed():
        pytest.skip("they are installed: every other suite runs on them")
    if choose is versions.newest and found == versions.oldest():
        pytest.skip("they are the oldest too")
    return found


@pytest.fixture(scope="module")
def python(wanted: Versions, folder: Path) -> Path:
    with registry():
        return versions.environment(wanted, folder)


def versions_in(python: Path, script: str) -> list[Version]:
    said = subprocess.run([python, "-c", script, *versions.BOUND], capture_output=True, text=True, check=True).stdout
    return [Version(one) for one in said.split()]


def test_an_environment_has_another_celery_and_all_else_as_here(folder: Path) -> None:
    wanted = {**versions.installed(), "celery": Version("5.6.3")}
    with registry():
        python = versions.environment(wanted, folder)
    assert versions_in(python, IMPORTED) == versions_in(python, SAY) == [wanted[name] for name in versions.BOUND]
    subprocess.run([python, "-c", "import boto3, flower, pytest, structlog"], check=True)
    publish = (
        "from celery import Celery; app = Celery(broker='sqs://'); app.conf.broker_transport = 'app.sqs:Transport'; "
        "app.send_task('work')"
    )
    told = subprocess.run([python, "-c", publish], cwd=ROOT, capture_output=True, text=True, check=False).stderr
    assert "app.sqs needs celery 5.7, and this is 5.6.3: it loses events" in told


def test_the_versions_in_use_are_those_that_were_asked_for(python: Path, wanted: Versions) -> None:
    assert versions_in(python, IMPORTED) == versions_in(python, SAY) == [wanted[name] for name in versions.BOUND]


def test_the_transport_keeps_its_promises(python: Path) -> None:
    files = [path for suite in SUITES for path in (ROOT / suite).rglob("test_*.py")]
    longest_first = sorted(files, key=lambda path: path.stat().st_size, reverse=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        failed = [said for said in pool.map(lambda path: failures(python, path), longest_first) if said]
    assert not failed, "\n\n".join(failed)


def failures(python: Path, path: Path) -> str:
    """Return what pytest says of a file's tests; nothing if all of them pass."""
    command = [python, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
