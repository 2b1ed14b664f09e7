"""The last hour, put together: decisions, points over time, each machine's bar, waits and failures. Pure.

Whoever listens tells it what it heard, and when. What one has kept (`to_json`), another who begins to listen takes over
(`adopt`). Not safe to share between threads.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

from app.announcements import ImageClassified, ImageFailed, Said, ScalingDecided, WorkerCounts, WorkerLeaving
from app.domain import Life
from app.errors import MalformedAnnouncement
from app.fields import Fields
from app.hour.failures import Failures
from app.hour.sightings import Decision, Sample, summary_of, thinned
from app.hour.timeline import Timeline
from app.hour.waits import Waits

# Where the autoscaler that leads keeps it, in the output bucket.
KEY = "_autoscaler/hour"
KEPT_S, LATELY_S = 3600.0, 900.0
# The width of a point of the pictures over time, in seconds, and of one that is no more of the last quarter.
SAMPLE_S, WIDE_S = 5.0, 20.0
DECISIONS = 100
# A time so far ahead of one's own clock is another clock's fault.
AHEAD_S = 300.0


class Hour:
    """What was heard of the last hour.

    Args:
        target_s: an image that waits longer is late.

    Attributes:
        position: of the newest news that pages are told.
        news: counts what is worth being kept; what only goes on as it was is not.
    """

    def __init__(self, target_s: float) -> None:
        self.position, self.news = 0, 0
        # Each with the position at which it was news.
        self._decisions: deque[tuple[int, Decision]] = deque(maxlen=DECISIONS)
        self._earlier: list[dict[str, Any]] = []
        self._samples: deque[tuple[int, Sample]] = deque(maxlen=int(KEPT_S / SAMPLE_S))
        self._timeline, self._waits, self._failures = Timeline(), Waits(target_s), Failures()
        # Images that were done; those of them that another one heard of, before this one began to listen.
        self._finished, self._before = 0, 0

    def hear(self, said: Said, now: float) -> None:
        """Take note of one event, of any kind."""
        self.position += 1
        match said.what:
            case ScalingDecided():
                self._decided(Decision(now, now, said.at, said.what))
            case ImageClassified(life=life):
                self._done(life, now)
            case ImageFailed(outcome=failure, life=life):
                self._done(life, now)
                self._failures.hear(failure, now)
            case WorkerLeaving():
                self.news += self._timeline.leaving(said.instance, said.what, now, self.position)
            case WorkerCounts():
                self.news += self._timeline.counted(said.instance, said.what, said.at, now, self.position)

    @property
    def newest(self) -> Decision | None:
        """Return the newest decision that was heard."""
        return self._decisions[-1][1] if self._decisions else None

    def view(self, now: float, since: int = 0) -> dict[str, Any]:
        """Return the hour as the API answers with; of decisions, points and bars only news after ``since``."""
        return {
            "decisions": self._summaries(since),
            "history": [one.to_json() for one in self._points(now, since)],
            "timeline": self._timeline.view(now, since),
            "waits": self._waits.view(now),
            "failures": self._failures.view(now),
        }

    def to_json(self, now: float) -> dict[str, Any]:
        """Return all that `adopt` reads."""
        return {
            "until": now,
            "decisions": self._summaries(0),
            "samples": [one.to_json() for one in self._points(now, 0)],
            "bars": self._timeline.view(now),
            "waits": self._waits.to_json(),
            "failures": self._failures.to_json(),
        }

    def adopt(self, kept: object, before: float) -> float:
        """Take over what another one kept of the time before this one began to listen; what is older is forgotten.

        Args:
            kept: what `to_json` gave.
            before: when this one began to listen.

        Returns:
            Up to when it was kept.

        Raises:
            MalformedAnnouncement: it is something else, or of the future.
        """
        said = Fields(kept)
        until = said.moment("until")
        if until > before + AHEAD_S:
            raise MalformedAnnouncement("until is in the future")
        decisions = [summary_of(one) for one in said.parts("decisions")]
        samples = [Sample.kept(one) for one in said.parts("samples")]
        bars, waits, failures = (said.parts(name) for name in ("bars", "waits", "failures"))
        self.position += 1
        self._timeline.adopt(bars, before, self.position)
        self._waits.adopt(waits)
        self._failures.adopt(failures)
        self._earlier = [one for one in decisions if one["at"] < before]
        self._take_over([one for one in samples if one.at < before], before)
        return until

    def _take_over(self, earlier: list[Sample], before: float) -> None:
        """Put earlier points before one's own, which go on counting where those ended."""
        ended_at = earlier[-1].finished if earlier else 0
        more, self._before = ended_at - self._before, ended_at
        self._finished += more
        own = [(at, replace(one, finished=one.finished + more)) for at, one in self._samples if one.at >= before]
        self._samples.clear()
        self._samples.extend([*((self.position, one) for one in earlier), *own])

    def _decided(self, decision: Decision) -> None:
        last = self.newest
        if last is not None and decision.came_late(last):
            return
        self.news += self._timeline.decided(decision.what, decision.until, self.position)
        if last is not None and last.says_the_same_as(decision):
            self._decisions.pop()
            decision = last.again(decision)
        else:
            self.news += 1
        self._decisions.append((self.position, decision))
        self._sample(decision)

    def _sample(self, decision: Decision) -> None:
        bin = int(decision.until // SAMPLE_S)
        anew = not self._samples or self._samples[-1][1].bin(SAMPLE_S) != bin
        if not anew:
            self._samples.pop()
        sample = Sample.of(decision, self._finished, self._waits.point(anew=anew))
        self._samples.append((self.position, sample))

    def _done(self, life: Life | None, now: float) -> None:
        self._finished += 1
        self.news += 1
        if life is not None:
            self._waits.hear(life, now)

    def _summaries(self, since: int) -> list[dict[str, Any]]:
        own = [one.summary() for at, one in reversed(self._decisions) if at > since]
        return own if since else (own + self._earlier)[:DECISIONS]

    def _points(self, now: float, since: int) -> list[Sample]:
        there = [one for at, one in self._samples if at > since and one.at >= now - KEPT_S]
        lately = now - LATELY_S
        return thinned((one for one in there if one.at < lately), WIDE_S) + [one for one in there if one.at >= lately]
