"""`repair`: settle what a killed run left in the engine's state, and nothing else."""

from __future__ import annotations

import msgspec

from lifecycle.aws.account import check_account
from lifecycle.aws.session import AwsSession
from lifecycle.home import StackHome
from lifecycle.journal import Journal
from lifecycle.lock import hold
from lifecycle.pulumi_place import known_choice
from lifecycle.stack import Stack
from planner.progress import Progress
from sandbox.engine.failures import short


class RepairReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and what became of it. Resources as the engine names them, in short.

    Attributes:
        backend: URL of the bucket that the state is in; empty for the stack's folder.
        engine: `pulumi`, which keeps locks and unfinished operations; `in-process`, which settles them in every run.
        lock_released: a lock was left that nobody held.
        adopted: were made in the account, and the state did not know; the next `up` finishes them.
        forgotten: had been begun, and had made nothing, or are known by now.

    """

    stack: str
    engine: str
    backend: str = ""
    lock_released: bool = False
    adopted: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()


def repair(home: StackHome, progress: Progress, *, break_lock: bool = False) -> RepairReport:
    """Settle what a killed run left. Twice is fine.

    Args:
        home: of the stack.
        progress: told about each step.
        break_lock: release the lock of a state in a bucket, of which nobody here can tell who holds it.

    Raises:
        DeployError: there is no such stack, or the credentials are of another account.
        LockedError: a verb or an engine works on the stack.

    """
    stack = Stack.load(home, progress)
    if stack.plan.target == "aws":
        check_account(AwsSession(stack.plan.network.region), stack.plan.account.number)
    with hold(home, "repair"):
        journal = Journal(home.journal, "repair")
        with progress.step("state of the engine"), journal.step("settle the engine's state"):
            mended = stack.provisioner().repair(break_lock=break_lock)
    if mended is None:
        return RepairReport(stack=home.name, engine="in-process")
    return RepairReport(
        stack=home.name,
        engine="pulumi",
        backend=known_choice(home).backend,
        lock_released=mended.released,
        adopted=tuple(short(urn) for urn in mended.adopted),
        forgotten=tuple(short(urn) for urn in mended.forgotten),
    )
