"""Previews are drawn a few at a time, and take no thread from whatever else the web tier does."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed

from PIL import Image

from app.local import EmbeddedCloud
from tests.support import photographs
from tests.support.fault_proxy import FaultProxy
from tests.support.stills import quarters, still
from tests.support.waiting import wait_for
from tests.support.web import Site, key_path

CAT = photographs.chelsea()
# Of 40 threads, two draw previews; the viewers are more than all threads.
THREADS, SEATS, VIEWERS = 40, 2, 60

Serve = Callable[..., Site]


def test_viewers_beyond_the_seats_are_told_so_at_once_and_all_else_goes_on(serve: Serve, cloud: EmbeddedCloud) -> None:
    with FaultProxy(cloud.endpoint_url) as proxy, ThreadPoolExecutor(VIEWERS) as pool:
        site = serve(ELASTIQ_WEB_THREADS=str(THREADS), AWS_ENDPOINT_URL=proxy.endpoint_url)
        path = key_path(f"{site.upload(('a.png', CAT))['id']}/a.png") + "?size=large"
        proxy.fault("GetObject", "hang")
        viewers = [pool.submit(site.get, path) for _ in range(VIEWERS)]
        answered = as_completed(viewers, 50)
        refused = [next(answered).result() for _ in range(VIEWERS - SEATS)]
        assert {answer.status for answer in refused} == {503}
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
        assert {answer.json()["detail"] for answer in refused} == {"too many previews are being drawn; try again"}

        assert site.get("/healthz").status == 200
        assert site.upload(("b.png", CAT))["accepted"] == 1
        assert sum(not viewer.done() for viewer in viewers) == SEATS

        proxy.release()
        assert [viewer.result().status for viewer in answered] == [200] * SEATS


def test_everyone_who_tries_again_gets_the_picture(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_THREADS=str(THREADS))
    large = io.BytesIO()
    Image.effect_noise((3000, 2000), 50).save(large, "PNG", compress_level=1)
    path = key_path(f"{site.upload(('large.png', large.getvalue()))['id']}/large.png")

    def picture() -> bytes:
        answer = wait_for(lambda: (got := site.get(path)).status == 200 and got, 60)
        return bytes(answer.data)

    with ThreadPoolExecutor(30) as pool:
        viewers = [pool.submit(picture) for _ in range(30)]
        assert site.get("/healthz").status == 200
        assert len({viewer.result() for viewer in viewers}) == 1


def test_a_picture_that_could_not_be_drawn_gives_its_seat_back(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_THREADS="8")
    id = site.upload(("a.png", CAT))["id"]
    for _ in range(3):
        assert site.get(key_path(f"{id}/none.png")).status == 404
    assert site.get(key_path(f"{id}/a.png")).status == 200


def test_what_no_browser_may_know_is_shown_as_a_jpeg(serve: Serve) -> None:
    site = serve(ELASTIQ_WEB_THREADS="8")
    for format in ("HEIF", "AVIF"):
        id = site.upload(("a.heic", still(quarters((300, 200)), format)))["id"]
        answer = site.get(key_path(f"{id}/a.heic"))
        assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
        assert Image.open(io.BytesIO(answer.data)).size == (300, 200)
