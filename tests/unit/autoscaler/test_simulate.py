"""The simulator: what must hold of any run, and its command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st
from PIL import Image

from app.errors import ConfigurationError
from autoscaler.simulate import CONTENDERS, read_trace, report, simulate
from autoscaler.simulator.simulation import World
from autoscaler.values import Limits

contenders = st.sampled_from(sorted(CONTENDERS))
arrivals = st.lists(st.floats(0, 300), max_size=200).map(sorted)
worlds = st.builds(
    World,
    rate=st.floats(0.2, 50),
    boot_s=st.floats(15, 60),
    failing_boots=st.sampled_from([0.0, 0.3]),
    reclaims_per_hour=st.sampled_from([0.0, 30.0]),
)


def limits(policy: str, ceiling: int = 19) -> Limits:
    return Limits(ceiling, policy if policy in ("seed", "deadline") else "seed")


def test_a_lone_image_costs_one_boot_and_one_minute() -> None:
    world = World(rate=2.0, failing_boots=0.0)
    found = report(simulate([0.0], "deadline", limits("deadline"), world), [0.0], limits("deadline"), world)
    assert (found["images"], found["launches"], found["wasted_launches"], found["over_target"]) == (1, 1, 0, 0)
    assert found["billed_seconds"] == 60
    assert 20 < found["p50"] < 50


def test_deadline_costs_much_less_than_one_instance_for_each_image_and_keeps_its_promise() -> None:
    world = World(rate=2.0)
    arrivals = [n / 6 for n in range(6 * 1200)]
    seed, deadline = (
        report(simulate(arrivals, name, limits(name), world), arrivals, limits(name), world)
        for name in ("seed", "deadline")
    )
    assert deadline["billed_seconds"] < seed["billed_seconds"] / 2
    assert deadline["billed_over_work"] < 1.25
    assert deadline["share_over_target"] <= 0.001


def test_a_row_is_spread_evenly_up_to_the_next(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("second,requests\n0,2\n10,1\n30,4\n")
    assert read_trace(trace) == [2.5, 7.5, 20.0, 32.5, 37.5, 42.5, 47.5]
    assert read_trace(trace, start_s=10, seconds=20) == [10.0]
    assert len(read_trace(trace, scale=10)) == 70


def test_fractions_of_a_request_add_up(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("second,requests\n" + "".join(f"{second},1\n" for second in range(100)))
    assert len(read_trace(trace, scale=0.25)) == 25


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n0,1\n1,1\n", "second,requests\n0,x\n1,1\n", "second,requests\n0,1\n", "second,requests\n1,1\n0,1\n"],
)
def test_what_is_not_a_trace_is_refused_with_a_reason(tmp_path: Path, text: str) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text(text)
    with pytest.raises(ConfigurationError, match=r"trace\.csv"):
        read_trace(trace)


def test_the_command_prints_json_and_draws_a_picture(tmp_path: Path) -> None:
    trace, picture = tmp_path / "trace.csv", tmp_path / "course.png"
    trace.write_text("second,requests\n" + "".join(f"{minute * 60},60\n" for minute in range(10)))
    command = [
        sys.executable,
        "-m",
        "autoscaler.simulate",
        str(trace),
        "--policy",
        "keda",
        "--rate",
        "2",
        "--scale",
        "2",
    ]
    command += ["--start", "60", "--seconds", "300", "--json", "--plot", str(picture)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(ran.stdout)
    names = "images billed_seconds billed_over_work launches wasted_launches p50 p95 p99 share_over_target"
    assert set(names.split()) <= set(found)
    assert found["images"] == 600
    with Image.open(picture) as drawn:
        assert drawn.format == "PNG"
        assert len(drawn.convert("RGB").getcolors(1000) or ()) >= 5


def test_the_command_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("not a trace\n")
    ran = subprocess.run(
        [sys.executable, "-m", "autoscaler.simulate", str(trace)], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 1
    assert "its first line must be `second,requests`" in ran.stderr
