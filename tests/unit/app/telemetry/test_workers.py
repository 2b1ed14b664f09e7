"""Places are as few as workers were there at once, whoever they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.telemetry.workers import Workers

COMES_OR_GOES = st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=60)


@given(COMES_OR_GOES)
def test_there_are_no_more_places_than_workers_at_once(steps: list[tuple[bool, int]]) -> None:
    workers, most = Workers(), 1
    there: set[str] = set()
    for number, (comes, which) in enumerate(steps):
        node = f"{number}@host" if comes or not there else sorted(there)[which % len(there)]
        comes = comes or not there
        if comes:
            workers.counted(node, which, 0.0)
            there.add(node)
        else:
            workers.gone(node, 0.0)
            there.discard(node)
        most = max(most, len(there))
        found = workers.active(0.0)
        assert len(found) == len(there)
        assert set(found) <= {f"worker-{place}" for place in range(1, most + 1)}
