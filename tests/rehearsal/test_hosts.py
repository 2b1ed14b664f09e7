"""A rehearsed host: cloud-init's and systemd's part, and that its end is its instance's."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import pytest

from tests.rehearsal.account import Account, account
from tests.rehearsal.ec2 import Instance
from tests.rehearsal.hosts import Host, Hosts, folder, hosts, why_not
from tests.rehearsal.watch import watched
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "hosts can run")

BOOTHOOK = """#cloud-boothook
#!/bin/sh
echo armed
shutdown -P +10
"""
UNIT = """[Unit]
Description=A unit
SuccessAction=poweroff
StartLimitIntervalSec=10min
StartLimitBurst=3
StartLimitAction=poweroff

[Service]
Type=exec
EnvironmentFile=/etc/crew.env
ExecStart=/bin/sh -c 'echo "$WORD from ${USERS}"; id -u; %s'
Restart=on-failure
RestartSec=100ms
DynamicUser=yes
RuntimeDirectory=crew
"""


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with hosts(folder(), tmp_path_factory.mktemp("logs")) as running:
        yield running


@pytest.fixture(scope="module")
def there(machines: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with account(tmp_path_factory.mktemp("account"), machines.start) as running:
        machines.serve(running)
        yield running


def user_data(script: str) -> str:
    both = MIMEMultipart()
    both.attach(MIMEText(BOOTHOOK, "cloud-boothook"))
    both.attach(MIMEText(script, "x-shellscript"))
    return base64.b64encode(both.as_bytes()).decode()


def launch(there: Account, script: str, **data: Any) -> Instance:
    answer = there.instances.call(
        "RunInstances", {"MaxCount": "1", "ImageId": "ami-1", "UserData": user_data(script), **data}
    )
    assert answer
    return there.instances.all[answer["Instances"][0]["InstanceId"]]


def said(host: Host, unit: str) -> list[str]:
    return [entry["message"] for entry in host.journal() if entry["unit"] == unit]


def unit_script(command: str) -> str:
    return f"""#!/bin/sh
echo 'WORD="a \\"word\\""' >/etc/crew.env
echo USERS=us >>/etc/crew.env
cat >/etc/systemd/system/crew.service <<'END'
{UNIT % command}END
systemctl daemon-reload
systemctl enable --now crew.service && echo on && shutdown -c
"""


@pytest.mark.timeout(600)
def test_a_unit_that_ends_well_ends_its_host_and_with_it_the_instance(there: Account, machines: Hosts) -> None:
    instance = launch(there, unit_script("sleep 1"))

    wait_for(lambda: instance.state == "terminated", 60)
    host = machines.all[instance.id]
    assert said(host, "cloud-init")[1:3] == ["armed", "boothook-000 ended, status 0"]
    assert "on" in said(host, "cloud-init")
    lines = said(host, "crew.service")
    assert 'a "word" from us' in lines
    assert any(line.isdigit() and int(line) > 61000 for line in lines)


@pytest.mark.timeout(120)
def test_a_unit_that_fails_too_often_ends_its_host(there: Account, machines: Hosts) -> None:
    instance = launch(there, unit_script("exit 3"))

    wait_for(lambda: instance.state == "terminated", 60)
    lines = said(machines.all[instance.id], "crew.service")
    assert lines.count("crew.service: main process ended, status 3") == 3
    assert any("refused" in line for line in lines)


@pytest.mark.timeout(120)
def test_terminating_an_instance_stops_its_units_first(there: Account, machines: Hosts) -> None:
    instance = launch(there, unit_script('trap "echo bye; exit 0" TERM; while :; do sleep 0.1; done'))
    wait_for(lambda: instance.id in machines.all and "on" in said(machines.all[instance.id], "cloud-init"), 60)

    there.instances.call("TerminateInstances", {"InstanceId": [instance.id]})

    wait_for(lambda: instance.state == "terminated", 60)
    assert "bye" in said(machines.all[instance.id], "crew.service")


@pytest.mark.timeout(120)
def test_a_host_whose_part_nobody_plays_ends_what_watches_over_it_with_its_words(there: Account) -> None:
    other = MIMEMultipart()
    other.attach(MIMEText("packages: [x]", "cloud-config"))

    with watched() as watch:
        instance = launch(there, "", UserData=base64.b64encode(other.as_bytes()).decode())
        wait_for(lambda: watch.died, 60)

    with pytest.raises(AssertionError, match=r"(?s)nobody plays.*text/cloud-config"):
        watch.sound()
    assert instance.state == "terminated"


@pytest.mark.timeout(120)
def test_a_host_finds_itself_and_its_tags_by_its_metadata_service_and_reaches_the_account_alone(
    there: Account, machines: Hosts
) -> None:
    script = """#!/usr/bin/python3 -u
import os, socket, urllib.error, urllib.request as r
base = "http://169.254.169.254/latest"
try:
    r.urlopen(base + "/meta-data/instance-id")
except urllib.error.HTTPError as err:
    print("without a token:", err.code)
ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
token = r.urlopen(r.Request(base + "/api/token", method="PUT", headers=ttl)).read().decode()
for path in ("instance-id", "tags/instance/mine"):
    print(r.urlopen(r.Request(f"{base}/meta-data/{path}", headers={"X-aws-ec2-metadata-token": token})).read().decode())
try:
    r.urlopen(os.environ["AWS_ENDPOINT_URL"])
except urllib.error.HTTPError as err:
    print("the account:", err.code)
try:
    socket.create_connection(("192.0.2.1", 80), 5)
except OSError as err:
    print("beyond:", err.strerror)
os.system("systemctl poweroff")
"""
    tags = [{"ResourceType": "instance", "Tag": [{"Key": "mine", "Value": "yes"}]}]
    instance = launch(there, script, TagSpecification=tags)
    instance.data["MetadataOptions"] = {"InstanceMetadataTags": "enabled"}

    wait_for(lambda: instance.state == "terminated", 60)
    lines = said(machines.all[instance.id], "cloud-init")
    for line in (instance.id, "yes", "without a token: 401", "the account: 403", "beyond: Network is unreachable"):
        assert line in lines
