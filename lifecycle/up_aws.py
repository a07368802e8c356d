"""`up` on AWS: the account's own resources and nodes. Every step may be killed; the next run goes on from there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from lifecycle.configure import configure_nodes, lacking
from lifecycle.home import StackHome
from lifecycle.journal import Journal
from lifecycle.planning import Kept, PlanReport, judge, remember, with_room
from lifecycle.policies import rules_of
from lifecycle.pulumi_place import StateChoice, keep_choice
from lifecycle.refusals import refuse_violations
from lifecycle.stack import Stack
from lifecycle.sweeping import baseline
from lifecycle.sweeping.records import Place
from lifecycle.up_report import UpReport, report_of
from planner.errors import DeployError
from planner.plan import Plan
from planner.progress import Progress, expect


class UpAws:
    """One run of `up` on AWS, step by step. The credentials have been found to be of the plan's account."""

    def __init__(
        self,
        home: StackHome,
        state: StateChoice | None,
        progress: Progress,
        agree: Callable[[PlanReport], bool],
    ) -> None:
        self.home = home
        self.state = state
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
            DeployError: something is refused, nobody agreed, or something failed; the message says what exists.

        """
        keep_choice(self.home, self.state)
        stack = Stack(self.home, plan, self.progress)
        provisioner = stack.provisioner()
        provisioner.check()
        made = self.home.plan.is_file()
        if made:  # what AWS or somebody else took away is made again, and paid: it belongs into what is agreed to
            with self.progress.step("resources, looked at"), self.journal.step("look at resources"):
                provisioner.refresh()
        with self.progress.step("plan"):
            report = judge(plan, self.home, self.progress)
            refuse_violations(report.findings, rules_of(report.plan))
            report = with_room(report, self.progress)
        if why := lacking(plan):
            self.progress.warn(why)
        if not self.agree(report):
            raise DeployError("not agreed: nothing was created", code="not_agreed")
        with self.journal.step("write plan"):
            remember(self.home, plan, kept)
        with self.progress.step("what is there already"), self.journal.step("baseline"):
            place = Place(provisioner.clients(), plan.account.number, plan.stack)
            baseline.ensure(self.home.baseline, place)
        begun = time.monotonic()
        with self.progress.step("resources"), self.journal.step("resources", f"account {plan.account.number}"):
            expect(self.progress, sum(count for op, count in report.changes.items() if op != "same"))
            outputs, changes = provisioner.up(refreshed=made)
        resources_s = round(time.monotonic() - begun, 2)
        with self.progress.step("services on the nodes"), self.journal.step("services on the nodes"):
            models = configure_nodes(stack, outputs, self.progress, report.room.drain if report.room else None)
        counted: Counter[str] = Counter(change.op for change in changes)
        return report_of(stack, models, counted, started=started, resources_s=resources_s)
