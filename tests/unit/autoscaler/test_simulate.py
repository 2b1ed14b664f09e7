"""The simulator's command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from autoscaler.simulate import Progress
from autoscaler.simulator.contenders import CONTENDERS

MINUTES = "second,requests\n" + "".join(f"{minute * 60},60\n" for minute in range(10))


def ran(trace: Path, *given: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autoscaler.simulate", str(trace), *map(str, given)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace.csv"
    path.write_text(MINUTES)
    return path


def test_the_command_prints_json_and_draws_a_picture(trace: Path, tmp_path: Path) -> None:
    picture = tmp_path / "course.png"
    window = ["--start", 60, "--seconds", 300]
    done = ran(trace, "--policy", "keda", "--rate", 2, "--scale", 2, *window, "--json", "--plot", picture)
    found = json.loads(done.stdout)
    names = "images billed_seconds billed_over_work launches wasted_launches p50 p95 p99 share_over_target"
    assert set(names.split()) <= set(found)
    assert found["images"] == 600
    with Image.open(picture) as drawn:
        assert drawn.format == "PNG"
        assert len(drawn.convert("RGB").getcolors(1000) or ()) >= 5


def test_every_policy_is_run_side_by_side_and_several_seeds_tell_their_spread(trace: Path) -> None:
    window = ["--seconds", 60, "--seeds", 2, "--policy", "all"]
    found = json.loads(ran(trace, *window, "--json").stdout)["policies"]
    assert set(found) == set(CONTENDERS)
    deadline = found["deadline"]
    assert deadline["seeds"] == 2
    least, most = deadline["spread"]["p95"]
    assert least < deadline["p95"] < most
    head, *lines = ran(trace, *window).stdout.splitlines()
    assert set(head.split()) == set(CONTENDERS)
    assert any(line.startswith("billed over work") and "times" in line for line in lines)


def test_the_bound_is_printed_beside_what_a_policy_is_billed(trace: Path) -> None:
    found = json.loads(ran(trace, "--seconds", 120, "--bound", "--json").stdout)
    assert 1 < found["bound_over_work"] < found["billed_over_work"]
    assert found["over_bound"] == pytest.approx(found["billed_over_work"] / found["bound_over_work"], rel=1e-3)


@pytest.mark.parametrize(
    "given",
    [["--harsh"], ["--lag", 20], ["--poll", 20], ["--power-off", 8], ["--slow", 0.5], ["--disorder", 1]],
    ids=lambda given: given[0],
)
def test_whatever_makes_the_world_worse_changes_the_run(trace: Path, given: list[object]) -> None:
    window = ["--seconds", 300, "--scale", 4, "--json"]
    assert ran(trace, *window, *given).stdout != ran(trace, *window).stdout


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--rate", "nan"], "'nan' is not a finite number"),
        (["--rate", "inf"], "'inf' is not a finite number"),
        (["--seconds", "nan"], "'nan' is not a finite number"),
        (["--boot", "inf"], "'inf' is not a finite number"),
        (["--start", "nan"], "'nan' is not a finite number"),
        (["--failing", "1"], "1.0 is not in the range 0<=x<1"),
        (["--scale", "0"], "0.0 is not in the range x>0"),
        (["--start", "6000"], "it ends at second 600"),
        (["--plot", "missing/course.png"], "there is no folder"),
        (["--plot", "course.png", "--policy", "all"], "--plot draws one policy"),
    ],
)
def test_what_cannot_be_run_is_refused_in_words_before_the_run(trace: Path, given: list[str], why: str) -> None:
    done = ran(trace, *given)
    assert done.returncode
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_the_command_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("not a trace\n")
    done = ran(trace)
    assert done.returncode == 1
    assert "its first line must be `second,requests`" in done.stderr


def test_a_trace_in_seconds_since_1970_ends_as_soon_as_any(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("second,requests\n1700000000,60\n1700000060,60\n")
    assert json.loads(ran(trace, "--json").stdout)["images"] == 120


def test_a_long_run_says_how_far_it_is_and_a_short_one_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 1.0, 2.5, 3.0])
    progress = Progress("deadline", [0.0, 50.0], lambda: next(clock))
    for at_s, done in [(10.0, 0), (20.0, 1), (30.0, 1)]:
        progress(at_s, done)
    assert capsys.readouterr().err == "deadline: 20 of 50 s, 1 of 2 images done\n"
