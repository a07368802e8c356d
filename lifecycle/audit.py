"""`audit`: the rules once more, over what runs: the account's resources and the hosts' files as they are now."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import msgspec

from lifecycle.auditing.account import read_account
from lifecycle.auditing.records import HostReading, Reading, Unread
from lifecycle.auditing.verdicts import settled, undecided
from lifecycle.policies import rules_of, today
from lifecycle.stack import Stack
from lifecycle.sweep import place_of_stack
from planner.errors import DeployError
from planner.plan import Plan
from planner.progress import Progress
from policies.finding import finding_of
from policies.live import STRANGE_FILES
from policies.rule import PLAN, Rule, Scope
from policies.run import Finding, Outcome, answered, find, place_of, refusals


class AuditedCluster(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster of Kubernetes that was audited.

    Attributes:
        context: its name in the kubeconfig file.
        server: address of its API.
        version: that the server tells.
        plugin: the program that was run to sign in; empty where the file holds the credentials.
        namespaces: that were asked for; none where all were.
        left_out: kind, namespace and name of what is the cluster's own, and was not judged.

    """

    context: str
    server: str
    version: str
    plugin: str
    namespaces: tuple[str, ...]
    left_out: tuple[str, ...]


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit found.

    Attributes:
        ok: every mandatory rule holds, and everything that it is about could be read.
        stack: its name; empty where a cluster was audited.
        account: number of the account; empty for a stack that has none.
        region: of the account.
        at: when it was looked, UTC.
        resources: places of the resources or objects that were judged, as the account or the cluster has them.
        files: paths of the files that were judged, each with its host where there are hosts.
        strangers: resources and files among these that neither state nor plan knows.
        gone: resources that the state knows and the account has no more.
        unread: what could not be read; each is a finding as well.
        rules: how many were run.
        findings: everything that is not as it should be.
        seconds: that it took.
        cluster: which one was audited, and how; None where it was a stack.

    """

    ok: bool
    stack: str
    account: str
    region: str
    at: datetime
    resources: tuple[str, ...]
    files: tuple[str, ...]
    strangers: tuple[str, ...]
    gone: tuple[str, ...]
    unread: tuple[Unread, ...]
    rules: int
    findings: tuple[Finding, ...]
    seconds: float
    cluster: AuditedCluster | None = None


@dataclass(frozen=True)
class Audited:
    """A running stack as it was read, and what rules say of it.

    Attributes:
        plan: with the nodes that serve it, where there are hosts.
        account: number of the account; empty for a stack that has none.
        region: of the account.
        reading: of the account.
        hosts: of each host, or of this machine, its files.
        rules: that were run.
        findings: everything that is not as it should be.
        judged: (id of a rule, level) wherever there was something that the rule is about.

    """

    plan: Plan
    account: str
    region: str
    reading: Reading
    hosts: Mapping[str, HostReading]
    rules: tuple[Rule, ...]
    findings: tuple[Finding, ...]
    judged: frozenset[tuple[str, Scope]]

    @property
    def files(self) -> dict[str, str]:
        """Path -> text of every file that was read, each path with its host where there are hosts."""
        return {path: text for one in self.hosts.values() for path, text in one.files.items()}

    @property
    def strangers(self) -> tuple[str, ...]:
        """Resources and files that neither state nor plan knows."""
        return (*self.reading.strangers, *(name for one in self.hosts.values() for name in one.strangers))

    @property
    def unread(self) -> tuple[Unread, ...]:
        """Whatever could not be read."""
        return (*self.reading.unread, *(one for host in self.hosts.values() for one in host.unread))


def audit(stack: Stack, progress: Progress) -> AuditReport:
    """Judge a running stack as it is. Nothing is changed by looking; every call only reads.

    Args:
        stack: that is up, or is being made.
        progress: told what is read.

    Raises:
        DeployError: its account does not answer, or the credentials are of another one.

    """
    started = time.monotonic()
    audited = look(stack, progress, today())
    return AuditReport(
        ok=not refusals(audited.findings, settled=True),
        stack=stack.plan.stack,
        account=audited.account,
        region=audited.region,
        at=datetime.now(UTC),
        resources=tuple(place_of(one) for one in audited.reading.resources),
        files=tuple(audited.files),
        strangers=audited.strangers,
        gone=audited.reading.gone,
        unread=audited.unread,
        rules=len(audited.rules),
        findings=audited.findings,
        seconds=round(time.monotonic() - started, 2),
    )


def look(stack: Stack, progress: Progress, day: date) -> Audited:
    """Read a running stack, and run the rules over what was read.

    Args:
        stack: that is up, or is being made.
        progress: told what is read.
        day: by which waivers end and models age.

    Raises:
        DeployError: its account does not answer, or the credentials are of another one.

    """
    plan, account, region, reading = stack.plan, "", "", Reading()
    if plan.target != "metal":
        place = place_of_stack(stack)
        account, region = place.account, place.region
        with progress.step("the account's resources, read"):
            known = stack.provisioner().resources()
            reading = read_account(place, known, given_vpc=plan.network.given is not None)
    served, hosts = read_files(stack, progress)
    rules = rules_of(plan)
    outcome = judge(plan, reading, hosts, rules, day)
    return Audited(
        plan=served,
        account=account,
        region=region,
        reading=reading,
        hosts=hosts,
        rules=rules,
        findings=outcome.findings,
        judged=outcome.judged,
    )


def judge(
    plan: Plan, reading: Reading, hosts: Mapping[str, HostReading], rules: tuple[Rule, ...], day: date
) -> Outcome:
    """Return every finding about what was read; whatever could not be decided is undecidable, and no pass.

    Args:
        plan: says what ought to be, which rules a team has lowered, and which violations it answers for.
        reading: of the account.
        hosts: of each host, or of this machine, its files.
        rules: that are run.
        day: by which waivers end and models age.

    """
    of_files = tuple(
        replace(rule, on_plan=None, on_day=None, on_resource=None, on_stack=None)
        for rule in rules
        if rule.on_files or rule.on_hosts
    )
    of_account = find(plan, reading.resources, rules, today=day, policy=plan.policy)
    findings, judged = list(of_account.findings), of_account.judged
    for name, host in hosts.items():
        # Each by itself: two hosts have files of the same names.
        of_host = find(None, (), of_files, files=host.files, today=day, policy=plan.policy)
        findings += [_on(name, finding, host) for finding in of_host.findings]
        judged |= of_host.judged
        findings += [
            finding_of(STRANGE_FILES, path, "nobody rendered it, and a program reads it", "violated")
            for path in host.strangers
        ]
    unread = (*reading.unread, *(one for host in hosts.values() for one in host.unread))
    findings += map(undecided, unread)
    paths = (path for host in hosts.values() for path in host.files)
    places = None if unread else (PLAN, "stack", *map(place_of, reading.resources), *paths)
    told = answered(tuple(dict.fromkeys(findings)), rules, plan.policy, day, places)
    return Outcome(findings=tuple(settled(finding) for finding in told), judged=judged)


def _on(name: str, finding: Finding, host: HostReading) -> Finding:
    """Say on which host a file is that a rule misses there."""
    if not name or finding.resource in host.files:
        return finding
    return msgspec.structs.replace(finding, resource=f"{name}:{finding.resource}")


def read_files(stack: Stack, progress: Progress) -> tuple[Plan, dict[str, HostReading]]:
    """Return the plan with the hosts that serve it, and what was read of each, or of this machine's own folder."""
    from lifecycle.served_hosts import served_hosts  # noqa: PLC0415 - loads SSH, which a sandbox does not need

    plan = stack.plan
    if plan.target == "sandbox":
        from lifecycle.auditing.sandbox import read_sandbox  # noqa: PLC0415 - as above

        with progress.step("the services' files, read"):
            return plan, {"": read_sandbox(plan, stack.layout)}
    try:
        with served_hosts(stack, progress) as served:
            if served is None:
                return plan, {}
            from lifecycle.auditing.hosts import read_hosts  # noqa: PLC0415 - as above

            with progress.step("the hosts' files, read"):
                return served.stack.plan, dict(read_hosts(served))
    except DeployError as error:  # what the account says is judged all the same
        return plan, {"hosts": HostReading(files={}, unread=(Unread(place="hosts", why=error.message),))}
