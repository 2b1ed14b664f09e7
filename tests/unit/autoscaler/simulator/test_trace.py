"""Reading traces: what makes which arrivals, and how whatever is none is refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from autoscaler.simulator.trace import read_trace

PLAIN = "second,requests\n0,2\n10,1\n30,4\n"


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    trace = folder / "trace.csv"
    trace.write_text(text, encoding=encoding)
    return trace


def test_the_requests_of_a_row_come_at_random_up_to_the_next_one_and_the_same_seed_makes_the_same(
    tmp_path: Path,
) -> None:
    trace = written(tmp_path, "second,requests\n0,200\n100,0\n300,100\n")
    arrivals = read_trace(trace)
    assert arrivals == sorted(arrivals)
    assert sum(0 <= at_s < 100 for at_s in arrivals) == 200
    assert sum(300 <= at_s < 500 for at_s in arrivals) == 100
    gaps = [after - before for before, after in pairwise(arrivals[:200])]
    assert max(gaps) > 4 * 0.5 > 20 * min(gaps), "evenly spread, each gap were half a second"
    assert arrivals == read_trace(trace)
    assert arrivals != read_trace(trace, seed=1)


def test_a_part_of_a_trace_has_the_arrivals_that_the_whole_has_there(tmp_path: Path) -> None:
    trace = written(tmp_path, "second,requests\n0,20\n10,10\n30,40\n")
    whole = read_trace(trace)
    assert read_trace(trace, start_s=15, seconds=20) == pytest.approx([at_s - 15 for at_s in whole if 15 <= at_s < 35])


def test_fractions_of_a_request_add_up(tmp_path: Path) -> None:
    trace = written(tmp_path, "second,requests\n" + "".join(f"{second},1\n" for second in range(100)))
    assert len(read_trace(trace, scale=0.25)) == 25
    assert len(read_trace(trace, scale=10)) == 1000


def test_seconds_since_1970_count_from_the_first_row(tmp_path: Path) -> None:
    shifted = written(tmp_path, "second,requests\n1700000000,5\n1700000010,5\n")
    arrivals = read_trace(shifted)
    assert 0 <= arrivals[0] < arrivals[-1] < 20
    assert len(read_trace(shifted, start_s=1700000010)) == 5
    assert read_trace(shifted, start_s=0) == arrivals, "before the first row there is nothing to wait for"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (PLAIN, "utf-8-sig"),
        (PLAIN.replace(",", ";"), "utf-8"),
        (PLAIN.replace(",", "\t"), "utf-8"),
        (PLAIN.replace(",", ";").replace("10;", "10,0;"), "utf-8"),
        (PLAIN.replace("second,requests", '"Second", REQUESTS '), "utf-8"),
        ("\n" + PLAIN.replace("10,", "\n10,") + "\n\n", "utf-8"),
        (PLAIN.replace("\n", "\r\n"), "utf-8"),
    ],
    ids=["byte order mark", "semicolons", "tabs", "decimal commas", "capitals and quotes", "blank lines", "windows"],
)
def test_what_spreadsheets_write_is_understood(tmp_path: Path, text: str, encoding: str) -> None:
    plain = read_trace(written(tmp_path, PLAIN))
    assert read_trace(written(tmp_path, text, encoding)) == plain


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("a,b\n0,1\n1,1\n", "its first line must be `second,requests`, and is 'a,b'"),
        ("second,requests\n0,x\n1,1\n", "line 2: `second,requests`, two numbers, is expected, and found '0,x'"),
        ("second,requests\n0,1\n1\n", "line 3: .* found '1'"),
        ("second,requests\n0,1,2\n1,1\n", "line 2: .* found '0,1,2'"),
        ("second,requests\n0,1\n", "two rows or more"),
        ("second,requests\n1,1\n0,1\n", "line 3: its seconds must ascend, and 0 follows 1"),
        ("second,requests\n0,1\n\n0,1\n", "line 4: its seconds must ascend"),
        ("second,requests\n0,1\n1,-3\n", "line 3: requests must be 0 or more"),
        ("second,requests\n0,1\n1,nan\n", "line 3: requests must be 0 or more"),
        ("second,requests\n0,1\ninf,1\n", "line 3: .* seconds any number"),
        ("second,requests\n0,0\n1,0\n", "no request in the 2 s from second 0 on"),
        ("second,requests\n0,1e12\n1,1\n", "images are more than"),
        ("second,requests\n1700000000000,1\n1700086400000,1\n", "its seconds span 1,000 days.*are they seconds"),
    ],
)
def test_what_is_not_a_trace_is_refused_with_the_line_and_the_reason(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"trace\.csv: .*{why}"):
        read_trace(written(tmp_path, text))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a text in UTF-8"):
        read_trace(written(tmp_path, PLAIN, "utf-16"))


def test_a_start_beyond_the_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it ends at second 50, before the first that is asked for, 60"):
        read_trace(written(tmp_path, PLAIN), start_s=60)
