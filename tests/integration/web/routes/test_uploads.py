"""The API that makes batches: options, paths, and what is none."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest

from app import aws
from app.batches.marks import ANNOUNCED, Marks
from tests.support import photographs
from tests.support.web import Site, key_path

CAT = photographs.chelsea()


def test_a_batch_is_made_with_options_and_exists_before_its_first_image(site: Site) -> None:
    answer = site.post("/api/batches", json={"name": "cats", "expires_s": 3600})
    assert answer.status == 201
    id = answer.json()["id"]
    before = site.batch(id)
    assert before["counts"]["total"] == 0
    assert before["record"]["name"] == "cats"
    assert before["record"]["expires_at"] == pytest.approx(before["record"]["made_at"] + 3600, abs=0.01)
    site.upload(("a.png", CAT), path=f"/api/batches/{id}/images")
    assert site.batch(id)["record"] == before["record"]
    assert [event["event"] for event in site.events(id).until("current")] == ["image-waiting", "current"]


def test_a_batch_of_which_nothing_was_asked_has_the_defaults(site: Site) -> None:
    record = site.batch(site.upload(("a.png", CAT))["id"])["record"]
    assert (record["name"], record["expires_at"], record["cancelled_at"]) == ("", None, None)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"[]", 400), (b"{", 400), (b'{"colour": "red"}', 400), (b'{"name": "' + b"x" * 17_000 + b'"}', 413)],
    ids=["a list", "broken", "unknown", "large"],
)
def test_options_that_are_none_make_no_batch(site: Site, body: bytes, status: int) -> None:
    answer = site.post("/api/batches", body=body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")


def test_files_of_one_name_in_two_folders_keep_their_paths_everywhere(site: Site) -> None:
    paths = ["2024/IMG_1.png", "2023/IMG_1.png", "2023/text.png", "IMG_1.png", "a.png", "a.png/b.png"]
    made = site.upload(*((path, b"text" if "text" in path else CAT) for path in paths))
    id = made["id"]
    assert [(image["path"], image["filename"]) for image in made["images"]] == [
        (path, path.rpartition("/")[2]) for path in paths
    ]
    assert (made["accepted"], made["rejected"]) == (5, 1)
    for path in set(paths) - {"2023/text.png"}:
        site.classify(f"{id}/{path}", f"label of {path}")
    labels = {image["path"]: image["label"] for image in site.batch(id)["images"]}
    assert list(labels) == sorted(paths)
    assert all(label in {f"label of {path}", None} for path, label in labels.items())
    table = site.get(f"/api/batches/{id}/results.csv").data.decode("utf-8-sig")
    rows = [(row["path"], row["label"]) for row in csv.DictReader(io.StringIO(table, newline=""))]
    assert rows == [(path, label or "") for path, label in labels.items()]
    assert site.get(key_path(f"{id}/2023/IMG_1.png")).headers["Content-Type"] == "image/jpeg"
    output = aws.client("s3", site.config.aws).get_object(
        Bucket=site.config.buckets.output, Key=f"{id}/2023/IMG_1.png.txt"
    )
    assert output["Body"].read() == b"(IMG_1.png, label of 2023/IMG_1.png)"


def test_nothing_can_be_added_to_a_batch_with_a_source(site: Site) -> None:
    source = {"bucket": site.config.buckets.input, "prefix": "none/"}
    id = site.post("/api/batches", json={"source": source}).json()["id"]
    answer = site.post(f"/api/batches/{id}/images", fields=[("files", ("a.png", CAT))])
    assert answer.status == 409
    assert site.keys(id) == []


def test_nothing_can_be_added_under_an_id_that_is_none(site: Site) -> None:
    answer = site.post("/api/batches/_celery/images", fields=[("files", ("a.png", CAT))])
    assert answer.status == 404


def test_a_batch_of_files_is_to_be_told_to_the_topic_of_completions_if_there_is_one(serve: Callable[..., Site]) -> None:
    site = serve(ELASTIQ_COMPLETION_TOPIC_ARN="arn:aws:sns:us-east-1:000000000000:completions")
    batch = site.upload(("a.png", photographs.chelsea()))["id"]
    assert list(Marks(site.config, ANNOUNCED).names()) == [batch]
