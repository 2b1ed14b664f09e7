"""Writes what hosts do first (docker/aws/host) into the template, docker/aws/elastiq.yaml, which must be one file."""

from __future__ import annotations

from pathlib import Path

AWS = Path(__file__).parent / "aws"
TEMPLATE = AWS / "elastiq.yaml"
START, END = "     UserData: |\n", "\nConditions:\n"
USER_DATA = """\
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="elastiq"

--elastiq
Content-Type: text/cloud-boothook; charset="us-ascii"

{deadline}
--elastiq
Content-Type: text/x-shellscript; charset="us-ascii"

{setup}
"""


def user_data() -> str:
    """Return the user data of every host, but for the call of `main` at its end."""
    deadline, setup = ((AWS / "host" / name).read_text() for name in ("deadline.sh", "bootstrap.py"))
    return USER_DATA.format(deadline=deadline, setup=setup)


def main() -> None:
    """Replace what the template has of them."""
    before, _, rest = TEMPLATE.read_text().partition(START)
    _, end, after = rest.partition(END)
    lines = [f"      {line}".rstrip() + "\n" for line in user_data().splitlines()]
    TEMPLATE.write_text("".join([before, START, *lines, end, after]))


if __name__ == "__main__":
    main()
