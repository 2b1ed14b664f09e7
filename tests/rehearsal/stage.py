"""The stage: an account, its machines and an operator, on which the story is played once from beginning to end."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.rehearsal.account import account
from tests.rehearsal.hosts import folder, hosts
from tests.rehearsal.operator import operator
from tests.rehearsal.story import Story
from tests.rehearsal.watch import watched


def played(place: Path) -> Story:
    """Play the story; what every host said is kept in ``.elastiq/rehearsal/consoles``.

    Args:
        place: for all that it makes; of no use afterwards.

    Raises:
        AssertionError: it did not go on, or a part of the stage broke; with what was said last.
    """
    with ExitStack() as stack:
        watch = stack.enter_context(watched())
        machines = stack.enter_context(hosts(folder(), place / "machines"))
        there = stack.enter_context(account(place / "account", machines.start))
        machines.serve(there)
        stack.callback(machines.end)  # before the account that they call
        keys = there.identities.lasting("deployer")
        person = stack.enter_context(operator(place / "operator", there.serve(), keys, watch))
        story = Story(there, machines, person, watch)
        try:
            story.play()
        finally:
            story.keep(folder() / "consoles")
        return story
