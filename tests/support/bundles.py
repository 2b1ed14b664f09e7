"""Bundles for this machine's own Python, made once, and hosts that stand in a folder."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.deploy.bundle import ROOT, Bundle, Tier
from app.deploy.bundle import build as build_bundle
from app.deploy.wheels import NoWheel, Target
from tests.conftest import models

BOOTSTRAP = ROOT / "docker" / "aws" / "host" / "bootstrap.py"
HERE = Target(f"{sys.version_info.major}.{sys.version_info.minor}", platform.machine())
MODEL = "efficientnet_lite0"
KEYS = {"AccessKeyId": "elastiq", "SecretAccessKey": "embedded-cloud", "Token": "a token"}
# What systemctl is to a host of these: it notes what it is told.
SYSTEMCTL = '#!/bin/sh\necho "$*" >>"$0.log"\ncase "$*" in *"$FAILING"*) test -z "$FAILING" || exit 1;; esac\n'


def build(tier: Tier, out: Path, target: Target = HERE) -> Bundle:
    """Make a bundle; wheels are kept beside the models, so that they are fetched once.

    Where they cannot be fetched the test is skipped, or fails where everything has to run.
    """
    try:
        return build_bundle(tier, target, out, wheels=models().parent / "wheels", model=models() / MODEL)
    except NoWheel as err:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"not had from a package registry: {str(err).splitlines()[-1]}")


def about_host(instance: str = "i-0123456789abcdef0") -> dict[str, str]:
    """Return what a host's metadata service says of it."""
    return {
        "placement/region": "eu-central-1",
        "instance-id": instance,
        "services/domain": "amazonaws.com",
        "iam/security-credentials/": "elastiq-worker",
        "iam/security-credentials/elastiq-worker": json.dumps(KEYS),
    }


def set_up(values: dict[str, Any], root: Path, metadata: str, endpoint: str, failing: str = "") -> tuple[int, str, str]:
    """Run a host's set-up as its user data does, with the host's files in the folder ``root``.

    Returns:
        Its exit status, what it said, and what systemctl was told.
    """
    commands = root / "commands"
    commands.mkdir(parents=True, exist_ok=True)
    (commands / "systemctl").write_text(SYSTEMCTL)
    (commands / "systemctl").chmod(0o755)
    script = root / "script.py"
    script.write_text(f"{BOOTSTRAP.read_text()}\nPAUSE_S, PAGE_S = 0.01, 0.2\nmain({values!r}, {str(root)!r})\n")
    environment = {
        "PATH": f"{commands}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata,
        "FAILING": failing,
    }
    done = subprocess.run(
        [sys.executable, "-I", str(script)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    told = commands / "systemctl.log"
    return done.returncode, done.stdout + done.stderr, told.read_text() if told.is_file() else ""
