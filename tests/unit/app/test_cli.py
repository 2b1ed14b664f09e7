"""The `elastiq` command: it loads a tier only to run it, and an error that was foreseen is one clear line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import cli
from app.local.directory import DataDirectory
from tests.support.command import ROOT, elastiq

HEAVY = ("web", "autoscaler", "tasks", "celery", "kombu", "boto3", "flask", "torch", "openvino", "PIL")


def test_it_loads_no_tier_until_one_is_to_run() -> None:
    script = "import sys; from app import cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "click" in loaded.stdout.split(), "the measure is blind"
    assert not set(HEAVY) & set(loaded.stdout.split())


def test_help_names_every_command_with_what_it_does() -> None:
    said = elastiq("--help")

    assert said.returncode == 0
    for name, command in cli.main.commands.items():
        summary = command.get_short_help_str(limit=20)
        assert f"  {name} " in said.stdout
        assert summary.removesuffix("...") in said.stdout


@pytest.mark.parametrize("command", ["web", "worker", "autoscaler", "status", "provision", "up", "env"])
def test_a_setting_that_makes_no_sense_is_one_clear_line_and_status_2(command: str) -> None:
    ended = elastiq(command, environment={**os.environ, "ELASTIQ_PORT": "many"})

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "elastiq: ELASTIQ_PORT='many' is not a whole number\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("classify",), "Missing argument 'PATHS...'"),
        (("classify", "/nowhere.png"), "'/nowhere.png' does not exist"),
        (("cloud", "--port", "70000"), "70000 is not in the range 1<=x<=65535"),
        (("fly",), "No such command 'fly'"),
    ],
)
def test_what_it_cannot_be_told_is_said_with_the_usage(arguments: tuple[str, ...], words: str) -> None:
    ended = elastiq(*arguments)

    assert ended.returncode == 2
    assert "Usage: " in ended.stderr
    assert words in ended.stderr


def test_classify_says_which_web_tier_it_looked_for(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"image")

    ended = elastiq(
        "classify", str(tmp_path), environment={**os.environ, "ELASTIQ_HOST": "127.0.0.1", "ELASTIQ_PORT": "9"}
    )

    assert ended.returncode == 2
    assert "no web tier answers at http://127.0.0.1:9;" in ended.stderr


def test_env_prints_what_a_shell_reads_back_whatever_is_in_it(tmp_path: Path) -> None:
    odd = 'it\'s $HOME; `rm` "all"'
    directory = DataDirectory(tmp_path)
    directory.registry.add("web", "service", os.getpid(), 0)
    directory.publish_environment({"ELASTIQ_ODD": odd})

    printed = elastiq("env", environment={**os.environ, "ELASTIQ_DATA_DIR": str(tmp_path)}).stdout

    script = f'{printed}printf %s "$ELASTIQ_ODD"'
    read = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert read.stdout == odd


def test_env_says_when_nothing_runs(tmp_path: Path) -> None:
    nothing = elastiq("env", environment={**os.environ, "ELASTIQ_DATA_DIR": str(tmp_path)})

    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert f"nothing runs on {tmp_path}" in nothing.stderr
