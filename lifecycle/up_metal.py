"""`up` on hosts that SSH reaches. Every step may be killed, and the hosts with it; the next run goes on from there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from lifecycle.bundle.folder import read_manifest
from lifecycle.bundle.transfer import transfer
from lifecycle.home import StackHome
from lifecycle.hosts.at_once import at_once
from lifecycle.hosts.bringing import Bringing
from lifecycle.hosts.image_room import packed_images
from lifecycle.hosts.kept import KeptHosts
from lifecycle.hosts.session import HostSession, OpenHost
from lifecycle.journal import Journal
from lifecycle.planning import Kept, PlanReport, judge, remember
from lifecycle.policies import rules_of
from lifecycle.refusals import refuse_violations
from lifecycle.stack import Stack
from lifecycle.up import prepare_secrets
from lifecycle.up_report import UpReport, report_of
from planner.bundle import bundle_id
from planner.errors import DeployError
from planner.layout import CURRENT_BUNDLE
from planner.plan import Plan, to_json
from planner.progress import Progress


class UpMetal:
    """One run of `up` on hosts, step by step."""

    def __init__(
        self, home: StackHome, hosts: KeptHosts, progress: Progress, agree: Callable[[PlanReport], bool]
    ) -> None:
        self.home = home
        self.hosts = hosts
        self.progress = progress
        self.agree = agree
        self.journal = Journal(home.journal, "up")

    def run(self, plan: Plan, kept: Kept, started: float) -> UpReport:
        """Bring the stack up.

        Args:
            plan: as decided.
            kept: what it was made from.
            started: when the verb began, on the monotonic clock.

        Raises:
            DeployError: a host does not fit, something is refused, nobody agreed, or something failed; the message
                says what exists.
            LockedError: somebody else works on a host.

        """
        stack = Stack(self.home, plan, self.progress)
        with HostSession.open(self.home, self.hosts, "up", self.progress) as session:
            bringing = Bringing(session, stack, self.journal)
            facts = bringing.look(packed_images(plan, Path(self.hosts.bundle)) if self.hosts.bundle else ())
            self._agree(plan)
            with self.journal.step("write plan"):
                remember(self.home, plan, kept)
            with self.progress.step("secrets and certificates"), self.journal.step("secrets and certificates"):
                prepare_secrets(stack, None)
            bundle = self._bundle(session, plan)
            with session.changing():
                if bundle:
                    with self.progress.step("programs"), self.journal.step("programs"):
                        self._install(bringing, bundle)
                bringing.prepare(facts, self.hosts.inventory, from_bundle=bool(bundle))
                bringing.accept()
                bringing.serve(facts)
            models = bringing.answers()
        return report_of(stack, models, {"update": bringing.changed} if bringing.changed else {}, started=started)

    def _agree(self, plan: Plan) -> None:
        with self.progress.step("plan"):
            report = judge(plan, self.home, self.progress)
        refuse_violations(report.findings, rules_of(report.plan))
        same = self.home.plan.is_file() and self.home.plan.read_text(encoding="utf-8") == to_json(plan)
        if not same and not self.agree(report):
            raise DeployError("not agreed: nothing was changed", code="not_agreed")

    def _bundle(self, session: HostSession, plan: Plan) -> str:
        """Return the id of the bundle that hosts install from; empty where they have one already.

        Raises:
            DeployError: the bundle is another one than the profile's, or there is none.

        """
        if not self.hosts.bundle:
            for one in session.hosts:
                _check_programs(one)
            return ""
        name = bundle_id(read_manifest(Path(self.hosts.bundle)))
        if plan.bundle.id not in {"", name}:
            raise DeployError(
                f"{self.hosts.bundle} is the bundle {name[:12]}, the profile is for {plan.bundle.id[:12]}",
                hint="Name the folder of the profile's bundle, or its id in `bundle.id`.",
                code="other_bundle",
            )
        return name

    def _install(self, bringing: Bringing, bundle: str) -> None:
        """Bring the bundle and install from it.

        Raises:
            DeployError: it does not arrive, or cannot be installed from.

        """
        session, folder, stop = bringing.session, Path(self.hosts.bundle), threading.Event()

        def bring(one: OpenHost) -> None:
            one.lock.check()
            transfer(self.hosts.inventory, one.host, session.login, folder, self.progress, stop=stop)

        try:
            at_once(bring, session.hosts)
        except BaseException:
            stop.set()  # a person may have interrupted us, and not the threads
            raise
        bringing.install(bundle)


def _check_programs(one: OpenHost) -> None:
    """Make sure that a bundle was installed.

    Raises:
        DeployError: there is none.

    """
    if one.connection.run(f"test -d {CURRENT_BUNDLE}/programs").code:
        raise DeployError(
            f"{one.host.name}: no bundle is installed, so there are no programs to run",
            hint="`deploy bundle make` makes one; name its folder with --bundle. What was done so far stays.",
            code="no_bundle",
        )
