"""A poll of the embedded cloud that waits is answered when a message comes, and its HTTP is parsed in C."""

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
# As ministack's command does it: an application is served, and a signal ends that.
SERVE = """
import asyncio, os, signal, urllib.error, urllib.request
from hypercorn.config import Config
from app.local import ministack_internals
from app.local.cloud import free_port

ministack_internals.parse_http_in_c()
from hypercorn.asyncio import serve

port = free_port()

async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            happened = (await receive())["type"]
            await send({"type": f"{happened}.complete"})
            if happened == "lifespan.shutdown":
                print("saved")
                return
    asked = {name: value.decode() for name, value in scope["headers"]}
    print(type(receive.__self__).__module__, scope["client"][0], asked[b"x-forwarded-for"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})
    os.kill(os.getpid(), signal.SIGTERM)

async def main():
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    serving = asyncio.create_task(serve(application, config))
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"X-Forwarded-For": "192.0.2.1"})
    while True:
        await asyncio.sleep(0.05)
        try:
            await asyncio.to_thread(urllib.request.urlopen, asked)
            break
        except urllib.error.URLError:
            continue  # it does not listen yet
    await serving

asyncio.run(main())
"""


def answered(send: str) -> str:
    return said(CODE.replace("SEND", send))


def said(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_waiting_poll_is_answered_by_what_is_sent() -> None:
    assert answered(SQS) == "sent"


def test_a_waiting_poll_is_answered_by_what_is_published() -> None:
    assert answered(SNS) == "published"


def test_http_is_parsed_in_c_and_a_signal_ends_that_in_order() -> None:
    assert said(SERVE).splitlines() == ["uvicorn.protocols.http.httptools_impl 127.0.0.1 192.0.2.1", "saved"]
