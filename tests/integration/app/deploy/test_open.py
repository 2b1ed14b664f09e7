"""`elastiq open`: an address where the page is public, else a port of this machine's."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from app.deploy.open import Way, find_way, go
from app.errors import ConfigurationError
from app.settings import AwsSettings, Settings
from tests.support.account import Account

WAY = Way("http://127.0.0.1:8123", "i-0123456789abcdef0", 8123)


def test_without_a_system_it_says_how_to_make_one(account: Account) -> None:
    assert "run `elastiq deploy`" in account.run("open", status=2)


def test_the_command_that_it_prints_is_one_that_a_shell_takes() -> None:
    words = shlex.split(WAY.command("eu-central-1"))

    assert words[:3] == ["aws", "ssm", "start-session"]
    assert words[words.index("--target") + 1] == "i-0123456789abcdef0"
    forwarding = json.loads(words[words.index("--parameters") + 1])
    assert forwarding == {"portNumber": ["8000"], "localPortNumber": ["8123"]}


def test_without_the_plugin_it_names_it_and_another_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ConfigurationError, match=r"session-manager-plugin is missing.*aws ssm start-session"):
        go(Settings(aws=AwsSettings("eu-central-1")), WAY)


def test_a_system_whose_host_is_not_there_yet_says_so(account: Account) -> None:
    account.deploy("--yes")

    with pytest.raises(ConfigurationError, match="no host of 'elastiq' is in service yet"):
        find_way(account.settings, "elastiq", 8000)
    assert os.environ
