"""Where instances run: one port, and behind it EC2, processes of this machine, or workers that are only watched."""

from autoscaler.fleet.choice import make_fleet
from autoscaler.fleet.port import Fleet, NoRoom, NotLaunched

__all__ = ["Fleet", "NoRoom", "NotLaunched", "make_fleet"]
