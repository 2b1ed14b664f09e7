"""Whether each role may do what it did, and did what it may: recorded calls against the policies as they were rendered.

The verdict is iam-simulate's; ministack's own simulation allows everything.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.rehearsal.account import REGION, Account
from tests.rehearsal.authorizations import Launch, Need, needed, typical
from tests.rehearsal.calls import Call
from tests.rehearsal.identities import ACCOUNT
from tests.support.compose import ROOT

_GLOBAL = {
    "aws:SecureTransport": "true",
    "aws:PrincipalAccount": ACCOUNT,
    "aws:ResourceAccount": ACCOUNT,
    "aws:RequestedRegion": REGION,
}


@dataclass(frozen=True, slots=True)
class Role:
    """A role as it was rendered: its policies by name, and who may assume it."""

    name: str
    policies: dict[str, dict[str, Any]]
    trust: dict[str, Any]

    def grants(self) -> Iterator[tuple[str, list[str], list[str]]]:
        """Yield what it is allowed: of each statement where it is (policy, number), its actions and its resources."""
        for policy, document in self.policies.items():
            for number, statement in enumerate(_listed(document["Statement"])):
                if statement["Effect"] == "Allow":
                    yield f"{policy}/{number}", _listed(statement["Action"]), _listed(statement["Resource"])


@dataclass(slots=True)
class Verdict:
    """What was found.

    Attributes:
        denied: each need that no policy allows, of which role, and why.
        calls: how often each role made each call.
        used: of each role the permissions, and the places, by which something was allowed.
    """

    denied: list[str] = field(default_factory=list)
    calls: dict[str, Counter[str]] = field(default_factory=dict)
    used: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    used_places: dict[str, set[tuple[str, str]]] = field(default_factory=dict)

    def unused(self, role: Role) -> list[str]:
        """Return what nothing needed: of each statement the actions, and where the others were of use the resources."""
        used, places = self.used.get(role.name, set()), self.used_places.get(role.name, set())
        found = []
        for where, actions, resources in role.grants():
            idle = [action for action in actions if (where, action) not in used]
            found += [f"{action} on {', '.join(map(short, resources))}" for action in idle]
            if len(idle) < len(actions):
                busy = ", ".join(action for action in actions if action not in idle)
                found += [f"{busy} on {short(one)} alone" for one in resources if (where, one) not in places]
        return sorted(set(found))

    def table(self, roles: Iterable[Role]) -> list[dict[str, Any]]:
        """Return for each role how many calls of how many kinds it made, its permissions, and what is unused."""
        return [
            {
                "role": short(role.name),
                "calls": sum(self.calls.get(role.name, Counter()).values()),
                "kinds": len(self.calls.get(role.name, Counter())),
                "permissions": sum(len(actions) for _, actions, _ in role.grants()),
                "unused": self.unused(role),
            }
            for role in roles
        ]


def short(text: str) -> str:
    """Return a role's name, or a resource, without what differs from one account to the next."""
    plain = re.sub(r"arn:aws:[\w-]+:[\w*-]*:\d*:", "", text)
    plain = plain.replace(f"-{ACCOUNT}", "").replace(f"-{REGION}", "")
    return re.sub(r"\b(subnet|sg|lt|vpc)-[0-9a-f]{8,}", r"\1-*", plain)


def roles_of(account: Account) -> list[Role]:
    """Return every role that there is, with its own and its attached policies; what AWS itself manages is left out."""
    iam = account.client("iam")
    return [
        Role(one["RoleName"], _policies(iam, one["RoleName"]), one["AssumeRolePolicyDocument"])
        for one in iam.list_roles(MaxItems=1000)["Roles"]
        if not one["Path"].startswith("/aws-service-role/")
    ]


def deployer_of(name: str) -> Role:
    """Return the role of whoever deploys a system of that name, as docs/deploy.md tells to make it."""
    text = (ROOT / "docker" / "aws" / "deployer.json").read_text()
    for word, value in (("REGION", REGION), ("ACCOUNT", ACCOUNT), ("NAME", name)):
        text = text.replace(word, value)
    return Role("deployer", {"deployer": json.loads(text)}, {"Version": "2012-10-17", "Statement": []})


def judge(calls: list[Call], roles: list[Role], account: Account) -> Verdict:
    """Return what iam-simulate says of each kind of call that the roles made."""
    known, verdict = {role.name: role for role in roles}, Verdict()
    asked: dict[str, tuple[Role, Need]] = {}
    seen: set[tuple[str, str, str, str]] = set()
    launches: dict[str, Launch] = {}

    def launch(which: dict[str, str]) -> Launch:
        key = json.dumps(which, sort_keys=True)
        if key not in launches:
            launches[key] = _launch(account, which)
        return launches[key]

    for call in calls:
        # What AWS could not do it had allowed before: a call that came too late for its queue needed the right too.
        if call.role in known and call.status != 403:
            verdict.calls.setdefault(call.role, Counter())[f"{call.service}:{call.action}"] += 1
            for need in needed(call, launch):
                kind = (call.role, need.action, typical(need.resource), repr(need.context))
                if kind not in seen:  # of thousands of calls there are some hundred kinds
                    seen.add(kind)
                    request = _request(known[call.role], need, known)
                    asked.setdefault(request, (known[call.role], need))
    for (role, need), said in zip(asked.values(), simulated(list(asked)), strict=True):
        if said["result"] != "Allowed":
            verdict.denied.append(f"{role.name}: {need.action} on {need.resource}: {said['result']} {need.context}")
        for grant in said["grants"]:
            where = f"{grant['policy']}/{grant['statement']}"
            verdict.used.setdefault(role.name, set()).update((where, one["action"]) for one in grant["actions"])
            places = {(where, one["resource"]) for one in grant["resources"]}
            verdict.used_places.setdefault(role.name, set()).update(places)
    return verdict


def simulated(requests: list[str]) -> list[dict[str, Any]]:
    """Return iam-simulate's answers to requests, each a line of JSON as simulate.js reads it."""
    node = shutil.which("node", path=str(Path(sys.executable).parent))
    assert node, "node is missing: make install"
    done = subprocess.run(
        [node, str(Path(__file__).with_name("simulate.js"))],
        input="\n".join(requests),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def _request(role: Role, need: Need, roles: dict[str, Role]) -> str:
    # A statement has no name of its own in the answer but its Sid, so its number becomes that.
    policies = [
        {
            "name": name,
            "policy": {
                **document,
                "Statement": [
                    {**statement, "Sid": str(number)} for number, statement in enumerate(_listed(document["Statement"]))
                ],
            },
        }
        for name, document in role.policies.items()
    ]
    assumed = roles.get(need.resource.rpartition("/")[2]) if need.action == "sts:AssumeRole" else None
    request = {
        "principal": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.name}/session",
        "account": ACCOUNT,
        "action": need.action,
        "resource": typical(need.resource),
        "context": {**_GLOBAL, "aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/{role.name}", **need.context},
        "policies": policies,
        "trust": assumed.trust if assumed else None,
    }
    return json.dumps(request)


def _launch(account: Account, which: dict[str, str]) -> Launch:
    version = account.template(which)
    data = version["LaunchTemplateData"]
    profile = data.get("IamInstanceProfile", {})
    name = profile.get("Name") or str(profile.get("Arn", "")).rpartition("/")[2]
    found = account.client("iam").get_instance_profile(InstanceProfileName=name) if name else None
    vpcs = {one["SubnetId"]: one["VpcId"] for one in account.client("ec2").describe_subnets()["Subnets"]}
    role_arn = found["InstanceProfile"]["Roles"][0]["Arn"] if found else ""
    return Launch(version["LaunchTemplateId"], data, role_arn, vpcs)


def _policies(iam: Any, role: str) -> dict[str, dict[str, Any]]:
    found = {
        name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    }
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        arn = attached["PolicyArn"]
        if not arn.startswith("arn:aws:iam::aws:"):
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
            found[attached["PolicyName"]] = document
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
