"""The account: one endpoint for all of AWS, which knows who calls, writes every call down, and checks its signature.

ministack answers for CloudFormation, S3, SQS, SNS, IAM, SSM, CloudWatch and EC2's networks and templates; the account
answers by itself for instances (`ec2`), their groups (`groups`) and for STS, which in ministack know no role.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import urllib3
from botocore.config import Config

from app.local.cloud import free_port
from app.process.healthy import why_not
from tests.rehearsal import ec2, xml
from tests.rehearsal.calls import Call, asked, short
from tests.rehearsal.groups import Groups
from tests.rehearsal.identities import ACCOUNT, Identities, Keys
from tests.rehearsal.signatures import Request, holds, read
from tests.support.compose import ROOT
from tests.support.waiting import wait_for

REGION = "us-east-1"
# What a page of somebody's own machine could not do either: these are the words of a hop, not of a request.
_HOP = ("connection", "keep-alive", "transfer-encoding", "host", "expect", "content-length")
_PIECE = 1 << 20


class Account:
    """An account in one region, on loopback, until `stop`.

    Args:
        folder: where ministack keeps its objects and its log.
        start: brings an instance up, and calls ``instances.running`` and ``instances.over`` in time.

    Attributes:
        calls: every call so far; those of `client` are not among them.
        refuse: returns the code of the error with which a call is to be refused, empty for none.
        slow: returns for how many seconds a call is to wait before it is carried out.
    """

    def __init__(self, folder: Path, start: Callable[[ec2.Instance], object] = lambda instance: None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._port = free_port()
        self._cloud: subprocess.Popen[bytes] | None = None
        self._upstream = urllib3.HTTPConnectionPool("127.0.0.1", self._port, maxsize=64, retries=False, timeout=120)
        self._servers: list[ThreadingHTTPServer] = []
        self.identities = Identities()
        self.calls: list[Call] = []
        self.refuse: Callable[[Call], str] = lambda call: ""
        self.slow: Callable[[Call], float] = lambda call: 0.0
        self.instances = ec2.Instances(self.template, self._role, self._subnets, start)
        self.groups = Groups(self._groups, self.instances)

    def start(self) -> None:
        """Start ministack, and whoever looks after the groups."""
        environment = {
            **os.environ,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self._folder / "s3"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
        }
        with (self._folder / "cloud.log").open("wb") as output:
            self._cloud = subprocess.Popen(
                [sys.executable, "-m", "tests.rehearsal.cloud"], cwd=ROOT, env=environment, stdout=output, stderr=output
            )
        wait_for(lambda: not why_not(f"http://127.0.0.1:{self._port}/_ministack/health"), 30)
        self.groups.start()

    def stop(self) -> None:
        """End everything."""
        self.groups.stop()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        if self._cloud is not None:
            self._cloud.terminate()
            self._cloud.wait(30)
        self._upstream.close()

    def serve(self, listener: socket.socket | None = None) -> str:
        """Answer on a socket that listens, which may be in another network; return the address.

        Args:
            listener: on a free port of loopback unless given.
        """
        listener = listener or socket.create_server(("127.0.0.1", 0), backlog=128)
        host, port = listener.getsockname()[:2]
        server = _Server((host, port), self._handler(), bind_and_activate=False)
        server.socket.close()
        server.socket = listener
        server.server_address = (host, port)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        self._servers.append(server)
        return f"http://{host}:{port}"

    def client(self, service: str) -> Any:
        """Return a client of ministack's own, past the account: for a test's eyes."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{self._port}",
            aws_access_key_id="eyes",
            aws_secret_access_key="eyes",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def made(self, action: str, **about: str) -> list[Call]:
        """Return the calls of an action, with parameters of these values, in their order."""
        return [call for call in list(self.calls) if call.action == action and about.items() <= call.parameters.items()]

    # -- what instances need to know -----------------------------------------------------------------

    def template(self, which: dict[str, str]) -> dict[str, Any]:
        """Return the version of a launch template that RunInstances' parameter of that name means."""
        chosen = {name: value for name, value in which.items() if name.startswith("LaunchTemplate")}
        found = self.client("ec2").describe_launch_template_versions(
            **chosen, Versions=[which.get("Version", "$Default")]
        )["LaunchTemplateVersions"]
        if not found:
            raise ec2.Refused("InvalidLaunchTemplateId.VersionNotFound", f"there is no such version: {which}")
        return dict(found[0])

    def _role(self, profile: dict[str, str]) -> str:
        name = profile.get("Name") or profile["Arn"].rpartition("/")[2]
        found = self.client("iam").get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
        return str(found["Roles"][0]["RoleName"])

    def _subnets(self) -> set[str]:
        return {subnet["SubnetId"] for subnet in self.client("ec2").describe_subnets()["Subnets"]}

    def _groups(self) -> list[dict[str, Any]]:
        return list(self.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"])

    # -- answers ----------------------------------------------------------------------------------

    def answer(self, request: Request) -> tuple[int, dict[str, str], Iterator[bytes]]:
        """Return status, headers and the body's pieces."""
        began = time.monotonic()
        signed = read(request)
        keys = self.identities.of(signed.key) if signed else None
        if signed is None or keys is None:
            return _said(403, xml.error("InvalidClientTokenId", "nobody is known by that key"))
        action, parameters = asked(signed.service, request)
        call = Call(began, keys.role, keys.session, signed.service, action, short(parameters))
        call.tags = self.instances.tags(parameters) if signed.service == "ec2" else {}
        status, headers, body = self._carry_out(request, keys, call, parameters)
        call.status, call.seconds = status, time.monotonic() - began
        self.calls.append(call)
        return status, headers, body

    def _carry_out(
        self, request: Request, keys: Keys, call: Call, parameters: dict[str, Any]
    ) -> tuple[int, dict[str, str], Iterator[bytes]]:
        signed = read(request)
        assert signed is not None
        if not holds(request, signed, keys.secret) or signed.token != keys.token:
            return _said(403, xml.error("SignatureDoesNotMatch", "the signature is not the one that the secret makes"))
        if self.identities.expired(keys):
            return _said(400, xml.error("ExpiredToken", "the security token has expired"))
        if wait_s := self.slow(call):
            time.sleep(wait_s)
        if code := self.refuse(call):
            return _said(400, xml.error(code, "so the rehearsal wants it"))
        try:
            own = self._own(keys, call, parameters)
        except ec2.Refused as err:
            return _said(400, xml.error(err.code, str(err)))
        if own is not None:
            return _said(200, xml.answer(signed.service, call.action, own))
        return self._forward(request, keys)

    def _own(self, keys: Keys, call: Call, parameters: dict[str, Any]) -> dict[str, Any] | None:
        """Return what the account answers by itself; None where ministack is to answer."""
        if call.service == "ec2" and call.action in ec2.ACTIONS:
            return self.instances.call(call.action, parameters)
        if call.service == "sts" and call.action == "GetCallerIdentity":
            return {"UserId": f"AROA:{keys.session}", "Account": ACCOUNT, "Arn": keys.arn}
        if call.service == "sts" and call.action == "AssumeRole":
            return self._assume(parameters)
        if call.service == "cloudformation" and call.action == "SignalResource":
            return self._signalled(parameters)
        if call.service == "autoscaling" and call.action == "DescribeAutoScalingGroups":
            return self._described(parameters)
        return None

    def _assume(self, parameters: dict[str, Any]) -> dict[str, Any]:
        role = parameters["RoleArn"].rpartition("/")[2]
        if role not in {one["RoleName"] for one in self.client("iam").list_roles(MaxItems=1000)["Roles"]}:
            raise ec2.Refused("AccessDenied", f"there is no role {role}")
        life = timedelta(seconds=int(parameters.get("DurationSeconds", 3600)))
        keys = self.identities.temporary(role, parameters["RoleSessionName"], life)
        credentials = {
            "AccessKeyId": keys.key,
            "SecretAccessKey": keys.secret,
            "SessionToken": keys.token,
            "Expiration": keys.until,
        }
        return {"Credentials": credentials, "AssumedRoleUser": {"AssumedRoleId": "AROA", "Arn": keys.arn}}

    def _signalled(self, parameters: dict[str, Any]) -> dict[str, Any]:
        # ministack's stacks do not wait for their groups; `groups` does.
        if parameters["Status"] == "SUCCESS":
            self.groups.signalled.add(parameters["UniqueId"])
        return {}

    def _described(self, parameters: dict[str, Any]) -> dict[str, Any]:
        wanted = parameters.get("AutoScalingGroupNames", [])
        groups = [one for one in self._groups() if not wanted or one["AutoScalingGroupName"] in wanted]
        for group in groups:
            group["Instances"] = [
                {
                    "InstanceId": one.id,
                    "AvailabilityZone": "us-east-1a",
                    "LifecycleState": {"pending": "Pending", "running": "InService"}.get(one.state, "Terminating"),
                    "HealthStatus": "Healthy",
                    "LaunchTemplate": {**group["LaunchTemplate"], "Version": one.tags.get(ec2.VERSION_TAG)},
                    "ProtectedFromScaleIn": False,
                }
                for one in self.groups.members(group["AutoScalingGroupName"])
            ]
        return {"AutoScalingGroups": groups}

    def _forward(self, request: Request, keys: Keys) -> tuple[int, dict[str, str], Iterator[bytes]]:
        # ministack takes a key for an account's number, and knows none of ours.
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        if "authorization" in headers:
            headers["authorization"] = headers["authorization"].replace(keys.key, "eyes")
        headers.pop("x-amz-security-token", None)
        target = request.path + (f"?{request.query.replace(keys.key, 'eyes')}" if request.query else "")
        answer = self._upstream.urlopen(
            request.method, target, request.body, headers, redirect=False, preload_content=False, decode_content=False
        )
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        length = answer.headers.get("content-length")
        if length is not None:
            kept["Content-Length"] = length
        return answer.status, kept, _pieces(answer)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        account = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body go in two writes; the second must not wait for the first's acknowledgement.
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                address = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, address.path, address.query, headers, self._body())
                status, answered, pieces = account.answer(request)
                self.send_response_only(status)  # the date, too, is in the headers
                chunked = "Content-Length" not in answered and self.command != "HEAD"
                for name, value in {**answered, **({"Transfer-Encoding": "chunked"} if chunked else {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                for piece in pieces:
                    if self.command != "HEAD":
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                if chunked:
                    self.wfile.write(b"0\r\n\r\n")

            do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

            def _body(self) -> bytes:
                if "chunked" in self.headers.get("Transfer-Encoding", ""):
                    return b"".join(self._chunks())
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))

            def _chunks(self) -> Iterator[bytes]:
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    yield self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let the thread die of every error but that a client has gone: hosts end in the middle of calls."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            raise


@contextmanager
def account(folder: Path, start: Callable[[ec2.Instance], object] = lambda instance: None) -> Iterator[Account]:
    """Run one that is ended with the block."""
    running = Account(folder, start)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def _said(status: int, body: bytes) -> tuple[int, dict[str, str], Iterator[bytes]]:
    date = formatdate(usegmt=True)
    return status, {"Content-Type": "text/xml", "Content-Length": str(len(body)), "Date": date}, iter([body])


def _pieces(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    try:
        yield from answer.stream(_PIECE, decode_content=False)
    finally:
        answer.release_conn()
