"""An SQS transport for Celery that loses nothing: ``Celery(broker="sqs://", broker_transport="app.sqs:Transport")``.

    transport.py   the kombu transport: what Celery's loop sees
    channel.py     exchanges, queues, consumers: kombu's verbs in SQS's terms
    poller.py      a thread per consumed queue, with its watchdog
    background.py  threads that outlive their errors
    leases.py      the visibility of what is held, extended in batches
    outbox.py      deletes and visibility changes, ten to a call
    sender.py      sends, ten to a call, confirmed; `bulk`
    fanout.py      events and remote control over SNS
    queues.py      names, addresses, dead-letter queues
    api.py         every call to AWS, counted, with its errors sorted
    signed.py      SQS's protocol, at less than a client's cost
    gateway.py     what one process shares between its connections
    options.py     what it can be told
    metrics.py     what it counts, also as ``celery inspect sqs`` (panel.py)
    wire.py        the message format, kombu's own
    sweep.py       listeners' queues whose owner is gone

It belongs to no tier and may be used without the rest of Elastiq.
"""

from app.sqs.sender import bulk
from app.sqs.transport import Transport

__all__ = ["Transport", "bulk"]
