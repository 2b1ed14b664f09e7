"""Lines for spreadsheets."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from app.spreadsheet import line

CELLS = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1)


@given(CELLS)
def test_a_line_is_read_as_as_many_cells_and_no_cell_begins_a_formula(cells: list[str]) -> None:
    ((*read,),) = csv.reader(io.StringIO(line(cells), newline=""))
    assert len(read) == len(cells)
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in read)


def test_what_is_no_formula_is_left_as_it_is() -> None:
    assert line(["a", 'b "c"', "1-2"]) == '"a","b ""c""","1-2"\r\n'
    assert line(["=1+1"]) == '"\'=1+1"\r\n'
