"""A poll of the embedded cloud that waits is answered when a message comes, not at ministack's next look."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: ministack is made for one cloud a process. No look of its own comes within the time.
CODE = """
import asyncio
from app.local import ministack_internals
from app.local.ministack_internals import Arrivals

asked = []
sleep = Arrivals.sleep

async def far_longer(self, seconds):
    asked.append(seconds)
    await sleep(self, 3600)

Arrivals.sleep = far_longer
ministack_internals.answer_polls_at_once()
from ministack.services import sns, sqs

async def main():
    url = sqs._act_create_queue({"QueueName": "q"}, "")["QueueUrl"]
    poll = asyncio.create_task(sqs._act_receive_message({"QueueUrl": url, "WaitTimeSeconds": 20}, url))
    while not asked:
        await asyncio.sleep(0)
    SEND
    (message,) = (await asyncio.wait_for(poll, 20))["Messages"]
    print(message["Body"])

asyncio.run(main())
"""
SQS = 'sqs._act_send_message({"QueueUrl": url, "MessageBody": "sent"}, url)'
SNS = """
    arn = "arn:aws:sqs:us-east-1:000000000000:q"
    allowed = '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}'
    sqs._act_set_queue_attributes({"QueueUrl": url, "Attributes": {"Policy": allowed}}, url)
    topic = "arn:aws:sns:us-east-1:000000000000:t"
    sns._deliver_to_sqs(arn, "", True, "published", {}, topic)
"""


def answered(send: str) -> str:
    code = CODE.replace("SEND", send)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_waiting_poll_is_answered_by_what_is_sent() -> None:
    assert answered(SQS) == "sent"


def test_a_waiting_poll_is_answered_by_what_is_published() -> None:
    assert answered(SNS) == "published"
