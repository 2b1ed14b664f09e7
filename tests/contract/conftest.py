"""An EC2 for the fleet's contract."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from app import aws
from app.settings import AwsSettings, Settings
from tests.contract.ec2_server import Ec2Server


@pytest.fixture(scope="session")
def ec2_server() -> Iterator[Ec2Server]:
    """One EC2 on loopback for the whole run."""
    server = Ec2Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ec2(ec2_server: Ec2Server) -> Ec2Server:
    """The same, with endless room, no faults and no call made yet."""
    ec2_server.forget()
    return ec2_server


@pytest.fixture(scope="session")
def launch_template(ec2_server: Ec2Server) -> dict[str, str]:
    """The settings that name a launch template and three subnets, which exist."""
    client = aws.client("ec2", AwsSettings(endpoint_url=ec2_server.endpoint_url))
    image = client.describe_images()["Images"][0]["ImageId"]
    subnets = [subnet["SubnetId"] for subnet in client.describe_subnets()["Subnets"][:3]]
    client.create_launch_template(
        LaunchTemplateName="workers", LaunchTemplateData={"ImageId": image, "InstanceType": "c7i.large"}
    )
    return {"ELASTIQ_LAUNCH_TEMPLATE": "workers", "ELASTIQ_SUBNETS": ",".join(subnets)}


@pytest.fixture
def ec2_settings(ec2: Ec2Server, launch_template: dict[str, str]) -> Settings:
    """The settings of a fleet of this test's own."""
    own = {"AWS_ENDPOINT_URL": ec2.endpoint_url, "ELASTIQ_FLEET": uuid.uuid4().hex}
    return Settings.from_environment({**launch_template, **own})
