"""An embedded account with all the services that a deployment uses, and the commands run against it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app import aws
from app.deploy.stack import Stack
from app.deploy.template import stored
from app.settings import Settings
from tests.support.bundles import HERE

# By the names of AWS's own tools.
ACCOUNT_SERVICES = "sqs,s3,sns,cloudformation,ec2,iam,logs,monitoring,cloudwatch,ssm,sts,autoscaling,elbv2"
# Canonical's images are not among an embedded account's.
IMAGE = "HostImage=ami-0123456789abcdef0"


@dataclass(frozen=True)
class Account:
    """An account; ``environment`` is that of a command which works on it."""

    environment: dict[str, str]
    settings: Settings

    def client(self, service: str) -> Any:
        """Return boto3's client of a service."""
        return aws.client(service, self.settings.aws)

    def run(self, *arguments: str, answer: str = "", status: int = 0) -> str:
        """Run an `elastiq` command and return all that it says."""
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            env=self.environment,
            input=answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=280,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def deploy(self, *arguments: str, **how: Any) -> str:
        """Run `elastiq deploy` without a wait, for this machine's own Python."""
        common = ["--wait", "0", "--python", HERE.python, "--parameter", IMAGE]
        if HERE.machine == "aarch64":
            common += ["--parameter", "Architecture=arm64"]
        return self.run("deploy", *common, *arguments, **how)

    def make(self, name: str = "elastiq", **parameters: str) -> None:
        """Make a system as `elastiq deploy` does, but for its bundles, which no host will fetch.

        Args:
            name: of the system.
            parameters: of the template, beside the common ones.
        """
        stack = Stack(self.settings.aws, name, look_s=0.5)
        keys = {f"{tier.capitalize()}Bundle": f"bundles/{tier}-{'0' * 64}.tar.gz" for tier in ("worker", "control")}
        image = dict([IMAGE.split("=")])
        told = {"NamePrefix": name, **keys, **image, **parameters}
        with self._bucket() as bucket:
            change, _ = stack.prepare(stored(self.settings, bucket), told, new=True)
        stack.carry_out(change, lambda line: None)

    @contextmanager
    def _bucket(self) -> Iterator[str]:
        """Have a bucket that is gone with all that is in it."""
        s3, name = self.client("s3"), "for-a-while"
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield name
        for item in s3.list_objects_v2(Bucket=name).get("Contents", []):
            s3.delete_object(Bucket=name, Key=item["Key"])
        s3.delete_bucket(Bucket=name)

    def stack(self, name: str = "elastiq") -> dict[str, Any]:
        """Return the stack as CloudFormation describes it."""
        found: dict[str, Any] = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        return found

    def outputs(self, name: str = "elastiq") -> dict[str, str]:
        """Return the stack's outputs."""
        return {output["OutputKey"]: output["OutputValue"] for output in self.stack(name)["Outputs"]}

    def buckets(self) -> set[str]:
        """Return the names of all buckets."""
        return {bucket["Name"] for bucket in self.client("s3").list_buckets()["Buckets"]}

    def left(self) -> dict[str, list[str]]:
        """Return what of a system is in the account, by kind; of what AWS gives to each account, nothing."""
        ec2, iam = self.client("ec2"), self.client("iam")
        topics = self.client("sns").list_topics()["Topics"]
        found = {
            "buckets": sorted(self.buckets()),
            "queues": self.client("sqs").list_queues().get("QueueUrls", []),
            "topics": [topic["TopicArn"] for topic in topics],
            "subscriptions": self.client("sns").list_subscriptions()["Subscriptions"],
            "roles": [
                r["RoleName"] for r in iam.list_roles()["Roles"] if not r["Path"].startswith("/aws-service-role/")
            ],
            "profiles": [p["InstanceProfileName"] for p in iam.list_instance_profiles()["InstanceProfiles"]],
            "vpcs": [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]],
            "endpoints": [e["VpcEndpointId"] for e in ec2.describe_vpc_endpoints()["VpcEndpoints"]],
            "templates": [t["LaunchTemplateName"] for t in ec2.describe_launch_templates()["LaunchTemplates"]],
            "groups": [
                g["AutoScalingGroupName"]
                for g in self.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
            ],
            "logs": [g["logGroupName"] for g in self.client("logs").describe_log_groups()["logGroups"]],
            "alarms": [a["AlarmName"] for a in self.client("cloudwatch").describe_alarms()["MetricAlarms"]],
        }
        return {kind: names for kind, names in found.items() if names}
