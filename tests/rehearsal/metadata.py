"""The metadata service of a rehearsed host, at 169.254.169.254 in the host's own network."""

from __future__ import annotations

import json
import socket
import threading
from datetime import UTC, datetime, timedelta

from tests.rehearsal.ec2 import Instance
from tests.rehearsal.identities import ACCOUNT, Identities
from tests.support.metadata import MetadataService

ADDRESS = "169.254.169.254"
# As short as botocore bears: what ends within some minutes more it takes for good, because AWS's own may be late.
LIFE = timedelta(minutes=16)


class HostMetadata(MetadataService):
    """What one instance finds there; version 2 only.

    Args:
        listener: where it answers.
        instance: whose it is.
        identities: give the role's keys, new ones when the last are half spent.
        region: where the instance is.
    """

    def __init__(self, listener: socket.socket, instance: Instance, identities: Identities, region: str) -> None:
        super().__init__(listener)
        self._instance, self._identities, self._region = instance, identities, region
        self._document = ""
        self._renew_at = datetime.now(UTC)
        self._giving = threading.Lock()

    def start(self) -> None:
        """Answer, until `stop`."""
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def at(self, path: str) -> str | None:
        """Return what is at a path, below ``/latest/meta-data`` unless it begins with a slash."""
        instance, role = self._instance, self._instance.role
        found: dict[str, str] = {
            "instance-id": instance.id,
            "ami-id": str(instance.data.get("ImageId", "")),
            "instance-type": str(instance.data.get("InstanceType", "")),
            "instance-life-cycle": "spot" if instance.spot else "on-demand",
            "placement/region": self._region,
            "placement/availability-zone": f"{self._region}a",
            "services/domain": "amazonaws.com",
            "/latest/user-data": instance.user_data.decode(),
            "/latest/dynamic/instance-identity/document": self._identity(),
        }
        if role:
            found["iam/security-credentials/"] = found["iam/security-credentials"] = role
        if path == f"iam/security-credentials/{role}":
            return self._credentials()
        if instance.data.get("MetadataOptions", {}).get("InstanceMetadataTags") == "enabled":
            found |= {f"tags/instance/{key}": value for key, value in instance.tags.items()}
        if instance.ends_at is not None:
            found["spot/instance-action"] = json.dumps({"action": "terminate", "time": _stamp(instance.ends_at)})
        return found.get(path)

    def _identity(self) -> str:
        about = {
            "instanceId": self._instance.id,
            "region": self._region,
            "accountId": ACCOUNT,
            "availabilityZone": f"{self._region}a",
        }
        return json.dumps(about)

    def _credentials(self) -> str:
        with self._giving:
            now = datetime.now(UTC)
            if now >= self._renew_at:
                keys = self._identities.temporary(self._instance.role, self._instance.id, LIFE)
                self._renew_at = now + LIFE / 16
                told = {"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": _stamp(now)}
                given = {"AccessKeyId": keys.key, "SecretAccessKey": keys.secret, "Token": keys.token}
                self._document = json.dumps({**told, **given, "Expiration": _stamp(now + LIFE)})
            return self._document


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
