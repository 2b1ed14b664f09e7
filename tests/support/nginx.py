"""nginx before web processes of a test, by the configuration that ships."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3

from app.local.cloud import free_port
from tests.support.waiting import wait_for
from tests.support.web import ROOT

CONFIG = ROOT / "docker" / "nginx.conf"


@contextmanager
def nginx(folder: Path, urls: Sequence[str]) -> Iterator[str]:
    """Run nginx before the web processes at ``urls``, two of them; yield its own address."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        assert not os.environ.get("CI"), "nginx is missing: Debian's nginx-light"
        pytest.skip("needs nginx")
    port, text = free_port(), CONFIG.read_text()
    for there, here in zip(("127.0.0.1:8001", "127.0.0.1:8002"), urls, strict=True):
        text = text.replace(there, urlsplit(here).netloc)
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("worker_processes auto;", "worker_processes 1;")
    config = folder / "nginx.conf"
    config.write_text(text)
    more = f"daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;"
    process = subprocess.Popen(
        [program, "-p", str(folder), "-c", str(config), "-g", more], stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: _answers(address), 30)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def _answers(address: str) -> bool:
    try:
        return urllib3.request("GET", f"{address}/healthz", retries=False, timeout=5).status == 200
    except urllib3.exceptions.HTTPError:
        return False
