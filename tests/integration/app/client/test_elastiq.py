"""The Python client, as programs use it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from app.client import Elastiq, Result
from app.errors import ConfigurationError
from tests.support import photographs
from tests.support.web import ROOT, Labeller, Site

CAT, COFFEE = photographs.chelsea(), photographs.coffee()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "holiday"
    folder.mkdir()
    (folder / "cat.png").write_bytes(CAT)
    (folder / "cup.png").write_bytes(COFFEE)
    (folder / "text.jpg").write_bytes(b"no photograph")
    return folder


def labels(results: list[Result]) -> dict[str, str | None]:
    return {result.path.rpartition("/")[2]: result.label for result in results}


def test_results_come_as_they_are_made_and_a_broken_file_is_one(site: Site, folder: Path) -> None:
    run = Elastiq(site.url).classify(folder)
    assert (run.total, run.left, run.page) == (3, 3, "")
    results = iter(run)
    first = next(results)  # while nothing labels anything, this one alone has an outcome
    assert (first.state, first.failed, first.path) == ("failed", True, f"{folder}/text.jpg")
    assert str(first.reason).startswith("this is not an image")
    with Labeller(site):
        rest = list(results)
    assert labels(rest) == {"cat.png": "label of holiday/cat.png", "cup.png": "label of holiday/cup.png"}
    assert run.left == 0
    assert run.page == f"{site.url}/batches/{run.batch}"


def test_an_event_loop_goes_on_while_it_waits_for_results(site: Site, folder: Path) -> None:
    async def both() -> tuple[list[Result], list[Result]]:
        async def collect(path: Path) -> list[Result]:
            return [result async for result in Elastiq(site.url).classify([path])]

        return await asyncio.gather(collect(folder / "cat.png"), collect(folder / "cup.png"))

    with Labeller(site):
        cats, cups = asyncio.run(both())
    assert labels(cats + cups) == {"cat.png": "label of cat.png", "cup.png": "label of cup.png"}


def test_what_is_no_address_is_said_at_once_and_where_nobody_answers_by_the_iteration(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not an address"):
        Elastiq("nonsense")
    with pytest.raises(ConfigurationError, match="no web tier answers"):
        list(Elastiq("http://127.0.0.1:9", patience_s=0).classify(folder))


def test_the_examples_of_its_document_run(site: Site, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "client.md").read_text(), re.DOTALL)
    assert len(examples) == 3
    with Labeller(site):
        for example in examples:
            text = example.replace("http://127.0.0.1:8000", site.url).replace('"holiday"', repr(str(folder)))
            exec(compile(text, "docs/client.md", "exec"), {})
    said = capsys.readouterr().out
    assert said.count("label of holiday/cat.png") == 3
    assert said.count("this is not an image") == 2
