#!/usr/bin/python3 -I
"""Makes a stock image a host of Elastiq's: fetches its bundle, checks it, starts its units.

docker/aws/elastiq.yaml has this file in its user data, followed by a call of `main`. It needs the standard library
alone. Whatever fails is told on the console and in CloudWatch Logs, and powers the host off.
"""

import datetime
import hashlib
import hmac
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ATTEMPTS, PAUSE_S, PAGE_S = 6, 1.0, 300
CHUNK = 1024 * 1024
DEADLINE = "elastiq-deadline.timer"  # powers the host off, unless it is stopped


def main(values, root="/"):
    """Set the host up as ``values`` say; power it off if that fails.

    Args:
        values: ``bucket`` and ``key`` of the bundle, ``group`` of logs, ``alive`` for the logs' unit, ``settings`` of
            all units, and ``units``: the settings of each beside them, by name; ``stack``, if it waits for this host,
            and ``page``: what answers when all is well.
        root: where the host's files are.
    """
    began, host = time.monotonic(), Host()
    try:
        host.look()
        seconds = set_up(values, host, Path(root))
        told = {"event": "host_ready", "seconds": {**seconds, "all": round(time.monotonic() - began, 1)}}
        print(json.dumps({**told, "key": values["key"]}), flush=True)
    except BaseException as err:
        reason = f"{type(err).__name__}: {err}"
        say({"event": "host_setup_failed", "reason": reason, "key": values.get("key")}, host, values.get("group"))
        tell_stack(values, host, well=False)
        subprocess.run(["systemctl", "poweroff"], check=False)
        sys.exit(1)
    if values.get("stack"):
        tell_stack(values, host, well=answers(host, values["page"]))


def set_up(values, host, root):
    """Fetch, unpack, write the units' environments, start them; return the seconds that each took."""
    began = time.monotonic()
    digest = values["key"].rsplit("-", 1)[-1].partition(".")[0]
    opt, mark = root / "opt/elastiq", root / "opt/elastiq/digest"
    fetched = began
    if not mark.is_file() or mark.read_text().strip() != digest:  # an image may have it baked in
        packed = root / "opt/elastiq.part"
        packed.parent.mkdir(parents=True, exist_ok=True)
        retry(lambda: fetch(host, values["bucket"], values["key"], packed, digest))
        fetched = time.monotonic()
        unpack(packed, opt)
        mark.write_text(digest)
    unpacked = time.monotonic()
    write_environments(values, host, root)
    start(values["units"], opt, root)
    times = {"fetch": fetched - began, "unpack": unpacked - fetched, "start": time.monotonic() - unpacked}
    return {name: round(taken, 1) for name, taken in times.items()}


def fetch(host, bucket, key, to, digest):
    """Write the object to a file, and check that it is what its name says."""
    found = hashlib.sha256()
    with host.call("s3", "GET", host.object_url(bucket, key)) as answer, to.open("wb") as file:
        while chunk := answer.read(CHUNK):
            found.update(chunk)
            file.write(chunk)
        left = int(answer.headers.get("Content-Length") or 0) - file.tell()
    if left > 0:
        raise OSError(f"the connection broke {left} bytes before the end of {key}")
    if found.hexdigest() != digest:
        to.unlink()
        raise ValueError(f"s3://{bucket}/{key} has the SHA-256 {found.hexdigest()}, and not the one in its name")


def unpack(packed, to):
    """Put the bundle in its place, whole or not at all."""
    new = to.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    with tarfile.open(packed) as archive:
        # Debian 12's Python has no filters yet.
        archive.extractall(new, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    shutil.rmtree(to, ignore_errors=True)
    new.rename(to)
    packed.unlink()


def write_environments(values, host, root):
    """Write what each unit reads, and the roles that processes take on."""
    folder = root / "etc/elastiq"
    folder.mkdir(parents=True, exist_ok=True)
    passed_on = {name: value for name, value in os.environ.items() if name.startswith("AWS_E")}
    common = {"AWS_REGION": host.region, "ELASTIQ_INSTANCE_ID": host.instance, "ELASTIQ_LOG_FORMAT": "json"}
    logs = {"GROUP": values["group"], "STREAM": host.instance, "ALIVE": values["alive"]}
    roles = {}
    for unit, settings in {**values["units"], "logs": logs}.items():
        role = settings.get("ROLE")
        roles.update({unit: role} if role else {})
        taken = {"AWS_PROFILE": unit, "AWS_CONFIG_FILE": str(folder / "aws.conf")} if role else {}
        told = {**common, **passed_on, **values["settings"], **settings, **taken}
        lines = [f"{name}={quoted(str(value))}\n" for name, value in sorted(told.items()) if name != "ROLE"]
        (folder / f"{unit}.env").write_text("".join(lines))
    source = f"credential_source = Ec2InstanceMetadata\nregion = {host.region}\n"
    texts = [
        f"[profile {unit}]\nrole_arn = {arn}\nrole_session_name = {host.instance}\n{source}"
        for unit, arn in roles.items()
    ]
    (folder / "aws.conf").write_text("".join(texts))


def quoted(text):
    """Return a value as systemd reads it from a file."""
    for letter in '\\"$`':
        text = text.replace(letter, "\\" + letter)
    return f'"{text}"'


def start(units, opt, root):
    """Install the bundle's units, start them, and call the power-off off."""
    folder = root / "etc/systemd/system"
    folder.mkdir(parents=True, exist_ok=True)
    for unit in sorted((opt / "units").iterdir()):
        shutil.copy(unit, folder)
    wanted = [f"elastiq-{unit}.service" for unit in ["logs", *units]]
    for command in (["daemon-reload"], ["enable", "--now", *wanted], ["stop", DEADLINE]):
        done = subprocess.run(["systemctl", *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"systemctl {' '.join(command)}: {done.stderr.strip()}")
    (root / "etc/elastiq/ready").touch()  # whence the next boot knows that there is nothing to do


def answers(host, page):
    """Return whether the page answers within some minutes."""
    deadline = time.monotonic() + PAGE_S
    while time.monotonic() < deadline:
        try:
            host.open(page, timeout=5).close()
            return True
        except OSError:
            time.sleep(PAUSE_S)
    return False


def tell_stack(values, host, well):
    """Tell CloudFormation, which replaces no other host before this one is well; it listens only during a change."""
    if not values.get("stack"):
        return
    told = {"Action": "SignalResource", "Version": "2010-05-15", "StackName": values["stack"]}
    told |= {"LogicalResourceId": "Control", "UniqueId": host.instance, "Status": "SUCCESS" if well else "FAILURE"}
    url = endpoint("CLOUDFORMATION") or f"https://cloudformation.{host.region}.{host.domain}"
    form, body = {"Content-Type": "application/x-www-form-urlencoded"}, urllib.parse.urlencode(told).encode()
    try:
        retry(lambda: host.call("cloudformation", "POST", f"{url}/", form, body).close())
    except Exception as err:
        print(json.dumps({"event": "stack_not_told", "well": well, "reason": str(err)}), flush=True)


class Host:
    """This instance by its metadata service, and calls to AWS in the name of its role."""

    def __init__(self):
        self.region = self.instance = self.domain = ""
        self.metadata = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254").rstrip("/")
        # Never through a proxy: neither the metadata service nor S3's endpoint in the VPC is behind one.
        self.open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def look(self):
        """Learn where it runs."""
        self.region = retry(lambda: self.about("placement/region"))
        self.instance = self.about("instance-id")
        try:
            self.domain = self.about("services/domain")
        except OSError:
            self.domain = "amazonaws.com"

    def about(self, path):
        """Return what the metadata service says, version 2."""
        ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
        token = self.ask(urllib.request.Request(f"{self.metadata}/latest/api/token", method="PUT", headers=ttl))
        url = f"{self.metadata}/latest/meta-data/{path}"
        return self.ask(urllib.request.Request(url, headers={"X-aws-ec2-metadata-token": token}))

    def ask(self, request):
        """Return the answer of the metadata service."""
        with self.open(request, timeout=5) as answer:
            return answer.read().decode()

    def object_url(self, bucket, key):
        """Return the address of an object, or of one at the endpoint that the environment names."""
        path, own = urllib.parse.quote(key), endpoint("S3")
        return f"{own}/{bucket}/{path}" if own else f"https://{bucket}.s3.{self.region}.{self.domain}/{path}"

    def log(self, action, **parameters):
        """Make a call to CloudWatch Logs."""
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"Logs_20140328.{action}"}
        url = endpoint("LOGS") or f"https://logs.{self.region}.{self.domain}"
        with self.call("logs", "POST", f"{url}/", headers, json.dumps(parameters).encode()) as answer:
            answer.read()

    def call(self, service, method, url, headers=(), body=b""):
        """Make one call, signed. Source: AWS Signature Version 4, "Create a signed AWS API request"."""
        role = self.about("iam/security-credentials/").strip()
        keys = json.loads(self.about(f"iam/security-credentials/{role}"))
        at = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        parts, hashed = urllib.parse.urlsplit(url), hashlib.sha256(body).hexdigest()
        signed = {
            "host": parts.netloc,
            "x-amz-content-sha256": hashed,
            "x-amz-date": at,
            "x-amz-security-token": keys["Token"],
        }
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        request = "\n".join([method, parts.path or "/", parts.query, lines, names, hashed])
        scope = f"{at[:8]}/{self.region}/{service}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(request.encode()).hexdigest()])
        key = f"AWS4{keys['SecretAccessKey']}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"Credential={keys['AccessKeyId']}/{scope}, SignedHeaders={names}, Signature={signature}"
        told = {**dict(headers), **signed, "Authorization": f"AWS4-HMAC-SHA256 {credential}"}
        return self.open(urllib.request.Request(url, body or None, told, method=method), timeout=30)


def endpoint(service):
    """Return where a service is, if the environment says so."""
    return (os.environ.get(f"AWS_ENDPOINT_URL_{service}") or os.environ.get("AWS_ENDPOINT_URL", "")).rstrip("/")


def retry(attempt):
    """Return what ``attempt`` does; try again, after growing pauses, what may pass, such as a new role's refusal."""
    for number in range(ATTEMPTS):
        try:
            return attempt()
        except OSError as err:
            if number == ATTEMPTS - 1 or getattr(err, "code", 500) in (400, 404):
                raise
            print(json.dumps({"event": "host_setup_retried", "reason": str(err)}), flush=True)
            time.sleep(2**number * random.uniform(0.5, 1) * PAUSE_S)


def say(what, host, group):
    """Tell on the console and in CloudWatch Logs, as far as that goes."""
    text = json.dumps({**what, "instance": host.instance})
    print(text, flush=True)
    try:
        stream = {"logGroupName": group, "logStreamName": f"{host.instance}-setup"}
        try:
            host.log("CreateLogStream", **stream)
        except urllib.error.HTTPError as err:
            if err.code != 400:  # it is there already, or PutLogEvents fails too
                raise
        host.log("PutLogEvents", **stream, logEvents=[{"timestamp": int(time.time() * 1000), "message": text}])
    except Exception as err:  # the console has it
        print(json.dumps({"event": "host_log_failed", "reason": f"{type(err).__name__}: {err}"}), flush=True)
