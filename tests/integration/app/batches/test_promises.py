"""What was promised to clients, in the bucket: to each his own, for a day, whichever process asks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from app.aws.bucket import Bucket
from app.batches.promises import KEPT_S, UNDER_WAY_S, Promises
from app.settings import Settings
from tests.support.clock import Clock


def test_a_promise_is_one_s_own_until_it_is_answered_and_then_everybody_has_the_answer(config: Settings) -> None:
    clock = Clock(1e9)
    first, second = Promises(config, clock), Promises(config, clock)
    promise, ours = first.begin("alice", "key", "batch-1")
    assert (promise.batch, ours) == ("batch-1", True)
    assert second.begin("alice", "key", "batch-2") == (promise, False)
    first.keep("alice", "key", replace(promise, sent="digest", answer={"id": "batch-1"}))
    known, ours = second.begin("alice", "key", "batch-2")
    assert (known.answer, known.sent, ours) == ({"id": "batch-1"}, "digest", False)


def test_other_clients_and_other_keys_have_promises_of_their_own(config: Settings) -> None:
    promises = Promises(config)
    for number, (client, key) in enumerate([("alice", "key"), ("bob", "key"), ("alice", "other"), ("alicek", "ey")]):
        assert promises.begin(client, key, f"batch-{number}")[0].batch == f"batch-{number}"


def test_one_that_failed_or_whose_process_died_goes_on_in_the_same_batch(config: Settings) -> None:
    clock = Clock(1e9)
    promises = Promises(config, clock)
    promise, _ = promises.begin("alice", "key", "batch-1")
    promises.keep("alice", "key", replace(promise, under_way_until=0.0))
    assert promises.begin("alice", "key", "batch-2") == (promise, True)
    clock.now += UNDER_WAY_S
    again, ours = promises.begin("alice", "key", "batch-3")
    assert (again.batch, ours) == ("batch-1", True)


def test_after_a_day_a_key_is_a_new_one(config: Settings) -> None:
    clock = Clock(1e9)
    promises = Promises(config, clock)
    promise, _ = promises.begin("alice", "key", "batch-1")
    promises.keep("alice", "key", replace(promise, answer={}))
    clock.now += KEPT_S
    assert promises.begin("alice", "key", "batch-2")[0].batch == "batch-2"


def test_of_many_who_ask_at_once_one_is_to_do_it(config: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: Promises(config).begin("alice", "key", f"batch-{number}"), range(8)))
    assert len({promise.batch for promise, _ in found}) == 1
    assert [ours for _, ours in found].count(True) == 1


def test_what_is_no_promise_is_replaced(config: Settings) -> None:
    promises = Promises(config)
    promises.begin("alice", "key", "batch-1")
    bucket = Bucket(config.aws, config.buckets.output)
    (item,) = bucket.list("_batches/_idempotency/")
    bucket.put(item["Key"], b'{"batch": 1', "application/json")
    assert promises.begin("alice", "key", "batch-2")[0].batch == "batch-2"
