"""Auto Scaling's part: as many instances as a group wants, of the version that it wants, each that ends replaced.

ministack keeps the groups, and invents their instances; these are real.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from tests.rehearsal.ec2 import VERSION_TAG, Instance, Instances

GROUP_TAG = "aws:autoscaling:groupName"


class Groups:
    """Looks after every group of the account.

    Args:
        listed: returns the groups as DescribeAutoScalingGroups has them.
        instances: where they are launched.
        waits: whether one that is replaced goes only when its successor has signalled, as CloudFormation waits for it.

    Attributes:
        signalled: the instances that have said to CloudFormation that they are well.
    """

    def __init__(
        self,
        listed: Callable[[], list[dict[str, Any]]],
        instances: Instances,
        waits: bool = False,
    ) -> None:
        self._listed, self._instances, self.waits = listed, instances, waits
        self.signalled: set[str] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="groups", daemon=True)
        self.launched: list[tuple[str, str]] = []

    def start(self) -> None:
        """Look every half second, until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """End it; the instances live on."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def members(self, group: str) -> list[Instance]:
        """Return the instances of a group that are not terminated."""
        return [one for one in self._instances.alive() if one.tags.get(GROUP_TAG) == group]

    def step(self) -> None:
        """Do for each group, and for each that is gone, what is due."""
        groups = {group["AutoScalingGroupName"]: group for group in self._listed()}
        for group in groups.values():
            self._settle(group)
        owners = {one.tags.get(GROUP_TAG, "") for one in self._instances.alive()} - {""}
        self._end([one for name in owners - groups.keys() for one in self.members(name)])

    def _settle(self, group: dict[str, Any]) -> None:
        template = group["LaunchTemplate"]
        there = [one for one in self.members(group["AutoScalingGroupName"]) if one.state != "shutting-down"]
        current = [one for one in there if one.tags.get(VERSION_TAG) == str(template["Version"])]
        wanted = group["DesiredCapacity"]
        for _ in range(wanted - len(current)):
            self._launch(group)
        ready = [one for one in current if one.state == "running" and (not self.waits or one.id in self.signalled)]
        if len(ready) >= wanted:
            self._end([one for one in there if one not in current])
            self._end(current[wanted:])

    def _launch(self, group: dict[str, Any]) -> None:
        name, template = group["AutoScalingGroupName"], group["LaunchTemplate"]
        subnets = [subnet for subnet in group.get("VPCZoneIdentifier", "").split(",") if subnet]
        tags = [{"Key": tag["Key"], "Value": tag["Value"]} for tag in group["Tags"] if tag.get("PropagateAtLaunch")]
        answer = self._instances.call(
            "RunInstances",
            {
                "LaunchTemplate": {
                    "LaunchTemplateId": template["LaunchTemplateId"],
                    "Version": str(template["Version"]),
                },
                "MaxCount": "1",
                **({"SubnetId": subnets[len(self.launched) % len(subnets)]} if subnets else {}),
                "TagSpecification": [
                    {"ResourceType": "instance", "Tag": [{"Key": GROUP_TAG, "Value": name}, *tags]},
                ],
            },
        )
        assert answer is not None
        self.launched.append((name, answer["Instances"][0]["InstanceId"]))

    def _end(self, instances: list[Instance]) -> None:
        ids = [one.id for one in instances if one.state in ("pending", "running")]
        if ids:
            self._instances.call("TerminateInstances", {"InstanceId": ids})

    def _run(self) -> None:
        while not self._stopped.wait(0.5):
            self.step()
