"""The engine: a compiled model with its preprocessing and labels.

`load(name)` gives one to a worker; `python -m tasks.engine build NAME` makes the artifact that it loads.
"""

from tasks.engine.engine import Engine, load

__all__ = ["Engine", "load"]
