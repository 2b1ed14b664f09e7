"""systemctl, systemd-run, shutdown, poweroff and journalctl on a rehearsed host: a line to `init`, and its answer."""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from itertools import pairwise
from pathlib import Path

SOCKET = "/run/rehearsal.socket"
JOURNAL = Path("/var/log/rehearsal.journal")


def main(words: list[str]) -> int:
    """Return the exit status."""
    if words[0] == "journalctl":
        journal(words[1:])
        return 0
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(SOCKET)
        with connection.makefile("rw") as stream:
            stream.write(json.dumps(words) + "\n")
            stream.flush()
            status, said = json.loads(stream.readline())
    if said:
        print(said, file=sys.stderr if status else sys.stdout)
    return int(status)


def journal(words: list[str]) -> None:
    """Print the journal as JSON, one record a line, as ``journalctl --output=json`` does; follow it where asked to."""
    told = dict(word.lstrip("-").split("=", 1) for word in words if word.startswith("--") and "=" in word)
    wanted = [value for word, value in pairwise(words) if word in ("-u", "--unit")]
    wanted += [word.split("=", 1)[1] for word in words if word.startswith("--unit=")]
    after = int(told.get("after-cursor", "-1"))
    follow = any(word in ("-f", "--follow") for word in words)
    with JOURNAL.open() as file:
        number = -1
        while True:
            line = file.readline()
            if not line.endswith("\n"):
                if not follow:
                    return
                file.seek(file.tell() - len(line.encode()))
                time.sleep(0.2)
                continue
            number += 1
            entry = json.loads(line)
            if number > after and (not wanted or any(_matches(entry["unit"], name) for name in wanted)):
                record = {
                    "__CURSOR": str(number),
                    "__REALTIME_TIMESTAMP": str(int(entry["at"] * 1e6)),
                    "_SYSTEMD_UNIT": entry["unit"],
                    "UNIT": entry["unit"],
                    "SYSLOG_IDENTIFIER": entry["unit"].partition(".")[0],
                    "_PID": str(entry["pid"]),
                    "PRIORITY": "6",
                    "MESSAGE": entry["message"],
                }
                print(json.dumps(record), flush=True)


def _matches(unit: str, pattern: str) -> bool:
    return re.fullmatch(pattern.replace("*", ".*"), unit) is not None or unit == f"{pattern}.service"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
