"""EC2's notices: that it takes a spot instance back, that it may some day, and that the autoscaler asks it to drain.

They are read from the instance's own metadata service, version 2. Source: EC2 user guide, "Spot Instance interruption
notices", "EC2 instance rebalance recommendations", "Instance metadata and user data".
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import structlog
import urllib3
from urllib3.exceptions import HTTPError

from app.announcements import NOTICE
from app.domain import DRAIN_TAG
from app.errors import TransientError
from app.process.steps import repeat
from app.settings import Settings
from tasks.worker.leaving import ASKED

log = structlog.get_logger(__name__)

EVERY_S = 5.0
TIMEOUT_S = 2.0
TOKEN_S = 6 * 3600
# Where a notice appears -> why the worker then leaves. Until then each answers 404. An instance sees its own tags if
# its launch template has InstanceMetadataTags=enabled.
PATHS = {
    "spot/instance-action": NOTICE,
    f"tags/instance/{DRAIN_TAG}": ASKED,
}
# Looked at only if that is set: most that are recommended to be replaced are never taken back (docs/worker.md).
RECOMMENDED = {"events/recommendations/rebalance": NOTICE}


class Metadata:
    """The metadata service of the instance that this process runs on.

    Args:
        endpoint: its address.
        paths: where notices appear.
    """

    def __init__(self, endpoint: str, paths: Mapping[str, str] = PATHS) -> None:
        self._endpoint, self.paths = endpoint.rstrip("/"), paths
        # Never through a proxy, and never again after a failure: the next look comes soon enough.
        timeout = urllib3.Timeout(connect=TIMEOUT_S, read=TIMEOUT_S)
        self._http = urllib3.PoolManager(timeout=timeout, retries=False, maxsize=1)
        self._token = ""

    def get(self, path: str) -> str | None:
        """Return what is at ``path`` below ``meta-data``; None while nothing is.

        Raises:
            TransientError: the service did not answer as it should.
        """
        answer = self._ask(path) if self._token else None
        if answer is None or answer.status == 401:  # no token yet, or it has expired
            self._token = self._new_token()
            answer = self._ask(path)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise TransientError(f"the metadata service answers {answer.status} for {path}")
        return answer.data.decode(errors="replace")

    def _ask(self, path: str) -> urllib3.BaseHTTPResponse:
        return self._request("GET", f"/latest/meta-data/{path}", {"X-aws-ec2-metadata-token": self._token})

    def _new_token(self) -> str:
        answer = self._request("PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_S)})
        if answer.status != 200:
            raise TransientError(f"the metadata service gives no token: {answer.status}")
        return answer.data.decode()

    def _request(self, method: str, path: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        try:
            return self._http.request(method, self._endpoint + path, headers=headers)
        except HTTPError as err:
            raise TransientError(f"the metadata service at {self._endpoint} does not answer: {err}") from err


class Notices:
    """Looks for notices every few seconds, in a thread of its own, until there is one.

    Args:
        metadata: where they appear.
        heed: is called with why the worker is to leave, once.
        every_s: seconds between two looks.
    """

    def __init__(self, metadata: Metadata, heed: Callable[[str], object], every_s: float = EVERY_S) -> None:
        self._metadata, self._heed, self._every_s = metadata, heed, every_s
        self._stopped = threading.Event()
        self._failing = False

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._run, name="notices", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def look(self) -> str | None:
        """Return why the worker is to leave; None while there is no notice, or none can be had, which is logged."""
        try:
            for path, why in self._metadata.paths.items():
                said = self._metadata.get(path)
                if said is not None:
                    log.warning("notice_received", notice=path, said=said)
                    return why
        except TransientError as err:
            if not self._failing:
                log.warning("notices_unheard", reason=str(err), retry_in_s=self._every_s)
            self._failing = True
        else:
            self._failing = False
        return None

    def _run(self) -> None:
        repeat(self._look_and_heed, self._stopped.wait, lambda: self._every_s, name="notices")

    def _look_and_heed(self) -> None:
        why = self.look()
        if why is not None:
            self._heed(why)
            self._stopped.set()


def metadata_for(settings: Settings, environment: Mapping[str, str]) -> Metadata | None:
    """Return the metadata service if this process runs on EC2, by the id of its instance, and is not kept from it."""
    disabled = environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
    if disabled or not settings.worker.instance_id.startswith("i-"):
        return None
    paths = {**PATHS, **RECOMMENDED} if settings.worker.heed_rebalance else PATHS
    return Metadata(environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254", paths)
