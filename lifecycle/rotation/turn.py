"""What every rotation has in common: the stack's lock, its journal, and the way to whoever serves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

from lifecycle.aws.account import check_account
from lifecycle.aws.session import AwsSession
from lifecycle.home import StackHome
from lifecycle.hosts.serve_stack import pass_on
from lifecycle.journal import Journal
from lifecycle.lock import hold
from lifecycle.stack import Stack
from planner.errors import DeployError, UsageError
from planner.progress import Progress

VERB = "rotate"


class Turn:
    """One run of `rotate`, under the stack's lock."""

    def __init__(self, stack: Stack, progress: Progress) -> None:
        self.stack = stack
        self.progress = progress
        self.journal = Journal(stack.home.journal, VERB)
        self.now = datetime.now(UTC)

    @classmethod
    @contextlib.contextmanager
    def of(cls, home: StackHome, progress: Progress) -> Iterator[Turn]:
        """Take the stack's lock.

        Raises:
            DeployError: there is no such stack, or the credentials are of another account.
            LockedError: another verb works on it.

        """
        with hold(home, VERB):
            stack = Stack.load(home, progress)
            if stack.plan.target == "aws":
                check_account(AwsSession(stack.plan.network.region), stack.plan.account.number)
            yield cls(stack, progress)

    @contextlib.contextmanager
    def run(self, what: str) -> Iterator[None]:
        """Record that the rotation itself begins: whatever is refused is refused before."""
        with self.journal.step(VERB, what):
            yield

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Record a step before it happens, and tell of it."""
        with self.progress.step(name), self.journal.step(name):
            yield

    def pass_on(self) -> None:
        """Bring what was changed here to whoever serves.

        Raises:
            DeployError: a host is not reached, and has the old one still.

        """
        pass_on(self.stack, VERB, self.progress)


def refuse_early(until: datetime, now: datetime, why: str) -> None:
    """Refuse to end an overlap before its time.

    Raises:
        DeployError: it is not over.

    """
    if now < until:
        raise DeployError(
            f"{why} until {until:%Y-%m-%d %H:%M} UTC; nothing was changed",
            hint="Run it again then; or add --now, which does not wait.",
            code="overlap",
        )


def nothing_under_way(what: str) -> UsageError:
    """Return the error for going on with a rotation that nobody began."""
    return UsageError(
        f"no rotation of {what} is under way", hint="Leave --finish and --cancel out to begin one.", code="no_rotation"
    )
