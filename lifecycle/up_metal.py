"""`up` on hosts that SSH reaches. Every step may be killed, and the hosts with it; the next run goes on from there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from lifecycle.bundle.folder import read_manifest
from lifecycle.bundle.transfer import transfer
from lifecycle.home import StackHome
from lifecycle.hosts.facts import Facts, read_facts
from lifecycle.hosts.fit import but_for_our_own, fit, fits, needs_of
from lifecycle.hosts.kept import KeptHosts, arrival, nobody
from lifecycle.hosts.play_variables import host_variables, prepare_variables
from lifecycle.hosts.serve_stack import serve_stack
from lifecycle.hosts.session import HostSession, OpenHost
from lifecycle.hosts.subject import endpoint_of
from lifecycle.journal import Journal
from lifecycle.planning import Kept, PlanReport, judge, remember
from lifecycle.refusals import refuse_violations
from lifecycle.stack import Stack
from lifecycle.up import prepare_secrets, wait_for_endpoint
from lifecycle.up_report import UpReport
from planner.bundle import bundle_id
from planner.catalogue import load_catalogue
from planner.contents import contents_of
from planner.errors import DeployError
from planner.layout import CURRENT_BUNDLE
from planner.plan import Plan, to_json
from planner.progress import Progress

APT_CONFIG = "/opt/cloister/apt/apt.conf"
"""Of the role `bundle`: names the bundle as the only source of packages."""


class DoesNotFitError(DeployError):
    """A host is not what the plan asks for; nothing was changed."""

    code = "host_does_not_fit"


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
        self.changed = 0

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
        with HostSession.open(self.home, self.hosts, "up", self.progress, nobody) as session:
            with self.progress.step("hosts, looked at"):
                facts = {one.host.name: _look(one, plan) for one in session.hosts}
            self._agree(plan)
            with self.journal.step("write plan"):
                remember(self.home, plan, kept)
            with self.progress.step("secrets and certificates"), self.journal.step("secrets and certificates"):
                prepare_secrets(stack, None)
            self._bring_about(session, stack, facts)
            with self.progress.step("endpoint answers"), self.journal.step("endpoint answers"):
                models = self._answers(session, stack)
        seconds = round(time.monotonic() - started, 2)
        return UpReport(
            stack=plan.stack,
            profile=plan.profile,
            target=plan.target,
            url=stack.url,
            ca_file=stack.ca_file,
            models=models,
            changes=dict(Counter({"update": self.changed})) if self.changed else {},
            seconds=seconds,
            endpoint_after_s=seconds,
            resources_s=0.0,
            plan=plan,
        )

    def _agree(self, plan: Plan) -> None:
        with self.progress.step("plan"):
            report = judge(plan, self.home, self.progress)
        refuse_violations(report.findings)
        same = self.home.plan.is_file() and self.home.plan.read_text(encoding="utf-8") == to_json(plan)
        if not same and not self.agree(report):
            raise DeployError("not agreed: nothing was changed", code="not_agreed")

    def _bring_about(self, session: HostSession, stack: Stack, facts: dict[str, Facts]) -> None:
        """Prepare the hosts, bring what they install, and start the services."""
        arrivals = {one.host.name: arrival(one.connection) for one in session.hosts}
        of_hosts = {one.host.name: host_variables(one.host, facts[one.host.name]) for one in session.hosts}
        with self.progress.step("programs"), self.journal.step("programs"):
            from_bundle = self._install(session, stack.plan)
        with self.progress.step("prepare"), self.journal.step("prepare"):
            variables = prepare_variables(stack.plan, self.hosts.inventory, arrivals)
            self.changed += session.play("prepare", {**variables, **from_bundle}, of_hosts=of_hosts).changed
        with self.progress.step("services"), self.journal.step("services"):
            self.changed += serve_stack(session, stack, facts).changed

    def _install(self, session: HostSession, plan: Plan) -> dict[str, str]:
        """Bring the bundle, and install from it alone; return what `prepare` is told of it.

        Raises:
            DeployError: the bundle is another one than the profile's, does not arrive, or there is none.

        """
        if not self.hosts.bundle:
            for one in session.hosts:
                _check_programs(one)
            return {}
        folder = Path(self.hosts.bundle)
        name = bundle_id(read_manifest(folder))
        if plan.bundle.id not in {"", name}:
            raise DeployError(
                f"{folder} is the bundle {name[:12]}, the profile is for {plan.bundle.id[:12]}",
                hint="Name the folder of the profile's bundle, or its id in `bundle.id`.",
                code="other_bundle",
            )
        for one in session.hosts:
            one.lock.check()
            transfer(self.hosts.inventory, one.host, session.login, folder, self.progress)
        contents = contents_of(plan, load_catalogue())
        self.changed += session.play(
            "install",
            {
                "bundle_id": name,
                "bundle_packages": list(contents.packages),
                "runtime_environments": list(contents.environments),
            },
        ).changed
        return {"prepare_apt_config": APT_CONFIG}

    def _answers(self, session: HostSession, stack: Stack) -> tuple[str, ...]:
        """Ask every host's endpoint from here, straight or through SSH."""
        models: tuple[str, ...] = ()
        for planned in stack.plan.hosts:
            with endpoint_of(stack, self.hosts, planned, session.login) as (address, reached):
                models = wait_for_endpoint(stack, host=address, reached=reached)
        return models


def _look(one: OpenHost, plan: Plan) -> Facts:
    """Read a host's facts, and refuse one that does not fit before anything is changed on it.

    Raises:
        DoesNotFitError: it does not fit.

    """
    facts, catalogue = read_facts(one.connection), load_catalogue()
    needs = needs_of(plan, catalogue)
    verdicts = fit(one.host, facts, but_for_our_own(needs) if one.keeper.owner else needs, catalogue)
    if fits(verdicts):
        return facts
    against = [verdict for verdict in verdicts if verdict.state == "no"]
    raise DoesNotFitError(
        f"{one.host.name} does not fit the plan: "
        + "; ".join(f"{verdict.what}: {verdict.found}" for verdict in against),
        hint="Nothing was changed. `deploy hosts check` shows everything that was looked at.",
        details=tuple((verdict.what, verdict.remedy) for verdict in against),
    )


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
