"""Steps without end: an error that one of them raises is told, and costs that step alone."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from app.errors import ElastiqError

log = structlog.get_logger(__name__)

# After a step that broke, in seconds: doubled with each in a row, so that no loop runs hot on what does not mend.
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 15.0


def repeat(
    step: Callable[[], object],
    wait: Callable[[float], bool],
    every_s: Callable[[], float],
    *,
    name: str,
    first_s: float = 0.0,
    fatal: tuple[type[Exception], ...] = (),
) -> None:
    """Take steps until ``wait`` says that it is over.

    What a step raises is logged as ``step_broke``, with how many have in a row, and with its traceback unless it is an
    `ElastiqError`, which says by itself what is wrong. The next step comes all the same, after a longer pause.

    Args:
        step: may raise anything.
        wait: waits so many seconds, and returns early whether it is over; such as `threading.Event.wait`.
        every_s: returns the seconds from the end of a step to the next.
        name: of these steps, in the log.
        first_s: seconds before the first step.
        fatal: errors that are raised and end it; nothing else does.
    """
    pause_s, broken = first_s, 0
    while not wait(pause_s):
        try:
            step()
        except fatal:
            raise
        except Exception as err:  # whatever it is, the next step may do better
            broken += 1
            pause_s = max(every_s(), min(LONGEST_PAUSE_S, SHORTEST_PAUSE_S * 2 ** min(broken - 1, 10)))
            _tell(err, name, broken, pause_s)
        else:
            broken, pause_s = 0, every_s()


def each(*actions: Callable[[], object]) -> None:
    """Take every action, whatever the others did; the first error is raised at the end, and the others are logged."""
    errors: list[Exception] = []
    for action in actions:
        try:
            action()
        except Exception as err:  # whatever it is, the next action is taken
            errors.append(err)
    for other in errors[1:]:
        unforeseen = not isinstance(other, ElastiqError)
        log.warning("failed_as_well", reason=f"{type(other).__name__}: {other}", exc_info=unforeseen)
    if errors:
        raise errors[0]


def _tell(err: Exception, name: str, broken: int, pause_s: float) -> None:
    log.error(
        "step_broke",
        of=name,
        reason=f"{type(err).__name__}: {err}",
        in_a_row=broken,
        next_in_s=pause_s,
        exc_info=not isinstance(err, ElastiqError),
    )
