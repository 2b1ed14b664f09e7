"""Announcements as Hypothesis makes them: any that can be made, with every value that a field may have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from app.announcements import (
    Announcement,
    BatchChanged,
    CallsMade,
    ImageClassified,
    ImageFailed,
    ImagesQueued,
    ScalingDecided,
    Swept,
    WorkerHeartbeat,
    WorkerLeaving,
    WorkerOffline,
    WorkerOnline,
)
from app.domain import (
    LIFE_TIMES,
    BatchCost,
    CallCounts,
    Classification,
    Failure,
    FleetCost,
    Instance,
    InstanceState,
    Life,
    Prediction,
    QueueDepth,
)
from app.fields import GREATEST, LATEST

COUNTS = st.integers(0, GREATEST)
NUMBERS = st.floats(-GREATEST, GREATEST)
NAMES = st.text(st.characters(codec="utf-8"), max_size=40)
TIMES = st.integers(0, LATEST * 10**6 - 1).map(lambda us: datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us))
INSTANCES = st.builds(Instance, NAMES, st.sampled_from(InstanceState), TIMES, st.none() | TIMES)
PREDICTIONS = st.builds(Prediction, NAMES, NUMBERS)
CALLS = st.builds(CallCounts, COUNTS, COUNTS, COUNTS, COUNTS)
EACH = st.lists(st.tuples(NAMES, NUMBERS), max_size=3).map(tuple)
BATCHES = st.lists(st.builds(BatchCost, NAMES, NUMBERS, COUNTS), max_size=2).map(tuple)
COSTS = st.builds(FleetCost, NUMBERS, NUMBERS, NUMBERS, NAMES, CALLS, EACH, BATCHES)
MOMENTS = st.floats(0, LATEST, exclude_max=True)
LIVES = st.builds(Life, NAMES, NAMES, COUNTS, MOMENTS, *(st.none() | MOMENTS for _ in LIFE_TIMES))
ANNOUNCEMENTS: st.SearchStrategy[Announcement] = st.one_of(
    st.builds(
        ScalingDecided,
        desired=COUNTS,
        launch=COUNTS,
        drain=st.lists(NAMES, max_size=3).map(tuple),
        held=st.booleans(),
        reason=NAMES,
        policy=NAMES,
        ceiling=COUNTS,
        leader=NAMES,
        depth=st.builds(QueueDepth, COUNTS, COUNTS, COUNTS),
        fleet=st.lists(INSTANCES, max_size=3).map(tuple),
        oldest_s=st.none() | NUMBERS,
        arrival_rate=st.none() | NUMBERS,
        service_rate=st.none() | NUMBERS,
        boot_s=st.none() | NUMBERS,
        cost=st.none() | COSTS,
        breaker_open=st.booleans(),
        over_budget=st.booleans(),
        spot_resting=st.booleans(),
        spent_h=NUMBERS,
        budget_h=NUMBERS,
    ),
    st.builds(Swept, COUNTS, COUNTS, COUNTS, COUNTS),
    st.builds(
        ImageClassified,
        st.builds(Classification, NAMES, NAMES, NAMES, NUMBERS, st.lists(PREDICTIONS, max_size=5).map(tuple), NAMES),
        st.none() | LIVES,
    ),
    st.builds(ImageFailed, st.builds(Failure, NAMES, NAMES, NAMES), st.none() | LIVES),
    st.builds(ImagesQueued, COUNTS),
    st.builds(BatchChanged, NAMES),
    st.builds(WorkerLeaving, NAMES),
    st.builds(CallsMade, CALLS),
    *(st.builds(kind, COUNTS, COUNTS) for kind in (WorkerOnline, WorkerHeartbeat, WorkerOffline)),
)
