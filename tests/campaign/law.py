"""The law: every image that was answered "accepted" has exactly one outcome, none is wrong, and nothing is left over.

It is held against the buckets and against the ledger of what clients were told; the system itself is not asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app import aws
from app.domain import Classification
from app.storage import FAILURE, RESULT, Storage
from tests.campaign.ledger import Entry
from tests.campaign.system import System


@dataclass
class Verdict:
    """What the law says.

    Attributes:
        accepted: images that a client was answered for.
        lost: those of them without an outcome.
        wrong: outcomes that are not what the photograph shows, with what was said.
        mistold: clients that were told another label than the bucket has.
        twofold: images with a label and a reason for failure at once.
        delays: by key, when it was accepted and when its outcome was stored, in seconds since 1970.
    """

    accepted: int = 0
    unanswered: int = 0
    refused: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    mistold: list[str] = field(default_factory=list)
    twofold: list[str] = field(default_factory=list)
    delays: dict[str, tuple[float, float]] = field(default_factory=dict)

    def kept(self) -> bool:
        """Whether the law was kept."""
        return not (self.lost or self.wrong or self.mistold or self.twofold)


def outstanding(system: System, entries: Iterable[Entry]) -> set[str]:
    """Return the keys that were accepted and have no outcome yet."""
    accepted = {entry.key for entry in entries if entry.what == "accepted" and entry.key}
    return accepted - {_key(name) for name in stored(system)}


def judge(system: System, entries: list[Entry], labels: Mapping[str, str]) -> Verdict:
    """Hold the law against what is stored.

    Args:
        system: whose output bucket to look into.
        entries: the ledger.
        labels: what each file must be labelled with.
    """
    names, storage, verdict = stored(system), Storage(system.settings), Verdict()
    by_key: dict[str, list[str]] = {}
    for name in names:
        by_key.setdefault(_key(name), []).append(name)
    files = {entry.key: entry for entry in entries if entry.what == "accepted" and entry.key}
    for key, entry in files.items():
        found = by_key.get(key, [])
        if not found:
            verdict.lost.append(key)
            continue
        verdict.delays[key] = (entry.at, system.clocks.real(names[found[0]]))
        if len(found) > 1:
            verdict.twofold.append(key)
        outcome = storage.outcome(key)
        label = (
            outcome.label if isinstance(outcome, Classification) else f"failed: {getattr(outcome, 'reason', outcome)}"
        )
        if labels.get(entry.file, "failed") not in label:
            verdict.wrong.append(f"{key}: {label}, and not {labels.get(entry.file)}")
    for entry in entries:
        if entry.what == "told" and entry.file in labels and labels[entry.file] not in entry.text:
            verdict.mistold.append(
                f"{entry.client} {entry.key or entry.file}: {entry.text}, and not {labels[entry.file]}"
            )
    counts = Counter(entry.what for entry in entries)
    verdict.accepted = len(files) + sum(entry.what == "told" and not entry.key for entry in entries)
    verdict.unanswered, verdict.refused = counts["unanswered"], counts["refused"]
    return verdict


def stored(system: System) -> dict[str, float]:
    """Return the names of all outcomes in the output bucket, and when each was stored, in seconds since 1970."""
    s3 = aws.client("s3", system.settings.aws)
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=system.settings.buckets.output):
        for item in page.get("Contents", []):
            if not item["Key"].startswith("_") and item["Key"].endswith(RESULT):
                found[item["Key"]] = item["LastModified"].timestamp()
    return found


def recovery_s(
    delays: Iterable[tuple[float, float]], began: float, ended: float, fresh_s: float = 15.0
) -> float | None:
    """Return how long after a fault nothing older than ``fresh_s`` waited any more; None if it never came to that.

    What was older than that as the fault began is of an earlier one, and does not count.
    """
    held = [(accepted, done) for accepted, done in delays if began - fresh_s < accepted < ended + 600]
    at = ended
    while at < ended + 900:
        late = [done for accepted, done in held if accepted < at - fresh_s and done > at]
        if not late:
            return at - ended
        at = max(at + 1, min(late))
    return None


def repeats(
    stored: Iterable[tuple[str, float]],
    keys: Iterable[str],
    troubles: Sequence[tuple[tuple[str, ...], float, float]],
    after_s: float = 60.0,
) -> dict[str, int]:
    """Return how many outcomes were stored once more, by the fault that held then or had lately.

    Args:
        stored: the paths of what was stored in S3, and when.
        keys: of the images that count.
        troubles: names, from and to, in seconds since 1970 as all times here.
        after_s: how long after its end a fault is still the reason.
    """
    seen, wanted, found = set[str](), set(keys), Counter[str]()
    for path, at in stored:
        name = path.split("/", 2)[-1]
        if not name.endswith(RESULT) or _key(name) not in wanted:
            continue
        if name in seen:
            near = [names for names, began, ended in troubles if began <= at <= ended + after_s]
            found[" and ".join(near[-1]) if near else "no fault"] += 1
        seen.add(name)
    return dict(found)


def _key(name: str) -> str:
    return name.removesuffix(FAILURE) if name.endswith(FAILURE) else name.removesuffix(RESULT)
