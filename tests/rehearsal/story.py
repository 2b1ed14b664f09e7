"""The story that is rehearsed: deployed, used, interrupted, upgraded, broken, mended, idle, destroyed. It has figures.

Every process in it is real, and so is every command. What AWS would do is done by `account` and `hosts`.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
import threading
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import urllib3

from app.domain import FLEET_TAG
from app.sqs import wire
from app.storage import TASK_RESULTS
from tests.rehearsal.account import Account
from tests.rehearsal.calls import Call
from tests.rehearsal.ec2 import VERSION_TAG, Instance
from tests.rehearsal.groups import GROUP_TAG
from tests.rehearsal.hosts import PYTHON, Host, Hosts
from tests.rehearsal.metrics import messages, published
from tests.rehearsal.operator import NAME, Operator
from tests.rehearsal.permissions import Role, Verdict, deployer_of, judge, roles_of
from tests.rehearsal.watch import Watch
from tests.support.photographs import labelled
from tests.support.tunnel import Tunnel

# A fleet that two cores can bear.
CEILING = 4
# By a target as short as a boot is believed to be, more than a hundred photographs need two instances at once.
PARAMETERS = (f"MaxInstances={CEILING}", "TargetSeconds=30")
FIRST, SECOND, THIRD = 130, 50, 20
WEB_PORT = 8000
LOG_GROUP = f"/{NAME}/hosts"
# How long each of a worker's images is on its way, so that there is something to interrupt.
SLOW_S = 1.5
# What is made by nobody's hand in an account, and stays.
_RESULT = re.compile(r"(?!.*\.error)(.*)\.txt")


class Story:
    """One telling.

    Args:
        account: the account.
        hosts: its machines.
        operator: who deploys into it.
        watch: tells when a part of the stage has broken.

    Attributes:
        figures: what was measured so far.
        batches: the keys of each batch.
        roles: as they were rendered.
        verdict: on every call of hosts.
    """

    def __init__(self, account: Account, hosts: Hosts, operator: Operator, watch: Watch) -> None:
        self._account, self._hosts, self._operator, self._watch = account, hosts, operator, watch
        account.groups.waits = True
        self._tunnel = Tunnel(self._page)
        self._http = urllib3.PoolManager(retries=urllib3.Retry(8, backoff_factor=0.3, allowed_methods=None))
        self.figures: dict[str, Any] = {}
        self.batches: dict[str, list[str]] = {}
        self.roles: list[Role] = []
        self.verdict = Verdict()
        self._mend: Callable[[], object] = lambda: None

    def play(self) -> None:
        """Tell it from its beginning to its end."""
        chapters = (
            self.deploys,
            self.works,
            self.is_interrupted,
            self.is_upgraded,
            self.is_idle,
            self.is_broken,
            self.is_redriven,
            self.is_mended,
            self.is_looked_at,
            self.is_counted,
            self.is_destroyed,
        )
        spent = {}
        for chapter in chapters:
            began = time.monotonic()
            chapter()
            spent[chapter.__name__] = round(time.monotonic() - began)
        self._tunnel.close()
        self.figures["chapters_s"] = {**spent, "all": sum(spent.values())}

    def report(self) -> str:
        """Return the figures for a person: one line each, and the table of permissions."""
        table = [
            f"{row['role']}: {row['calls']} calls of {row['kinds']} kinds, {row['permissions']} permissions, unused: "
            + ("; ".join(row["unused"]) or "none")
            for row in self.figures["permissions"]
        ]
        lines = [f"{name}: {json.dumps(value)}" for name, value in self.figures.items() if name != "permissions"]
        return "\n".join([*lines, *table])

    # -- chapters -----------------------------------------------------------------------------------

    def deploys(self) -> None:
        """From nothing to a page that answers."""
        seconds = self._operator.run("deploy", "--yes", "--python", PYTHON, *_parameters())
        self._until(self._page_answers, 120)
        calls = [call for call in self._account.calls if call.role == "deployer"]
        self.figures["deploy"] = {
            "seconds": round(seconds, 1),
            "resources": len(self._resources()),
            "calls": len(calls),
            "kinds_of_call": len({(call.service, call.action) for call in calls}),
            "bundles_mb": {
                key.split("/")[-1].split("-")[0]: round(size / 1e6, 1)
                for key, size in self._bundles().items()
                if key.startswith("bundles/")
            },
            "user_data_bytes": {one.tags["Name"]: len(one.user_data) for one in self._account.instances.all.values()},
        }

    def works(self) -> None:
        """Photographs come in, and the fleet grows."""
        # Fast until the first result is there, then slow, so that there is something to interrupt.
        self._slow(lambda: 6 * SLOW_S if self._busy() else 0.0)
        self._upload("first", FIRST)
        self._until(self._busy, 180)
        self.figures["launch_to_first_result"] = self._breakdown(self._busy()[0])
        self._until(lambda: len(self._busy()) >= 2, 180)
        self.figures["grew_to"] = len(self._workers())
        self._slow(lambda: SLOW_S)

    def is_interrupted(self) -> None:
        """EC2 takes an instance back that is at work; what it had in hand others do."""
        taken = self._busy()[0]
        waiting = len(self.batches["first"]) - len(self._results("first"))
        self._account.instances.interrupt(taken)
        began = time.monotonic()
        self._until(taken.ended.is_set, 120)
        self.figures["spot"] = {
            "images_waiting_at_the_notice": waiting,
            "notice_to_terminated_s": round(time.monotonic() - began, 1),
        }
        self._finish("first")

    def is_upgraded(self) -> None:
        """Another version of everything, in the middle of work."""
        before = {one.id for one in self._workers()} | {one.id for one in self._control()}
        self._operator.change()
        # So slow that the last worker is never idle, however long the command takes.
        self._slow(lambda: 10 * SLOW_S)
        self._upload("second", 10)
        deployed = threading.Event()
        feeding = threading.Thread(target=self._feed, args=["second", SECOND - 10, deployed], daemon=True)
        feeding.start()
        seconds = self._operator.run("deploy", "--yes", "--python", PYTHON, *_parameters())
        began = time.monotonic()
        self._until(lambda: not before & {one.id for one in self._control()}, 120)
        self._until(self._page_answers, 60)
        deployed.set()
        feeding.join()
        old = [one for one in self._workers() if one.id in before]
        waiting = len(self._outstanding())
        self._slow(lambda: 4 * SLOW_S)
        self._upload("second", SECOND - len(self.batches["second"]))
        self._until(self._none_outdated, 180)
        self.figures["upgrade"] = {
            "command_s": round(seconds, 1),
            "images_waiting_at_the_new_host": waiting,
            "old_workers_at_the_new_host": len(old),
            "until_all_are_new_s": round(time.monotonic() - began, 1),
        }
        self._slow(lambda: 0.0)
        self._finish("second")

    def is_idle(self) -> None:
        """Nothing to do: the fleet leaves by itself."""
        began = time.monotonic()
        self._until(lambda: not self._workers(), 180)
        self.figures["idle"] = {"fleet_back_to_0_s": round(time.monotonic() - began, 1)}

    def is_broken(self) -> None:
        """The workers' bundle is damaged: hosts say so and go off, and soon none is launched."""
        key = next(key for key in self._current_keys() if "worker" in key)
        s3 = self._account.client("s3")
        bucket = self._bucket("software")
        good = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        s3.put_object(Bucket=bucket, Key=key, Body=good[:1_000_000])
        before, began = set(self._account.instances.all), time.monotonic()
        self._upload("third", THIRD)
        self._until(lambda: self._logged("breaker_open"), 180)
        tripped_s = time.monotonic() - began
        failed = [one for id, one in self._account.instances.all.items() if id not in before]
        self.figures["broken_bundle"] = {
            "launched_until_the_breaker_opened": len(failed),
            "breaker_opened_after_s": round(tripped_s, 1),
            "host_lived_s": round(max(self._lived_s(one) for one in failed if one.ended.is_set()), 1),
            "said": self._logged("host_setup_failed")[0].get("reason", ""),
        }
        self._mend = lambda: s3.put_object(Bucket=bucket, Key=key, Body=good)

    def is_redriven(self) -> None:
        """Two messages have used up their attempts: one that none began with comes back by itself, one is sent back."""
        sqs, url = self._account.client("sqs"), self._queue("tasks")
        letters = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=2)["Messages"]
        begun, never = (self._key_of(letter["Body"]) for letter in letters)
        note = f"{TASK_RESULTS}begun-{hashlib.sha256(begun.encode()).hexdigest()}"
        self._account.client("s3").put_object(Bucket=self._bucket("output"), Key=note)
        there = set(self._account.instances.all)
        for letter in letters:
            sqs.send_message(QueueUrl=self._queue("tasks-dead"), MessageBody=letter["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
        self._until(self._failures, 60)
        self._until(lambda: self._logged("dead_letter_never_begun"), 60)
        settings = {
            "ELASTIQ_QUEUE": f"{NAME}-tasks",
            "ELASTIQ_INPUT_BUCKET": self._bucket("input"),
            "ELASTIQ_OUTPUT_BUCKET": self._bucket("output"),
        }
        self._operator.run("dead-letters", "list", **settings)
        listed = self._operator.said[-1]
        self._operator.run("dead-letters", "redrive", begun, **settings)
        self.figures["dead_letters"] = {
            "came_back_by_itself": [one["key"] for one in self._logged("dead_letter_never_begun")] == [never],
            "listed": begun in listed and never not in listed,
            "failed_after_redrive": self._failures(),
        }
        after = set(self._account.instances.all) - there
        self.figures["broken_bundle"]["launched_while_open"] = len(after)

    def is_mended(self) -> None:
        """The bundle is as it was: one instance is tried, and then all goes on."""
        self._mend()
        mended = time.monotonic()
        self._until(lambda: self._logged("breaker_closed"), 240)
        self.figures["broken_bundle"]["mended_to_closed_s"] = round(time.monotonic() - mended, 1)
        self._finish("third")

    def is_looked_at(self) -> None:
        """Somebody looks at everything that the page has, sends what is no image, and one image by itself."""
        key = self.batches["third"][0]
        batch, _, name = key.partition("/")
        refused = {"files": ("empty.jpg", b"")}
        alone = {"myfile": ("alone.jpg", labelled()[0].read_bytes())}
        self._http.request("POST", f"{self._tunnel.url}/api/batches/{batch}/images", fields=refused, timeout=60)
        looked = {
            path: self._http.request("GET", f"{self._tunnel.url}{path}", timeout=60).status
            for path in (
                "/",
                "/monitor",
                "/metrics",
                "/api/fleet",
                f"/batches/{batch}",
                f"/api/batches/{batch}",
                f"/api/batches/{batch}/results.csv",
                f"/api/batches/{batch}/images/{name}",
            )
        }
        looked["POST /"] = self._http.request("POST", f"{self._tunnel.url}/", fields=alone, timeout=120).status
        self.figures["looked_at"] = looked

    def is_counted(self) -> None:
        """Every image has one outcome; how often each was done, and what every role did, by what it was allowed."""
        keys = [key for batch in self.batches.values() for key in batch]
        done = Counter(
            found[1]
            for call in self._account.made("PutObject", Bucket=self._bucket("output"))
            if call.status == 200 and (found := _RESULT.fullmatch(call.parameters["Key"]))
        )
        outcomes = [name for name in self._batches for name in self._results(name)]
        self.figures["images"] = {
            "sent": len(keys),
            "with_one_result": len(set(outcomes)),
            "failed": len(self._failures()),
            "done_again": sum(done.values()) - len(done),
            "dead_letters": self._depth("tasks-dead"),
            "instances": len(self._account.instances.all),
        }
        alarms = self._account.client("cloudwatch").describe_alarms()["MetricAlarms"]
        values = published(self._account, LOG_GROUP)
        self.figures["alarms"] = {
            one["AlarmName"]: values[f"{one['Namespace']}/{one['MetricName']}"]
            for one in alarms
            if not one["Namespace"].startswith("AWS/")
        }
        self.roles = roles_of(self._account)
        hosts = [call for call in self._account.calls if call.role != "deployer"]
        self.verdict = judge(hosts, self.roles, self._account)
        self.figures["permissions"] = self.verdict.table(self.roles)
        self.figures["denied"] = self.verdict.denied

    def is_destroyed(self) -> None:
        """Everything goes."""
        seconds = self._operator.run("destroy", "--yes", "--data")
        self._until(lambda: not self._account.instances.alive(), 120)
        deployer = deployer_of(NAME)
        verdict = judge([call for call in self._account.calls if call.role == deployer.name], [deployer], self._account)
        self.figures["permissions"] += verdict.table([deployer])
        self.figures["denied"] += verdict.denied
        self.figures["destroy"] = {"seconds": round(seconds, 1), "left": self._left()}

    # -- the page -----------------------------------------------------------------------------------

    def _slow(self, seconds: Callable[[], float]) -> None:
        """Have each image on its way to a worker for so long."""
        bucket = self._bucket("input")
        self._account.slow = lambda call: seconds() if _is_image(call, bucket) else 0.0

    def _page(self) -> socket.socket:
        """Return a connection to the newest control host whose web tier listens, as an operator's own tunnel is."""
        failed: OSError = ConnectionRefusedError("there is no control host")
        for one in reversed(self._control()):
            try:
                return self._hosts.all[one.id].network.connect("127.0.0.1", WEB_PORT)
            except (OSError, KeyError) as err:
                failed = err if isinstance(err, OSError) else failed
        raise failed

    def _page_answers(self) -> bool:
        try:
            answer = urllib3.request("GET", f"{self._tunnel.url}/healthz", retries=False, timeout=5)
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 200

    def _upload(self, name: str, count: int) -> None:
        """Send photographs as one more batch, or into the batch that there is of that name."""
        photographs = labelled()
        there = len(self.batches.get(name, []))
        files = [
            ("files", (f"{name}-{number}.jpg", photographs[number % len(photographs)].read_bytes()))
            for number in range(there, there + count)
        ]
        own = self.batches.get(name)
        path = f"/api/batches/{own[0].partition('/')[0]}/images" if own else "/api/batches"
        answer = self._http.request("POST", f"{self._tunnel.url}{path}", fields=files, timeout=60)
        assert answer.status == 201, answer.data
        self.batches.setdefault(name, []).extend(
            image["key"] for image in answer.json()["images"] if image["filename"].startswith(name)
        )
        self.batches[name] = sorted(set(self.batches[name]))

    def _feed(self, name: str, most: int, enough: threading.Event) -> None:
        """Send photographs little by little, a few more whenever few wait, up to so many."""
        while len(self.batches[name]) < most and not enough.wait(1):
            if len(self._outstanding()) < 2:
                self._upload(name, 2)

    def _until(self, condition: Callable[[], object], timeout_s: float) -> None:
        """Wait for what comes true; fail by what everybody said last, or at once where a part of the stage breaks."""
        self._watch.wait(condition, timeout_s, self._consoles)

    def _finish(self, name: str) -> None:
        self._until(lambda: self._results(name) == set(self.batches[name]), 180)

    # -- what is there ------------------------------------------------------------------------------

    @property
    def _batches(self) -> Iterable[str]:
        return list(self.batches)

    def _bucket(self, what: str) -> str:
        return next(
            str(one["Name"])
            for one in self._account.client("s3").list_buckets()["Buckets"]
            if one["Name"].startswith(f"{NAME}-{what}")
        )

    def _results(self, name: str) -> set[str]:
        prefix = self.batches[name][0].partition("/")[0] + "/"
        return {found[1] for key in self._objects(prefix) if (found := _RESULT.fullmatch(key))}

    def _failures(self) -> list[str]:
        return [key for key in self._objects("") if key.endswith(".error.txt") and "/rejected/" not in key]

    def _objects(self, prefix: str) -> list[str]:
        pages = self._account.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self._bucket("output"), Prefix=prefix)
        return [one["Key"] for page in found for one in page.get("Contents", [])]

    def _outstanding(self) -> set[str]:
        return {key for name in self._batches for key in set(self.batches[name]) - self._results(name)}

    def _queue(self, name: str) -> str:
        return str(self._account.client("sqs").get_queue_url(QueueName=f"{NAME}-{name}")["QueueUrl"])

    def _key_of(self, body: str) -> str:
        """Return the key of a message's image, which is of the third batch."""
        envelope = wire.decode(body)
        encoded = envelope["properties"].get("body_encoding") == "base64"
        told = b64decode(envelope["body"]).decode() if encoded else envelope["body"]
        return next(key for key in self.batches["third"] if f'"{key}"' in told)

    def _depth(self, queue: str) -> int:
        sqs = self._account.client("sqs")
        counted = sqs.get_queue_attributes(QueueUrl=self._queue(queue), AttributeNames=["All"])["Attributes"]
        return int(counted["ApproximateNumberOfMessages"])

    def _workers(self) -> list[Instance]:
        return [one for one in self._account.instances.alive() if FLEET_TAG in one.tags]

    def _control(self) -> list[Instance]:
        return [
            one
            for one in self._account.instances.alive()
            if GROUP_TAG in one.tags and one.state in ("pending", "running")
        ]

    def _busy(self, batch: str = "") -> list[Instance]:
        """Return the workers that have saved a result, of one batch or of any, and are not leaving."""
        prefix = self.batches[batch][0].partition("/")[0] if batch else ""
        working = {
            call.session
            for call in self._account.made("PutObject", Bucket=self._bucket("output"))
            if call.parameters["Key"].startswith(prefix)
        }
        return [one for one in self._workers() if one.id in working and "elastiq-drain" not in one.tags]

    def _none_outdated(self) -> bool:
        """Return whether there are workers, and none of another version than the newest."""
        newest = self._account.template({"LaunchTemplateName": f"{NAME}-worker", "Version": "$Latest"})
        versions = {one.tags[VERSION_TAG] for one in self._workers()}
        return versions == {str(newest["VersionNumber"])}

    def _current_keys(self) -> list[str]:
        newest = self._account.template({"LaunchTemplateName": f"{NAME}-worker", "Version": "$Latest"})
        version = str(newest["VersionNumber"])
        keys = [
            one.user_data.decode()
            for one in self._account.instances.all.values()
            if FLEET_TAG in one.tags and one.tags[VERSION_TAG] == version
        ]
        return re.findall(r"bundles/worker-[0-9a-f]{64}\.tar\.gz", keys[-1])

    def _bundles(self) -> dict[str, int]:
        found = self._account.client("s3").list_objects_v2(Bucket=self._bucket("software"))
        return {one["Key"]: one["Size"] for one in found.get("Contents", [])}

    def _resources(self) -> list[str]:
        cloudformation = self._account.client("cloudformation")
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=NAME)
        return [one["LogicalResourceId"] for page in pages for one in page["StackResourceSummaries"]]

    def _logged(self, event: str) -> list[dict[str, Any]]:
        """Return what is in CloudWatch Logs of an event."""
        logs = self._account.client("logs")
        found = [message for message in messages(logs, LOG_GROUP) if f'"{event}"' in message]
        records = [json.loads(message[message.index("{") :]) for message in found if "{" in message]
        return [record for record in records if record.get("event") == event]

    def _breakdown(self, instance: Instance) -> dict[str, float]:
        """Return the seconds from an instance's launch to its first result, one after the other."""
        launch = next(call for call in self._account.made("RunInstances") if call.role != "deployer")
        put = next(
            call
            for call in self._account.made("PutObject", Bucket=self._bucket("output"))
            if call.session == instance.id
        )
        now = time.time() - time.monotonic()  # a call's time is monotonic, a journal's is not
        stages = _stages(self._hosts.all[instance.id])
        names = ("boot", "set_up", "process", "engine", "first_result")
        marks = (launch.at + now, *(stages[name] for name in ("booted", "started", "loading", "loaded")), put.at + now)
        spans = {name: round(until - since, 1) for name, (since, until) in zip(names, pairwise(marks), strict=True)}
        return {**spans, **stages["said"], "all": round(marks[-1] - marks[0], 1)}

    def _lived_s(self, instance: Instance) -> float:
        journal = self._hosts.all[instance.id].journal()
        return float(journal[-1]["at"] - journal[0]["at"])

    def _left(self) -> list[str]:
        """Return the names of all that costs money, or would be in the way of another deployment."""
        client = self._account.client
        found = [one["StackName"] for one in client("cloudformation").describe_stacks()["Stacks"]]
        found += [one["Name"] for one in client("s3").list_buckets()["Buckets"]]
        found += client("sqs").list_queues().get("QueueUrls", [])
        found += [one["TopicArn"] for one in client("sns").list_topics()["Topics"]]
        found += [one["SubscriptionArn"] for one in client("sns").list_subscriptions()["Subscriptions"]]
        found += [one["logGroupName"] for one in client("logs").describe_log_groups()["logGroups"]]
        found += [one["AlarmName"] for one in client("cloudwatch").describe_alarms()["MetricAlarms"]]
        # What AWS makes for itself is the account's, and costs nothing.
        found += [one["RoleName"] for one in client("iam").list_roles()["Roles"] if "aws-service" not in one["Path"]]
        found += [one["Arn"] for one in client("iam").list_policies(Scope="Local")["Policies"]]
        found += [one["InstanceProfileName"] for one in client("iam").list_instance_profiles()["InstanceProfiles"]]
        network = client("ec2")
        found += [one["VpcId"] for one in network.describe_vpcs()["Vpcs"] if not one["IsDefault"]]
        found += [one["LaunchTemplateName"] for one in network.describe_launch_templates()["LaunchTemplates"]]
        found += [one["AllocationId"] for one in network.describe_addresses()["Addresses"]]
        found += [one["VpcEndpointId"] for one in network.describe_vpc_endpoints()["VpcEndpoints"]]
        groups = client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        found += [one["AutoScalingGroupName"] for one in groups]
        return found + [one.id for one in self._account.instances.alive()]

    def _consoles(self) -> str:
        """Return the end of every console, and of what the operator was told."""
        ends = [
            f"{one.id} {one.tags.get('Name')} {one.state}:\n" + "\n".join(_console(self._hosts, one)[-25:])
            for one in self._account.instances.all.values()
        ]
        return "\n\n".join([*(text[-1500:] for text in self._operator.said[-1:]), *ends])

    def keep(self, folder: Path) -> None:
        """Keep the consoles for whoever looks into a failure."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for id, instance in self._account.instances.all.items():
            (folder / f"{instance.tags.get('Name')}-{id}.log").write_text("\n".join(_console(self._hosts, instance)))


def _parameters() -> list[str]:
    return [word for parameter in PARAMETERS for word in ("--parameter", parameter)]


def _is_image(call: Call, bucket: str) -> bool:
    return call.action == "GetObject" and call.parameters.get("Bucket") == bucket and call.session.startswith("i-")


def _console(hosts: Hosts, instance: Instance) -> list[str]:
    host = hosts.all.get(instance.id)
    if host is None:
        return []
    return [f"{entry['at'] - host.began:7.2f} {entry['unit']} {entry['message'][:1000]}" for entry in host.journal()]


def _stages(host: Host) -> dict[str, Any]:
    """Return when a worker's host came how far, in seconds since 1970, and what its set-up said of itself."""
    journal = host.journal()
    started = next(entry["at"] for entry in journal if entry["message"].startswith("Started elastiq-worker"))
    (ready,) = host.events("host_ready")
    loaded = next(event for event in host.events("engine_loaded") if "seconds" in event)
    said = {f"of_set_up_{name}": ready["seconds"][name] for name in ("fetch", "unpack", "start")}
    loading = loaded["at"] - loaded["seconds"]
    return {"booted": journal[0]["at"], "started": started, "loading": loading, "loaded": loaded["at"], "said": said}
