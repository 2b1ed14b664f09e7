"""The images and docker/compose.yml, really built and really run: in this order, each on what the last has left."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.images.conftest import TARGETS
from tests.support import compose
from tests.support.containers import USER, Images, Pod, healthy
from tests.support.photographs import labelled
from tests.support.waiting import wait_for

PAGE = "http://127.0.0.1:8000"
ELASTIQ = [sys.executable, "-m", "app.cli"]
GET = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=20).read().decode())"
UPLOAD = """import sys, urllib3
fields = {"files": ("a.jpg", open(sys.argv[2], "rb").read())}
print(urllib3.request("POST", sys.argv[1], fields=fields).data.decode())"""
# Largest sizes over the same base, in 10^6 bytes.
LIMITS = {"worker": 450, "web": 350, "autoscaler": 350}


@pytest.mark.timeout(900)
def test_every_target_is_built_and_no_larger_than_it_should_be(images: Images, figures: dict[str, Any]) -> None:
    assert figures["over_base_mb"].keys() == set(TARGETS)
    for target, limit in LIMITS.items():
        assert figures["over_base_mb"][target] <= limit


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_has_no_torch_no_compiler_and_no_pip(images: Images, target: str) -> None:
    root = images.root(target)
    (packages,) = (root / "opt" / "elastiq" / "lib").glob("python3.*/site-packages")
    found = {path.name for path in packages.iterdir()}
    assert not found & {"torch", "torchvision", "timm", "pip", "setuptools"}
    assert not [path for path in ("usr/bin/gcc", "usr/bin/cc", "usr/bin/g++", "usr/bin/make") if (root / path).exists()]
    assert ("openvino" in found) == (target == "worker")
    for package in ("authlib", "redis"):  # for ELASTIQ_AUTH=oidc and ELASTIQ_LIMITS_STORAGE
        assert (package in found) == (target == "web")
    assert images.configuration(target)["User"] == f"{USER}:{USER}"


@pytest.mark.timeout(300)
def test_compose_ups_services_come_up_in_order(system: Pod) -> None:
    cloud = system.start("cloud")
    healthy(cloud)
    provision = system.start("provision")
    assert provision.ended() == 0, provision.log.read_text()
    workers = [system.start("worker") for _ in range(compose.services({})["worker"].scale)]
    healthy(system.start("web"), system.start("autoscaler"), *workers)


@pytest.mark.timeout(180)
def test_twenty_photographs_are_classified_through_the_pages_api(
    system: Pod, tmp_path: Path, figures: dict[str, Any]
) -> None:
    for photograph in labelled():
        shutil.copy(photograph, tmp_path)
    began = time.monotonic()

    lines = system.client(*ELASTIQ, "classify", "--json", "--url", PAGE, str(tmp_path)).splitlines()

    figures["twenty_photographs_s"] = round(time.monotonic() - began, 1)
    results = [json.loads(line) for line in lines]
    assert len({result["filename"] for result in results}) == 20
    assert all(result["label"] for result in results)


def test_the_autoscaler_sees_both_workers_and_leaves_them_alone(system: Pod) -> None:
    def fleet() -> dict[str, Any]:
        return dict(json.loads(get(system, f"{PAGE}/api/fleet")))

    wait_for(lambda: len(fleet()["instances"]) == 2, 30)
    decision = fleet()["decision"]
    assert decision["launch"] == 0
    assert decision["drain"] == []
    assert decision["reason"].endswith("watched only, nothing is started or stopped")


@pytest.mark.timeout(120)
def test_flower_shows_both_workers(system: Pod) -> None:
    flower = system.start("flower")
    healthy(flower)

    def workers() -> list[Any]:
        return list(json.loads(get(system, "http://127.0.0.1:5555/workers?json=1"))["data"])

    wait_for(lambda: len(workers()) == 2, 30)


def test_no_process_is_root_or_has_a_capability(system: Pod) -> None:
    for container in system.running():
        assert container.processes()
        for process in container.processes():
            assert process["Uid"].split() == [str(USER)] * 4
            assert int(process["CapEff"], 16) == int(process["CapBnd"], 16) == 0
            assert process["NoNewPrivs"] == "1"


def test_nothing_can_be_written_but_what_is_declared(system: Pod) -> None:
    for container in system.running():
        for place in ("/", "/opt/elastiq", "/var/tmp", "/etc"):
            refused = container.run("python", "-c", f"open({place!r} + '/x', 'w')")
            assert "Read-only file system" in refused.stderr, (container.id, place, refused.stderr)
        for place in (*container.service.tmpfs, *(path for _, path in container.service.volumes)):
            allowed = container.run("python", "-c", f"open({place!r} + '/x', 'w')")
            assert allowed.returncode == 0, allowed.stderr


@pytest.mark.timeout(120)
def test_a_workers_container_has_its_first_result_soon(system: Pod, tmp_path: Path, figures: dict[str, Any]) -> None:
    stopped = [worker.stop() for worker in system.running("worker")]
    assert [status for status, _ in stopped] == [0, 0]
    photograph = labelled()[0]
    batch = json.loads(system.client(sys.executable, "-c", UPLOAD, f"{PAGE}/api/batches", str(photograph)))["id"]
    began = time.monotonic()

    system.start("worker")

    wait_for(lambda: json.loads(get(system, f"{PAGE}/api/batches/{batch}"))["counts"]["done"], 60)
    figures["worker_start_to_first_result_s"] = round(time.monotonic() - began, 2)


@pytest.mark.timeout(180)
def test_every_container_stops_cleanly_on_sigterm_and_has_logged_nothing_but_records(
    system: Pod, figures: dict[str, Any]
) -> None:
    stopped = {}
    for container in reversed(system.running()):
        status, seconds = container.stop()
        assert status == 0, (container.id, status, container.log.read_text())
        stopped[container.service.name] = round(seconds, 1)
    figures["stop_s"] = stopped
    # `provision` is a command that ends; what it prints is for people.
    for container in (one for one in system.containers if one.service.name != "provision"):
        for line in container.log.read_text().splitlines():
            assert {"event", "level", "timestamp"} <= json.loads(line).keys(), (container.id, line)


def get(system: Pod, url: str) -> str:
    return system.client(sys.executable, "-c", GET, url)
