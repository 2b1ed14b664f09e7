"""What documents name is there: files, modules and what is in them, counters, events' fields, the transport's parts."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import app.sqs
from app.account.dead_letters import HIDDEN_MOST
from app.announcements import ScalingDecided, Swept
from app.prices import CORE_MS
from app.settings import Settings
from tests.benchmarks._peers_chart import NAMES, svg
from tests.benchmarks.reports import ENTRIES
from tests.support.template import resources
from tests.unit.test_repository import DOCUMENTS, PACKAGES, ROOT, SOURCES, short, tracked
from web.http.security import CONTENT_POLICY, PAGE_POLICY

FILES = {short(path) for path in tracked()}
FOLDERS = {str(parent) for name in FILES for parent in Path(name).parents}
# A changelog and a decision may name what has been since then; the paths of decisions are kept true all the same.
PRESENT = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
ROOMS = "|".join((*PACKAGES, "tests", "docs", "docker"))
CODE = "\n".join(path.read_text() for path in (*SOURCES, *tracked("tests/*.py", "Makefile")) if path != Path(__file__))
# A model of torchvision's.
FOREIGN = {"swin_t"}


def section(document: str, title: str) -> str:
    """Return what is under a heading of the second level."""
    text = (ROOT / "docs" / document).read_text()
    return re.split(r"^## ", text.partition(f"## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text: str) -> set[str]:
    """Return what the first cells of a table quote."""
    rows = re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_each_decision_has_a_number_of_its_own() -> None:
    numbers = [Path(name).name[:4] for name in sorted(FILES) if name.startswith("docs/adr/")]
    assert numbers == [f"{number:04}" for number in range(len(numbers))]


@pytest.mark.parametrize("path", PRESENT, ids=short)
def test_each_path_that_a_document_names_is_there(path: Path) -> None:
    named = re.findall(rf"(?<![\w./<-])(?:{ROOMS})/[\w./-]*\w", path.read_text())

    assert not {name for name in named if name not in FILES | FOLDERS}


@pytest.mark.parametrize("path", PRESENT, ids=short)
def test_each_python_file_that_a_document_names_without_its_folder_is_in_one(path: Path) -> None:
    named = re.findall(r"(?<![\w./-])[\w-]+\.py\b", path.read_text())

    assert not {name for name in named if not any(known.endswith(f"/{name}") for known in FILES)}


@pytest.mark.parametrize("path", PRESENT, ids=short)
def test_each_module_that_a_document_names_has_what_it_says(path: Path) -> None:
    named = re.findall(rf"(?<![\w./:-])(?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+", path.read_text())
    # In examples `app` is the reader's own Celery application.
    inside = {name for name in named if not name.endswith((".md", ".py", ".log")) and not name.startswith("app.conf")}

    assert not {name for name in inside if not exists(name)}


def exists(name: str) -> bool:
    """Return whether a dotted name is a module, or is in one."""
    module, _, attribute = name.rpartition(".")
    if not module:
        return False
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        try:
            return hasattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError:
            return exists(module)
    return True


@pytest.mark.parametrize("path", PRESENT, ids=short)
def test_each_event_counter_or_other_word_of_the_code_that_a_document_quotes_is_in_the_code(path: Path) -> None:
    quoted = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", path.read_text())) - FOREIGN
    # Metrics are named in the code without what all of them have.
    words = {re.sub(r"^(elastiq_(sqs_)?|celery_task_)|_total$", "", word) for word in quoted}

    assert not {word for word in words if not re.search(rf"\b(elastiq_|celery_task_)?{word}\b", CODE)}


def test_the_transport_lists_exactly_the_counters_that_it_has() -> None:
    counted = set(re.findall(r'metrics\.count\("(\w+)"', "".join(p.read_text() for p in tracked("app/sqs/*.py"))))

    assert first_cells(section("transport.md", "Metrics")) == counted | {"api_calls"}


def test_the_transport_lists_exactly_the_parts_that_it_has() -> None:
    parts = {path.name for path in tracked("app/sqs/*.py")} - {"__init__.py"}

    assert set(re.findall(r"\b\w+\.py\b", app.sqs.__doc__ or "")) == parts


def test_the_scaling_decisions_fields_are_those_that_it_is_announced_with() -> None:
    assert first_cells(section("autoscaler.md", "The event `scaling-decision`")) == {
        f.name for f in fields(ScalingDecided)
    }


def test_what_is_swept_is_told_by_the_api_as_it_is_announced() -> None:
    row = re.search(r"^\| `swept` \| (.*) \|$", section("http-api.md", "The fleet: `GET /api/fleet`"), re.MULTILINE)

    assert row
    assert set(re.findall(r"`(\w+)`", row[1])) == {f.name for f in fields(Swept)} | {"at"}


def test_sizing_is_of_the_core_ms_that_it_names() -> None:
    rows = re.findall(r"^\| (\d+) \| ([\d,]+) \| ([\d,]+) \|$", section("operations.md", "How large"), re.MULTILINE)

    assert f"{CORE_MS:.0f}" in [core_ms for core_ms, _, _ in rows]
    for core_ms, instance, fleet in rows:
        assert instance == f"{2 * 1000 / int(core_ms):,.0f}"
        assert fleet == f"{19 * 2 * 1000 / int(core_ms):,.0f}"


@pytest.mark.parametrize("ceiling", [19, 40])
@pytest.mark.parametrize("arrivals", ["0,10000\n1,0\n4000,0\n", "0,126000\n1800,0\n4000,0\n"], ids=["burst", "lasting"])
def test_a_larger_ceiling_is_worth_what_the_simulator_says(arrivals: str, ceiling: int, tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text(f"second,requests\n{arrivals}")
    command = [sys.executable, "-m", "autoscaler.simulate", str(trace), "--json", "--ceiling", str(ceiling)]
    ran = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    figures = f"{ran['longest']:,.0f} | {100 * ran['share_over_target']:.0f} % | {ran['billed_over_work']:.2f} |"
    assert f"| {ceiling} | {figures}" in section("operations.md", "Beyond 19 instances")


def test_what_bounds_a_fleet_follows_from_what_a_worker_holds() -> None:
    text, held = section("operations.md", "Beyond 19 instances"), Settings.from_environment({}).worker.concurrency

    assert f"A worker holds {held} (`ELASTIQ_CONCURRENCY`): that is {HIDDEN_MOST // held:,}" in text
    assert f"the alarm at 96,000 is {96_000 // held:,}" in text


def test_hostile_images_meet_the_bounds_and_the_page_the_policy_that_the_document_names() -> None:
    text, images = section("security.md", "Hostile images and names"), Settings.from_environment({}).images

    assert f"`ELASTIQ_MAX_FILE_BYTES` ({images.max_file_bytes})" in text
    assert f"`ELASTIQ_MAX_PIXELS` ({images.max_pixels})" in text
    assert f"**The page.** `{PAGE_POLICY}`; what users uploaded is answered with `{CONTENT_POLICY}`" in text


def test_each_of_owasp_s_ten_is_answered_by_tests_that_there_are() -> None:
    rows = re.findall(
        r"^\| (API\d+) .*\| ([^|]+) \|$", section("security.md", "The OWASP API Security Top 10"), re.MULTILINE
    )
    known = set(
        re.findall(r"^def (test_\w+)", "\n".join(path.read_text() for path in tracked("tests/*.py")), re.MULTILINE)
    )

    assert [number for number, _ in rows] == [f"API{number}" for number in range(1, 11)]
    for _, shown in rows:
        named = set(re.findall(r"`(test_\w+)`", shown))
        assert named
        assert not named - known


def test_the_hosts_are_kept_as_the_document_says() -> None:
    text = section("security.md", "The hosts")
    units = [
        path.read_text() for path in tracked("docker/aws/host/*.service") if "worker" in path.name or "web" in path.name
    ]

    assert "DynamicUser" in text
    assert "hop limit of 1" in text
    assert all("DynamicUser=yes" in unit and "CapabilityBoundingSet=\n" in unit for unit in units)
    assert all("ProtectSystem=strict" in unit for unit in units)
    assert all(
        template["LaunchTemplateData"]["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        for template in resources("AWS::EC2::LaunchTemplate").values()
    )


def test_the_reports_are_those_that_are_tried_and_each_has_its_test() -> None:
    rows = [line.split(" | ") for line in (ROOT / "docs/why.md").read_text().splitlines() if line.startswith("| `")]
    written = {}
    for trial, reports, *_ in rows:
        project, named = "", []
        for one in re.split("[,;] ", reports):
            project = one.partition("#")[0] or project
            named.append(f"{project}#{one.partition('#')[2]}")
        written[trial.strip("| `")] = {name for name in named if name[-1].isdigit()}

    assert written == {entry.name: set(entry.reports) for entry in ENTRIES}
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/why.md").read_text()))
    assert not {test for test in named if f"def {test}(" not in CODE}


def test_the_table_and_the_picture_of_others_are_of_the_same_figures() -> None:
    figures = json.loads((ROOT / "docs" / "peers.json").read_text())
    table = (ROOT / "README.md").read_text().partition("## Beside others")[2].partition("\n## ")[0]
    rows = [
        f"| {figures[name]['core_ms_per_image']:g} | {figures[name]['images_per_s']:g} "
        f"| {figures[name]['start_to_first_result_s']:g} | {figures[name]['right_of_20']} |"
        for name in NAMES
    ]

    assert [f"|{row.partition('|')[2].partition('|')[2]}" for row in re.findall(r"^\| [A-Z].*$", table, re.M)] == rows
    assert (ROOT / "docs" / "peers.svg").read_text() == svg(figures)
    bars = re.findall(r'width="([\d.]+)" height="20"', svg(figures))
    assert [round(float(bar) / float(bars[0]), 1) for bar in bars] == [
        round(figures[name]["core_ms_per_image"] / figures["elastiq"]["core_ms_per_image"], 1) for name in NAMES
    ]
