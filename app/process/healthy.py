"""Whether a process is healthy; in containers ``python -m app.process.healthy URL``, or a FILE in place of the URL.

Exit status 0 when the address answers with success, or the file was touched within half a minute; else 1, and why.
It imports the standard library alone: it is started every few seconds.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

OLD_S = 30.0
PATIENCE_S = 4.0


def why_not(target: str) -> str:
    """Return why a process is not healthy; empty when it is.

    Args:
        target: an http address, or the path of a file that the process touches (``ELASTIQ_ALIVE_FILE``).
    """
    try:
        if target.startswith("http://"):
            return _ask(target)
        age_s = time.time() - Path(target).stat().st_mtime
    except OSError as err:
        return f"{target}: {err}"
    return f"{target} was last touched {age_s:.0f} s ago" if age_s > OLD_S else ""


def _ask(url: str) -> str:
    # Imported here: they take twice as long as all the rest.
    import urllib.request
    from http.client import HTTPException

    # A proxy that the environment names for the Internet cannot reach this machine.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=PATIENCE_S):  # its other errors are OSErrors
            return ""
    except HTTPException as err:
        return f"{url}: no HTTP: {err!r}"


if __name__ == "__main__":
    sys.exit(why_not(sys.argv[1]) or 0)
