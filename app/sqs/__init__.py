"""An SQS transport for Celery that loses nothing: ``Celery(broker="sqs://", broker_transport="app.sqs:Transport")``.

Each part is handed what it needs and knows none that stands above it:

    transport.py   the kombu transport: what Celery's loop sees
    channel.py     exchanges, queues, consumers: kombu's verbs in SQS's terms
    gateway.py     what one process shares between its connections: builds the parts, and is asked by verbs
    poller.py      a thread per consumed queue, with its watchdog
    receiver.py    one receive: what is readable and due, leased; `Source`, what a poller may do
    sender.py      sends, ten to a call, confirmed; `bulk`
    outbox.py      deletes and visibility changes, ten to a call
    leases.py      the visibility of what is held, extended in batches
    abandoned.py   messages that were let go of without a word
    fanout.py      events and remote control, published over SNS
    listeners.py   the queues that hear them, and answers: made, subscribed, touched, deleted
    owner.py       whose those are, and whether that process lives
    sweep.py       those whose owner is gone
    queues.py      task queues: names, addresses, dead-letter queues
    api.py         every call to AWS, counted, with its errors sorted
    memory.py      the same without AWS, for tests; in nobody's way in production
    background.py  threads that outlive their errors
    options.py     what it can be told
    flower_internals.py  what Flower's broker tab is told
    metrics.py     what it counts, also as ``celery inspect sqs`` (panel.py)
    errors.py      how a call fails
    wire.py        the message format, kombu's own

It belongs to no tier. Beside `app.aws`, `app.settings` and `app.errors` it needs nothing of Elastiq.
"""

from app.sqs.sender import bulk
from app.sqs.transport import Transport

__all__ = ["Transport", "bulk"]
