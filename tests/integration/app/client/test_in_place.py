"""`elastiq classify s3://...`, through a real web tier."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from app import aws
from app.client.in_place import classify_in_place, source_of
from app.client.remote import Remote
from app.errors import ConfigurationError
from app.sources.source import key_of
from tests.support.waiting import wait_for
from tests.support.web import ROOT, Site


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("s3://photos/2024/", {"bucket": "photos", "prefix": "2024/"}),
        ("s3://photos/", {"bucket": "photos", "prefix": ""}),
        ("s3://photos/2024/*.jpg", {"bucket": "photos", "glob": "2024/*.jpg"}),
        ("s3://photos/may.jsonl", {"manifest": "s3://photos/may.jsonl"}),
    ],
)
def test_an_address_says_what_is_classified(address: str, source: dict[str, str]) -> None:
    assert source_of(address) == source


@pytest.mark.parametrize("address", ["s3://photos", "s3:///a", "http://photos/a"])
def test_what_is_no_address_is_an_error_that_says_so(address: str) -> None:
    with pytest.raises(ConfigurationError, match="not an address such as s3://bucket/prefix"):
        source_of(address)


def test_the_command_has_it_classified_and_prints_where_the_results_are(site: Site) -> None:
    bucket = site.config.buckets.input
    for name in ("a", "b"):
        aws.client("s3", site.config.aws).put_object(Bucket=bucket, Key=f"photos/{name}.jpg", Body=b"x")
    command = [sys.executable, "-m", "app.cli", "classify", "--json", "--url", site.url, f"s3://{bucket}/photos/"]
    others = len(site.logged("batch_has_source"))
    with subprocess.Popen(
        command, env=site.environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        try:
            (made,) = wait_for(lambda: site.logged("batch_has_source")[others:], 30)
            for name in ("a", "b"):
                site.classify(key_of(made["batch"], f"photos/{name}.jpg"))
            out, said = running.communicate(timeout=120)
        finally:
            running.kill()
    assert running.returncode == 0, said
    told = json.loads(out)
    assert (told["done"], told["failed"], told["parts"], told["state"]) == (2, 0, 1, "complete")
    batch = site.batch(made["batch"])
    assert batch["counts"] == {"total": 2, "waiting": 0, "done": 2, "failed": 0, "cancelled": 0}
    assert batch["progress"]["results"] == told["results"]
    part = told["results"].partition(f"{site.config.buckets.output}/")[2] + "part-00000.jsonl"
    body = aws.client("s3", site.config.aws).get_object(Bucket=site.config.buckets.output, Key=part)["Body"].read()
    assert [json.loads(line)["key"] for line in body.splitlines()] == ["photos/a.jpg", "photos/b.jpg"]
    events = site.get(f"/api/batches/{made['batch']}/events").data.decode()
    assert events.endswith('event: done\ndata: {"total": 2, "waiting": 0, "done": 2, "failed": 0, "cancelled": 0}\n\n')


def test_a_command_that_was_interrupted_follows_its_batch_again(site: Site) -> None:
    bucket = site.config.buckets.input
    aws.client("s3", site.config.aws).put_object(Bucket=bucket, Key="again/a.jpg", Body=b"x")
    address = f"s3://{bucket}/again/"
    id = str(site.post("/api/batches", json={"source": source_of(address)}).json()["id"])
    said: list[str] = []

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    remote = Remote(site.url, 5, said.append)
    assert classify_in_place(address, remote, as_json=True, resume=id, pause=interrupt) == 130
    assert classify_in_place(f"s3://{bucket}/other/", remote, as_json=True, resume=id) == 2
    site.classify(key_of(id, "again/a.jpg"))
    assert classify_in_place(address, remote, as_json=True, resume=id) == 0
    listed = site.get("/api/batches?limit=1").json()["batches"]
    assert [batch["id"] for batch in listed] == [id], "none was made"


def test_a_bucket_that_is_not_allowed_makes_no_batch(site: Site) -> None:
    answer = site.post("/api/batches", json={"source": {"bucket": "secrets", "prefix": ""}})
    assert answer.status == 400
    assert "ELASTIQ_SOURCE_BUCKETS" in answer.json()["detail"]
