"""Uploads: checked, stored, published, and safe to send again."""

from __future__ import annotations

import http.client
import io
import json
import resource
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import boto3
import psutil
import pytest

from app.domain import BATCH_ID, Failure
from app.local import EmbeddedCloud
from app.settings import Settings
from app.storage import Storage
from tests.support import hostile, photographs
from tests.support.fault_proxy import FaultProxy
from tests.support.kms_proxy import KmsProxy
from tests.support.waiting import wait_for
from tests.support.web import Site, key_path
from web.uploads.intake import PUBLISH_FIRST

CAT, COFFEE = photographs.chelsea(), photographs.coffee()
HOSTILE = '../../x"><script>.jpg'
BAD = [
    ("empty.jpg", b"", "the file is empty"),
    ("text.jpg", b"I am no photograph\n", "not an image"),
    ("bomb.png", photographs.bomb(), "200 megapixels"),
    ("corrupt.png", CAT[:20] + b"nonsense" * 100, "damaged"),
    (HOSTILE, CAT, "must not hold a path that is absolute"),
]

Serve = Callable[..., Site]


def test_an_upload_is_stored_published_and_answered_with_its_batch(serve: Serve) -> None:
    site = serve()
    answer = site.post("/api/batches", fields=[("files", ("cat.png", CAT)), ("files", ("cup.png", COFFEE))])
    assert answer.status == 201
    made = answer.json()
    assert BATCH_ID.fullmatch(made["id"])
    assert answer.headers["Location"] == f"/api/batches/{made['id']}"
    assert made["url"] == f"{site.url}/batches/{made['id']}"
    assert [(i["key"], i["filename"], i["state"]) for i in made["images"]] == [
        (f"{made['id']}/cat.png", "cat.png", "waiting"),
        (f"{made['id']}/cup.png", "cup.png", "waiting"),
    ]
    assert site.storage.get_image(f"{made['id']}/cup.png") == COFFEE
    assert site.queued() == 2


def test_a_refused_file_costs_its_neighbours_nothing_and_keeps_its_reason(serve: Serve) -> None:
    site = serve()
    bad = [(name, data) for name, data, _ in BAD]
    made = site.upload(("a.png", CAT), *bad, ("b.png", COFFEE))
    assert (made["accepted"], made["rejected"]) == (2, 5)
    assert [image["state"] for image in made["images"]] == ["waiting", *["failed"] * 5, "waiting"]
    for image, (_, _, reason) in zip(made["images"][1:-1], BAD, strict=True):
        assert reason in image["reason"]
        assert site.storage.outcome(image["key"]) == Failure.of(image["key"], image["reason"])
    assert site.keys(made["id"]) == [f"{made['id']}/a.png", f"{made['id']}/b.png"]
    assert site.queued() == 2
    assert site.batch(made["id"])["counts"] == {"total": 7, "waiting": 2, "done": 0, "failed": 5, "cancelled": 0}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process's memory")
def test_a_request_of_hostile_files_alone_is_answered_within_300_megabytes(serve: Serve) -> None:
    site = serve(MALLOC_ARENA_MAX="2", ELASTIQ_MAX_FILE_BYTES="25000000")
    site.upload(("a.png", CAT))
    # Each with its reason: one for which there was no memory would have another.
    bad = {
        "gif of 65535 x 65535": "4295 megapixels",
        "gif of 20000 x 20000": "400 megapixels",
        "tiff of 4.9 million strips": "4900000 values",
        "png of 1.6 million chunks": "more texts than picture",
    }
    files = [(f"{number}.gif", hostile.FILES[name]()) for number, name in enumerate([*bad] * 2)]
    held = psutil.Process(site.process.pid).memory_info().vms
    for process in (site.process.pid, *(child.pid for child in psutil.Process(site.process.pid).children(True))):
        resource.prlimit(process, resource.RLIMIT_AS, (held + 300_000_000, held + 300_000_000))

    made = site.upload(*files, ("b.png", COFFEE))

    assert [image["state"] for image in made["images"]] == ["failed"] * 8 + ["waiting"]
    assert all(reason in image["reason"] for image, reason in zip(made["images"], [*bad.values()] * 2, strict=False))


def test_a_file_over_the_limit_is_refused_alone(serve: Serve) -> None:
    site = serve(ELASTIQ_MAX_FILE_BYTES=str(len(CAT)))
    made = site.upload(("large.png", COFFEE), ("small.png", CAT))
    assert [image["state"] for image in made["images"]] == ["failed", "waiting"]
    assert "larger than" in made["images"][0]["reason"]


def test_markup_in_a_name_is_a_name_like_any_other(site: Site) -> None:
    name = 'x"><script>alert(1)</script> & %22 + é照.jpg'.replace("/", "")
    made = site.upload((name, CAT))
    (image,) = made["images"]
    assert image["filename"] == name.replace("%22", '"')  # which a browser cannot tell from a quote
    assert site.storage.get_image(image["key"]) == CAT
    assert site.get(key_path(image["key"])).status == 200


def test_sending_a_chunk_again_adds_no_image_and_publishes_only_what_has_no_result(serve: Serve) -> None:
    site = serve()
    id = site.upload(("a.png", CAT), ("b.png", COFFEE))["id"]
    site.classify(f"{id}/a.png")
    again = site.upload(("a.png", CAT), ("b.png", COFFEE), ("c.png", CAT), path=f"/api/batches/{id}/images")
    assert [(i["filename"], i["state"]) for i in again["images"]] == [
        ("a.png", "done"),
        ("b.png", "waiting"),
        ("c.png", "waiting"),
    ]
    assert site.keys(id) == [f"{id}/a.png", f"{id}/b.png", f"{id}/c.png"]
    assert site.queued() == 2 + 2


def test_a_refused_file_that_is_sent_again_is_refused_once(site: Site) -> None:
    id = site.upload(("a.jpg", b"text"))["id"]
    site.upload(("a.jpg", b"text"), path=f"/api/batches/{id}/images")
    assert site.batch(id)["counts"]["failed"] == 1
    site.upload(("a.jpg", b"other text"), ("a.jpg", CAT), path=f"/api/batches/{id}/images")
    assert site.batch(id)["counts"] == {"total": 3, "waiting": 1, "done": 0, "failed": 2, "cancelled": 0}


def test_other_files_of_the_same_name_get_numbers(site: Site) -> None:
    first = site.upload(("x.png", CAT), ("x.png", COFFEE), ("x.png", CAT))
    assert {image["filename"] for image in first["images"]} == {"x.png", "x (2).png"}
    third = site.upload(("x.png", CAT + b"\0"), path=f"/api/batches/{first['id']}/images")
    assert [image["filename"] for image in third["images"]] == ["x (3).png"]
    stored = {site.storage.get_image(key) for key in site.keys(first["id"])}
    assert stored == {CAT, COFFEE, CAT + b"\0"}


def test_many_files_of_one_name_cost_no_more_calls_than_files_of_many_names(serve: Serve, cloud: EmbeddedCloud) -> None:
    with FaultProxy(cloud.endpoint_url) as proxy:
        site = serve(AWS_ENDPOINT_URL=proxy.endpoint_url)
        site.upload(("warm.png", CAT))
        proxy.calls.clear()
        made = site.upload(*[("IMG.png", CAT + b"\0" * n) for n in range(200)])
        calls = proxy.calls["PutObject"] + proxy.calls["HeadObject"] + proxy.calls["GetObject"]
        assert len(site.keys(made["id"])) == 200
        site.stop()
    assert made["accepted"] == 200
    assert len({image["filename"] for image in made["images"]}) == 200
    assert calls <= 210


def test_a_process_that_knows_nothing_of_a_batch_gives_its_files_the_same_names_again(serve: Serve) -> None:
    site, files = serve(), [("x.png", CAT), ("x.png", COFFEE), ("x.png", CAT + b"\0")]
    id = site.upload(*files)["id"]
    names = sorted(site.keys(id))
    site.stop()
    site.start()
    site.upload(*files[::-1], path=f"/api/batches/{id}/images")
    assert sorted(site.keys(id)) == names


def test_every_file_that_came_has_an_answer_whatever_it_is_called(site: Site) -> None:
    sent = ["a\\", "\\\\", "C:\\photos\\1.png", 'q"; filename="z', "b\\", "照" * 66 + ".png", "x" * 1200]
    made = site.upload(*[(name, CAT) for name in sent])
    assert len(made["images"]) == len(sent)
    assert [image["state"] for image in made["images"]] == ["failed"] * 3 + ["waiting", "failed", "waiting", "failed"]
    assert made["images"][5]["filename"] == sent[5]
    assert site.get(key_path(made["images"][5]["key"])).status == 200


def test_a_file_in_another_field_is_answered_too_when_some_are_in_theirs(site: Site) -> None:
    answer = site.post("/api/batches", fields=[("files", ("a.png", CAT)), ("picture", ("b.png", CAT))])
    assert [image["state"] for image in answer.json()["images"]] == ["waiting", "failed"]
    assert "put it in a part named 'files'" in answer.json()["images"][1]["reason"]


def test_chunks_sent_at_once_all_arrive_in_the_batch(site: Site) -> None:
    id = site.post("/api/batches").json()["id"]
    with ThreadPoolExecutor(6) as pool:
        chunks = [[(f"{chunk}-{n}.png", CAT) for n in range(5)] for chunk in range(6)]
        list(pool.map(lambda chunk: site.upload(*chunk, path=f"/api/batches/{id}/images"), chunks))
    assert len(site.keys(id)) == 30


def test_an_upload_that_is_cut_off_keeps_and_publishes_what_had_arrived(serve: Serve) -> None:
    site = serve()
    id = site.post("/api/batches").json()["id"]
    part = b'--limit\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n%s\r\n'
    body = part % (b"a.png", CAT) + part % (b"b.png", COFFEE)
    head = (
        f"POST /api/batches/{id}/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body) + 100}\r\n"
        "Content-Type: multipart/form-data; boundary=limit\r\n\r\n"
    )
    with socket.create_connection((urlsplit(site.url).hostname, urlsplit(site.url).port)) as connection:
        connection.sendall(head.encode() + body[:-1000])
        connection.shutdown(socket.SHUT_WR)
        assert b" 400 " in connection.recv(4096)
    wait_for(lambda: site.queued() == 1, 10)
    assert site.keys(id) == [f"{id}/a.png"]


def test_storage_that_is_away_is_said_to_be_worth_another_try(serve: Serve) -> None:
    site = serve(ELASTIQ_OUTPUT_BUCKET="no-such-bucket-here")
    answer = site.post("/api/batches", fields=[("files", ("a.jpg", b"text")), ("files", ("b.png", CAT))])
    assert answer.status == 500
    assert "no-such-bucket-here" in answer.json()["detail"]
    assert "elastiq provision" in answer.json()["detail"]
    # The good neighbour of the one whose reason could not be kept.
    assert site.queued() == 1


@pytest.mark.parametrize(
    ("fields", "detail"),
    [([("pictures", ("a.png", CAT))], "only in 'pictures'; put each file"), ([("token", "x")], "a part named 'files'")],
)
def test_an_upload_without_files_is_told_where_to_put_them(site: Site, fields: list[object], detail: str) -> None:
    answer = site.post("/api/batches", fields=fields)
    assert answer.status == 400
    assert detail in answer.json()["detail"]


def test_a_body_that_is_no_form_is_refused(site: Site) -> None:
    answer = site.post("/api/batches", body=b"{}", headers={"Content-Type": "application/xml"})
    assert answer.status == 415
    assert "multipart/form-data" in answer.json()["detail"]


def test_a_file_that_was_sent_as_text_is_told_so(site: Site) -> None:
    (image,) = site.post("/api/batches", fields=[("files", "text")]).json()["images"]
    assert "no name; send it as a file" in image["reason"]


FORM = b'--limit\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n%s\r\n--limit--\r\n' % CAT
OF_TYPE = "Content-Type: multipart/form-data; boundary=limit\r\n"


@pytest.mark.parametrize(
    ("head", "body", "status", "detail"),
    [
        (OF_TYPE + "Transfer-Encoding: chunked\r\n", b"zz\r\n" + FORM, 400, "not chunked as HTTP has it"),
        (OF_TYPE + "Transfer-Encoding: chunked\r\n", b"3\r\n--limit", 400, "not chunked as HTTP has it"),
        (OF_TYPE + "Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n", 501, "send the body as it is"),
        (OF_TYPE + "Content-Encoding: gzip\r\nContent-Length: 3\r\n", b"\x1f\x8b\x08", 415, "is compressed (gzip)"),
        (OF_TYPE, b"", 411, "send a Content-Length"),
        (OF_TYPE + "Content-Length: 0\r\n", b"", 400, "the body is empty"),
        (OF_TYPE.replace("limit", "other") + f"Content-Length: {len(FORM)}\r\n", FORM, 400, "the body's is 'limit'"),
        (OF_TYPE.split(";")[0] + f"\r\nContent-Length: {len(FORM)}\r\n", FORM, 400, "names no boundary"),
        (OF_TYPE.title().replace("Limit", "limit") + f"Content-Length: {len(FORM)}\r\n", FORM, 201, None),
        ("Content-Length: 3\r\n", b"abc", 415, "multipart/form-data"),
    ],
    ids=[
        "bad chunk",
        "no chunk end",
        "gzip coding",
        "gzip",
        "no length",
        "empty",
        "boundary",
        "none",
        "capitals",
        "type",
    ],
)
@pytest.mark.parametrize("path", ["/api/batches", "/api/batches/{id}/images"])
def test_a_body_that_cannot_be_taken_is_answered_with_what_to_do(
    site: Site, path: str, head: str, body: bytes, status: int, detail: str | None
) -> None:
    path = path.format(id=site.post("/api/batches").json()["id"])
    with socket.create_connection((urlsplit(site.url).hostname, urlsplit(site.url).port), timeout=30) as connection:
        first = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        connection.sendall(f"{first}{head}\r\n".encode() + body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        found = json.loads(answer.read())
    assert answer.status == status
    if detail:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert detail in found["detail"]
    if status == 415 and "gzip" in head:
        assert answer.headers["Accept-Encoding"] == "identity"


def test_a_large_upload_passes_through_little_memory(serve: Serve) -> None:
    site = serve(ELASTIQ_MAX_FILE_BYTES="30000000")
    (worker,) = psutil.Process(site.process.pid).children()
    before = worker.memory_info().rss
    peak, stop = [before], threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            peak.append(worker.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    part = b'--limit\r\nContent-Disposition: form-data; name="files"; filename="%d.jpg"\r\n\r\n'
    data = bytes(20_000_000)  # nothing that we take, so that no cloud has to keep it

    def body() -> object:
        for number in range(25):
            yield part % number + data + b"\r\n"
        yield b"--limit--\r\n"

    answer = site.post(
        "/api/batches", body=body(), headers={"Content-Type": "multipart/form-data; boundary=limit"}, chunked=True
    )
    stop.set()
    watcher.join()
    assert answer.status == 201
    assert answer.json()["rejected"] == 25
    assert max(peak) - before < 100_000_000  # of the 500 MB that came


def test_the_first_images_of_a_long_upload_are_queued_while_the_rest_is_on_its_way(serve: Serve) -> None:
    site = serve()
    part = b'--limit\r\nContent-Disposition: form-data; name="files"; filename="%d.png"\r\n\r\n%s\r\n'
    queued = []

    def body() -> object:
        for number in range(12):
            yield part % (number, CAT)
        wait_for(lambda: site.queued() > 0, 10)
        queued.append(site.queued())
        yield b"--limit--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=limit"}
    answer = site.post("/api/batches", body=body(), headers=headers, chunked=True)
    assert (answer.status, queued, site.queued()) == (201, [PUBLISH_FIRST], 12)


def test_nothing_else_is_written_into_the_input_bucket(site: Site) -> None:
    s3 = boto3.session.Session().client("s3", region_name="us-east-1", endpoint_url=site.config.aws.endpoint_url)

    def keys() -> set[str]:
        return {item["Key"] for item in s3.list_objects_v2(Bucket=site.config.buckets.input).get("Contents", [])}

    before = keys()
    site.upload(*[(name, data) for name, data, _ in BAD])
    assert keys() == before


@pytest.mark.parametrize("size", [len(CAT), 9_000_000], ids=["small", "sent in pieces"])
def test_an_image_is_sent_to_its_bucket_without_asking_first(config: Settings, size: int) -> None:
    with FaultProxy(config.aws.endpoint_url) as proxy:
        storage = Storage(replace(config, aws=replace(config.aws, endpoint_url=proxy.endpoint_url)))
        storage.put_image("batch/a.png", io.BytesIO(CAT.ljust(size, b"\0")), "image/png")
        sent = {name.lower() for name in proxy.headers["PutObject"]}
    assert "if-none-match" in sent
    assert "expect" not in sent


def test_files_sent_again_keep_their_names_in_an_encrypted_bucket(serve: Serve, cloud: EmbeddedCloud) -> None:
    with KmsProxy(cloud.endpoint_url) as proxy:
        site = serve(AWS_ENDPOINT_URL=proxy.endpoint_url)
        id = site.upload(("a.png", CAT))["id"]
        again = site.upload(("a.png", CAT), ("a.png", COFFEE), path=f"/api/batches/{id}/images")
        assert [image["filename"] for image in again["images"]] == ["a.png", "a (2).png"]
        site.stop()
