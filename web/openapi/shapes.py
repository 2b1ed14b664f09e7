"""The JSON that the API answers with, as types: an answer has these fields and no others."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from app.batches.record import LONGEST_NAME
from app.domain import CallCounts, InstanceState, QueueDepth
from app.hour.sightings import Sample
from app.hour.timeline import Doing
from web.batches.options import LONGEST_S
from web.fleet.sightings import Departure
from web.fleet.waiting import Waiting
from web.uploads.staging import MOST_COMPLETED, MOST_INVITED, UPLOAD

Moment = Annotated[float, "Seconds since 1970."]
State = Literal["waiting", "done", "failed", "cancelled"]


class Problem(TypedDict):
    """An error, as RFC 9457 has it."""

    type: str
    title: Annotated[str, "The status in words."]
    status: int
    detail: Annotated[str, "What is wrong, and what to do about it."]
    request_id: NotRequired[Annotated[str, "As in the header `X-Request-Id`."]]
    batch: NotRequired[Annotated[str, "An upload's: what was stored is there, and the rest can be sent there."]]
    checks: NotRequired[Annotated[dict[str, str], "What answers, and what does not."]]


class Prediction(TypedDict):
    """One label, and how sure the model is of it."""

    label: str
    score: Annotated[float, {"minimum": 0, "maximum": 1}]


class Image(TypedDict):
    """One image, and what became of it."""

    key: str
    filename: Annotated[str, "The last part of its path."]
    path: Annotated[str, "The folders that it was uploaded with, and its name."]
    state: State
    label: str | None
    score: float | None
    top5: Annotated[list[Prediction], "Best first."]
    reason: Annotated[str | None, "Why it failed."]


class Receipt(TypedDict):
    """What became of the files of one request."""

    id: Annotated[str, "The batch's."]
    url: Annotated[str, "The batch's page."]
    accepted: int
    rejected: int
    images: Annotated[list[Image], "Every file that came, in the order in which they were sent."]


class WantedUploads(TypedDict):
    """Files that somebody wants to put into the bucket himself."""

    sizes: Annotated[list[Annotated[int, {"minimum": 0}]], "In bytes.", {"minItems": 1, "maxItems": MOST_INVITED}]


class Upload(TypedDict):
    """One file that may be put into the bucket."""

    upload: Annotated[str, "What to name it by when it is there."]
    bytes: Annotated[int, "Send so many of the file: all of them, or of one that is too large enough to show it."]
    fields: Annotated[dict[str, str], "The form's, before the file, which goes in a field named `file`."]


class Uploads(TypedDict):
    """Where to put files, and by which forms."""

    id: Annotated[str, "The batch's."]
    bucket_url: Annotated[str, "Where each form is to be sent."]
    uploads: Annotated[list[Upload], "In the order of the sizes."]


class CompletedUpload(TypedDict):
    """One file that is there."""

    upload: Annotated[str, {"pattern": f"^{UPLOAD}$"}]
    path: Annotated[str, "The file's name, with its folders perhaps."]


class CompletedUploads(TypedDict):
    """Files that were put into the bucket."""

    files: Annotated[list[CompletedUpload], {"minItems": 1, "maxItems": MOST_COMPLETED}]


class Counts(TypedDict):
    """How many images a batch has, by state."""

    total: int
    waiting: int
    done: int
    failed: int
    cancelled: int


class BatchOptions(TypedDict):
    """What can be asked of a batch when it is made."""

    name: NotRequired[Annotated[str, "What its owner calls it; printable.", {"maxLength": LONGEST_NAME}]]
    expires_s: NotRequired[
        Annotated[float | None, "Seconds until it is deleted.", {"minimum": 1, "maximum": LONGEST_S}]
    ]
    webhook: NotRequired[Annotated[str | None, "What is told when it is complete; at a host that is listed."]]
    priority: NotRequired[Annotated[Literal["interactive", "bulk"], "Bulk waits for whoever waits."]]
    source: NotRequired[Source | None]


class Source(TypedDict):
    """Where a batch's images are that nobody uploads: one of prefix, glob and manifest says which."""

    bucket: NotRequired[Annotated[str, "The bucket of uploads unless told; a manifest's own."]]
    prefix: NotRequired[Annotated[str, "What their keys begin with.", {"maxLength": 1024}]]
    glob: NotRequired[Annotated[str, "What their keys are like; `*` stands for any characters.", {"maxLength": 1024}]]
    manifest: NotRequired[Annotated[str, "`s3://bucket/key` of JSON lines with a `key` each.", {"maxLength": 1024}]]


class SourceProgress(TypedDict):
    """How far a batch has come with its source."""

    state: Literal["listing", "working", "collecting", "complete", "failed"]
    published: Annotated[int, "Images that the queue has been given."]
    skipped: Annotated[int, "What is there and cannot be an image."]
    listed: Annotated[bool, "Whether all are published."]
    parts: Annotated[int, "Files of results that are written."]
    problem: Annotated[str, "Why it cannot go on."]
    results: Annotated[str, "What the addresses of those files begin with."]


class BatchRecord(TypedDict):
    """What is known of a batch beside its images."""

    made_at: Moment
    owner: Annotated[str, "Who made it; empty where nobody had to say."]
    shared: Annotated[bool, "Whether everybody who knows its id may see it."]
    priority: Literal["interactive", "bulk"]
    expires_at: Annotated[Moment | None, "When it is deleted."]
    webhook: Annotated[bool, "Whether somebody is told when it is complete."]
    source: Annotated[dict[str, Any] | None, "Where its images come from if nobody uploads them."]
    cancelled_at: Moment | None
    name: str


class Ordered(TypedDict):
    """A batch of which something was ordered."""

    id: str
    record: BatchRecord


class Retry(TypedDict):
    """What to try again of a batch."""

    paths: NotRequired[Annotated[list[str], "Of images that failed; without it, all that did."]]
    cancelled: NotRequired[Annotated[bool, "Take back that the batch was cancelled, and try what was dropped too."]]


class Retried(TypedDict):
    """A batch of which images are tried again."""

    id: str
    images: Annotated[int, "How many."]
    record: BatchRecord


class Deleted(TypedDict):
    """A batch that is being deleted."""

    id: str
    deleted: Annotated[int, "Objects that this request has deleted."]


class BatchCost(TypedDict):
    """What a batch has cost so far."""

    usd: float
    images: int
    thousand_images_usd: float


class Batch(TypedDict):
    """A batch, or what is new of it."""

    id: str
    url: Annotated[str, "Its page."]
    cursor: Annotated[str, "What `after` takes, to get only what is newer than this answer."]
    record: BatchRecord
    counts: Counts
    cost: Annotated[BatchCost | None, "As far as this web process heard of it."]
    waits: Annotated[Waiting | None, "What its images wait for."]
    images: Annotated[list[Image], "None of a batch with a source, whose results are in files."]
    progress: NotRequired[SourceProgress]


class ListedBatch(TypedDict):
    """One batch of many."""

    id: str
    url: Annotated[str, "Its page."]
    record: BatchRecord


class Batches(TypedDict):
    """Some batches, the newest first."""

    batches: list[ListedBatch]
    next: Annotated[str | None, "What `after` takes to go on."]


class Results(TypedDict):
    """What became of a batch's images."""

    id: str
    images: Annotated[list[Image], "By path."]


class CostOfBatch(TypedDict):
    """What one batch has cost."""

    id: str
    cost: BatchCost | None


class StoredFile(TypedDict):
    """A file that a batch has."""

    key: str
    path: str
    size: Annotated[int, "In bytes."]
    stored_at: Annotated[str, {"format": "date-time"}]


class StoredFiles(TypedDict):
    """Files that a batch has, by path."""

    id: str
    files: list[StoredFile]
    next: Annotated[str | None, "What to ask for as `after` to get those behind; null at the end."]


class Step(TypedDict):
    """One step in an image's life."""

    step: str
    by: str
    at: Moment
    took_s: Annotated[float | None, "Since the step before."]


class ImageLife(TypedDict):
    """What was done with one image."""

    key: str
    now: Moment
    worker: str | None
    receives: Annotated[int | None, "How often its message was received."]
    steps: list[Step]


class Autoscaler(TypedDict):
    """Whether an autoscaler is heard."""

    heard: bool
    heard_at: Moment | None
    says: str


class Instance(TypedDict):
    """An instance, as the autoscaler sees it, with what its worker says."""

    id: str
    state: InstanceState
    launched_at: Moment
    heard_at: Moment | None
    hostname: str | None
    active: int | None
    processed: int | None
    leaving: str | None


class OtherWorker(TypedDict):
    """A worker that is no instance of the fleet."""

    id: str
    hostname: str | None
    active: int | None
    processed: int | None
    leaving: str | None


class DecisionSummary(TypedDict):
    """One decision."""

    at: Moment
    until: Moment
    desired: int
    launch: int
    drain: list[str]
    held: bool
    reason: str
    policy: str
    leader: str


class Piece(TypedDict):
    """What a machine did, and from when on."""

    doing: Doing
    at: Moment


class Bar(TypedDict):
    """One machine over the last hour."""

    id: str
    number: Annotated[int, "No other machine of the hour has it."]
    began_at: Moment
    until: Annotated[float, "When it was last told of, or its end; seconds since 1970."]
    own: Annotated[bool, "Whether it is the autoscaler's."]
    ended: bool
    usd: Annotated[float | None, "Dollars since its launch."]
    done: Annotated[int, "Images."]
    why: Annotated[str | None, "Why its worker leaves."]
    pieces: list[Piece]


class Waits(TypedDict):
    """Seconds from an image's queueing to its stored outcome: of the last quarter of an hour, and the hour's late."""

    target_s: float
    p50_s: float | None
    p99_s: float | None
    hour_images: int
    hour_late: int


class FailedImage(TypedDict):
    """One image that failed."""

    key: str
    at: Moment


class FailureReason(TypedDict):
    """Why images failed in the last hour."""

    reason: str
    count: int
    last_at: Moment
    images: Annotated[list[FailedImage], "The latest first."]


class FleetCost(TypedDict):
    """What the fleet costs, in dollars."""

    now_usd_per_hour: float
    hosts_today_usd: float
    hosts_usd: float
    calls_usd: float
    calls: CallCounts
    images: int
    thousand_images_usd: float | None
    priced_as: str
    prices_as_of: str


class Fleet(TypedDict):
    """What waits, which machines work on it, why there are so many, and what the last hour saw."""

    now: Moment
    autoscaler: Autoscaler
    decision: Annotated[dict[str, Any] | None, "The latest decision, whole; docs/http-api.md names its fields."]
    brakes: list[str]
    instances: list[Instance]
    other_workers: list[OtherWorker]
    departures: list[Departure]
    swept: dict[str, float] | None
    decisions: Annotated[list[DecisionSummary], "Newest first."]
    history: list[Sample]
    timeline: list[Bar]
    waits: Waits
    failures: Annotated[list[FailureReason], "The most frequent first."]
    queue: QueueDepth | None
    dead_letters: int | None
    queue_problem: str | None
    cost: FleetCost | None
    whole: NotRequired[Annotated[bool, "Of a stream: whether everything is told, not only what is newer."]]


class Health(TypedDict):
    """Whether the process lives, and what it needs answers."""

    status: Literal["ok"]
    checks: NotRequired[dict[str, str]]
