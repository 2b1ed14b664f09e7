"""`elastiq open`: an address where the page is public, else a port of this machine's."""

from __future__ import annotations

import json
import shlex
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

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


class _Sessions(BaseHTTPRequestHandler):
    """Answers StartSession as Systems Manager does, and notes what was asked."""

    asked: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        assert self.headers["X-Amz-Target"] == "AmazonSSM.StartSession"
        self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        body = json.dumps({"SessionId": "s-1", "StreamUrl": "wss://here", "TokenValue": "secret"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_the_plugin_takes_over_with_a_session_to_the_page_s_port(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugin = tmp_path / "session-manager-plugin"
    plugin.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sessions)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    ran: list[list[str]] = []
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        go(Settings(aws=AwsSettings("eu-central-1", endpoint)), WAY, lambda _, words: ran.append(words))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

    ((program, session, region, action, _, asked, where),) = ran
    assert (program, region, action, where) == (str(plugin), "eu-central-1", "StartSession", endpoint)
    assert json.loads(session) == {"SessionId": "s-1", "StreamUrl": "wss://here", "TokenValue": "secret"}
    assert _Sessions.asked == [json.loads(asked)]
    assert json.loads(asked)["Target"] == WAY.instance
    assert json.loads(asked)["Parameters"] == {"portNumber": ["8000"], "localPortNumber": ["8123"]}


def test_a_system_whose_host_is_not_there_yet_says_so(account: Account) -> None:
    account.make()

    with pytest.raises(ConfigurationError, match="no host of 'elastiq' is in service yet"):
        find_way(account.settings, "elastiq", 8000)
