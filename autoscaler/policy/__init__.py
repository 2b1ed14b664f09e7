"""How many instances an observation calls for. Pure: no clock, no network, no chance; `loop` carries it out."""

from autoscaler.policy.policies import POLICIES, decide

__all__ = ["POLICIES", "decide"]
