"""The other side of the web tier: its API over HTTP, a Python client, and `elastiq classify` on it. Needs no AWS."""

from app.client.elastiq import Elastiq
from app.client.patience import Lost
from app.client.result import Result
from app.client.run import Run

__all__ = ["Elastiq", "Lost", "Result", "Run"]
