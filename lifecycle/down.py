"""`down`: take the stack away, and prove that nothing is left. Works on a half-made, killed or corrupted stack."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from lifecycle import ports, teardown_certificate
from lifecycle.aws.account import check_account
from lifecycle.aws.session import AwsSession
from lifecycle.down_report import DownReport
from lifecycle.home import StackHome
from lifecycle.journal import Journal, read
from lifecycle.lock import hold
from lifecycle.marked import marked_processes, stop_marked
from lifecycle.planning import kept_of
from lifecycle.pulumi_place import engine_folder
from lifecycle.stack import Stack, no_such_stack
from lifecycle.sweep import patience_of, place_of_stack
from lifecycle.sweeping import baseline
from lifecycle.sweeping.swept import Known, Swept, ids_of, machine_ids, sweep
from lifecycle.teardown_certificate import Certificate, Leftover, Removed
from planner.errors import DeployError, LockedError
from planner.progress import Progress

DESTROY, SWEEP = "resources", "sweep by tag"
"""Titles of the two steps that delete in the account."""


def down(home: StackHome, progress: Progress, *, keep_weights: bool = False) -> DownReport:
    """Take the stack away. Twice is fine.

    Args:
        home: the stack.
        progress: told about each step.
        keep_weights: weights stay on the hosts of the target `metal`; elsewhere there are none.

    Raises:
        DeployError: there never was such a stack.
        LockedError: another verb works on it.

    """
    started = time.monotonic()
    if not home.exists:
        if (earlier := teardown_certificate.latest(home)) is not None:
            return DownReport(ok=True, stack=home.name, leftovers=(), certificate=str(earlier), seconds=0.0)
        raise no_such_stack(home)
    with hold(home, "down"):
        if (kept := kept_of(home)) is not None and kept.hosts:
            from lifecycle.down_metal import DownMetal  # noqa: PLC0415 - loads SSH, which the sandbox does not need

            return DownMetal(home, kept.hosts, progress, keep_weights=keep_weights).run(kept.profile.name, started)
        return _Down(home, progress).run(started)


class _Down:
    """One run of `down`. Every step goes on where a step before it failed: what is left is found out at the end."""

    def __init__(self, home: StackHome, progress: Progress) -> None:
        self.home = home
        self.progress = progress
        self.journal = Journal(home.journal, "down")
        self.removed: list[Removed] = []
        self.leftovers: list[Leftover] = []
        self.remarks: list[str] = []
        self.looked: list[str] = []
        self.swept: Swept | None = None
        self.known_ids: frozenset[str] = frozenset()
        self.numbers = ports.remembered(home)
        self.on_aws = False

    def run(self, started: float) -> DownReport:
        begun = datetime.now(UTC)
        self._note_journal()
        stack = self._load()
        self.on_aws = self._check_account(stack)
        with self.journal.step("down"):
            if stack is not None:
                if not self.on_aws:
                    self._attempt("services that clients reach", lambda: self._stop_services(stack))
                self._attempt(DESTROY, lambda: self._destroy(stack))
                self._attempt(SWEEP, lambda: self._sweep(stack))
            self._attempt("processes", self._stop_everything)
            self._attempt("proof", self._prove)
        written = teardown_certificate.write(
            self.home,
            Certificate(
                stack=self.home.name,
                profile=stack.plan.profile if stack else "",
                begun_at=begun.isoformat(timespec="seconds"),
                ended_at=datetime.now(UTC).isoformat(timespec="seconds"),
                removed=tuple(self.removed),
                leftovers=tuple(self.leftovers),
                looked=tuple(self.looked),
                remarks=tuple(self.remarks),
                swept=self.swept,
            ),
        )
        if not self.leftovers:
            with self.progress.step("files"):
                self._remove_files()
        return DownReport(
            ok=not self.leftovers,
            stack=self.home.name,
            leftovers=tuple(self.leftovers),
            certificate=str(written),
            seconds=round(time.monotonic() - started, 2),
        )

    def _attempt(self, title: str, work: Callable[[], None]) -> None:
        """Do a step; one that fails is noted, and the rest goes on."""
        try:
            with self.progress.step(title), self.journal.step(title):
                work()
        except LockedError:
            raise  # whoever works on the stack makes what a sweep would not see yet, or needs what it would delete
        except Exception as error:  # noqa: BLE001 - whatever fails here, the steps after it still have work to do
            self.remarks.append(f"{title}: {type(error).__name__}: {error}")
            self.progress.warn(f"{title}: {error}")
            if self.on_aws and title in {DESTROY, SWEEP}:
                # An emulated account ends with its process; what AWS was not asked to delete may be there, and is paid.
                self.leftovers.append(Leftover(kind="unknown", id=title, where=str(error)))

    def _check_account(self, stack: Stack | None) -> bool:
        """Tell whether the stack is on AWS, with credentials of its account: in another one nothing would be left.

        Raises:
            DeployError: the credentials are of another account, or nobody can tell which account the stack is in.

        """
        if stack is None and engine_folder(self.home).exists():
            raise DeployError(
                f"the plan of {self.home.name!r} cannot be read, and with it which account its resources are in",
                hint=f"`deploy plan --stack {self.home.name} --profile NAME --target aws` shows what `up` would write "
                f"anew; then `deploy down`. Pulumi's own state is in {engine_folder(self.home)}.",
                code="plan_unreadable",
            )
        if stack is None or stack.plan.target != "aws":
            return False
        check_account(AwsSession(stack.plan.network.region), stack.plan.account.number)
        return True

    def _load(self) -> Stack | None:
        """Read the stack; a damaged one is taken down by what its processes and its folder tell."""
        try:
            return Stack.load(self.home, self.progress)
        except DeployError as error:
            self.remarks.append(error.message)
            self.progress.warn(f"{error.message}: going by processes and files")
            return None

    def _note_journal(self) -> None:
        entries, broken = read(self.home.journal)
        if broken:
            self.remarks.append(f"{broken} lines of the journal could not be read; {len(entries)} could")

    def _stop_services(self, stack: Stack) -> None:
        """Stop all but the account, and what is reached first goes first: nobody is served by half a stack."""
        names = [service.name for service in reversed(stack.plan.services) if service.name != "aws"]
        ended = stack.processes.stop(names)
        self.removed += [Removed(kind="process", name=f"{process.name} (pid {process.pid})") for process in ended]

    def _destroy(self, stack: Stack) -> None:
        provisioner = stack.provisioner()
        if not provisioner.account_answers():
            known = provisioner.resources_or_none()
            self.remarks.append(
                "the emulated account does not run: its resources ended with it"
                + (f" ({len(known)} were recorded)" if known else "")
            )
            return
        self.known_ids = ids_of(provisioner.resources_or_none() or ())
        if self.on_aws:  # what somebody made from a disk names the disk, which is gone by the time it is looked for
            self.known_ids |= machine_ids(place_of_stack(stack))
        self.removed += [
            Removed(kind=change.type, name=change.name) for change in provisioner.destroy() if change.op == "delete"
        ]

    def _sweep(self, stack: Stack) -> None:
        """Look in the account for anything that is the stack's, and delete what carries its tag."""
        provisioner = stack.provisioner()
        if not provisioner.account_answers():
            self.looked.append("emulated account: does not run, so it holds nothing")
            return
        place = place_of_stack(stack)
        known = Known(ids=self.known_ids, baseline=baseline.read(self.home.baseline))
        self.swept = sweep(place, self.progress, known=known, delete=True, within_s=patience_of(stack.plan.target))
        self.removed += teardown_certificate.removed_by(self.swept)
        self.leftovers += teardown_certificate.leftovers_of(self.swept)
        whose = "" if self.on_aws else "emulated "
        self.looked.append(f"{whose}{teardown_certificate.sentence(self.swept)}")

    def _stop_everything(self) -> None:
        ended = stop_marked(self.home.layout)
        self.removed += [Removed(kind="process", name=f"{process.name} (pid {process.pid})") for process in ended]

    def _prove(self) -> None:
        alive = marked_processes(self.home.layout)
        if not self.on_aws and not any(process.name == "aws" for process in alive):
            self.looked.append("the emulated account: stopped, and whatever it still held ended with it")
        self.leftovers += [Leftover(kind="process", id=str(p.pid), where=p.name) for p in alive]
        self.looked.append(f"processes marked with this stack's folder in their environment: {len(alive)} left")
        # Every process of the stack carries its mark: a port that is still in use is somebody else's by now.
        busy = [f"{number} ({name})" for name, number in self.numbers.items() if not ports.is_free(number)]
        others = f"{len(busy)} in use by other programs: {', '.join(busy)}" if busy else "none in use"
        self.looked.append(f"ports {', '.join(map(str, sorted(self.numbers.values()))) or 'none'}: {others}")

    def _remove_files(self) -> None:
        """Remove the folders; the plan goes first, so that a stack that is half removed is known as such."""
        self.home.plan.unlink(missing_ok=True)
        for folder in (Path(self.home.layout.run), self.home.folder):
            shutil.rmtree(folder, ignore_errors=False) if folder.exists() else None
