"""Files of the client and of the command that go straight to the bucket, and what becomes of them where none may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.client import Elastiq
from app.client.direct import TRIES
from tests.support import photographs
from tests.support.command import elastiq
from tests.support.direct import ON
from tests.support.fault_proxy import FaultProxy
from tests.support.web import Labeller, Site, serving

CAT = photographs.chelsea()
Serve = Callable[..., Site]
# As the proxy calls a form that is sent to a bucket: it names no action.
UPLOAD = "?"


@pytest.fixture(scope="module")
def direct(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A web tier on the buckets of `site`, with direct uploads."""
    with serving(site.environment, tmp_path_factory.mktemp("direct")) as start:
        yield start(**ON)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty-one files in two folders, one of which is no image, and one of which is too large."""
    folder = tmp_path / "trip"
    (folder / "a").mkdir(parents=True)
    for n in range(39):
        (folder / "a" / f"{n:02d} \u00fc.png").write_bytes(CAT + bytes([n]))
    (folder / "page.png").write_bytes(b"<script>")
    (folder / "huge.png").write_bytes(CAT + bytes(20_000_000))
    return folder


def through_the_web_tier(site: Site) -> int:
    return sum(line["files"] for line in site.logged("upload_taken") if not line.get("direct"))


def test_all_go_past_the_web_tier_and_are_told_as_ever(direct: Site, folder: Path) -> None:
    with Labeller(direct):
        told = {result.path: result for result in Elastiq(direct.url).classify(folder, direct=True)}
    labels = {path.removeprefix(f"{folder}/"): result.label or result.reason for path, result in told.items()}
    assert labels.pop("huge.png") == "the file is larger than 20 MB"
    assert "page.png" in labels
    assert "label" not in str(labels.pop("page.png"))
    assert labels == {f"a/{n:02d} \u00fc.png": f"label of trip/a/{n:02d} \u00fc.png" for n in range(39)}
    assert through_the_web_tier(direct) == 0


def test_the_command_sends_files_through_a_web_tier_that_takes_none_direct_and_says_so(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "cat.png").write_bytes(CAT)
    with Labeller(site):
        ended = elastiq("classify", str(tmp_path / "cat.png"), "--direct", "--url", site.url)
    assert (ended.returncode, ended.stdout.count("label of cat.png")) == (0, 1)
    assert "files go through the web tier: this server takes no direct uploads" in ended.stderr


def test_the_command_sends_them_straight_where_the_web_tier_lets_it(direct: Site, tmp_path: Path) -> None:
    (tmp_path / "mug.png").write_bytes(photographs.coffee())
    before = through_the_web_tier(direct)
    with Labeller(direct):
        ended = elastiq("classify", str(tmp_path / "mug.png"), "--direct", "--url", direct.url)
    assert (ended.returncode, ended.stdout.count("label of mug.png")) == (0, 1)
    assert "go through the web tier" not in ended.stderr
    assert through_the_web_tier(direct) == before


def test_a_bucket_that_takes_none_costs_no_file_and_is_shown_no_key(
    serve: Serve, proxy: FaultProxy, folder: Path
) -> None:
    site, said = serve(AWS_ENDPOINT_URL=proxy.endpoint_url, **ON), list[str]()
    proxy.fault(UPLOAD, "503")
    with Labeller(site):
        run = Elastiq(site.url, "elq_secret", say=said.append).classify(folder / "a", direct=True)
        labels = [result.label for result in run]
    assert (len(labels), all(labels)) == (39, True)
    given_up = [text for text in said if "go through the web tier" in text]
    assert len(given_up) == 1
    assert "the bucket at" in given_up[0]
    assert "it answers with 503" in given_up[0]
    assert proxy.faulted[UPLOAD] >= TRIES
    assert "elq_secret" not in str(proxy.headers[UPLOAD])
