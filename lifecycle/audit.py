"""`audit`: the rules once more, over what runs: the account's resources and the hosts' files as they are now."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

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
from policies.rule import Rule
from policies.run import Finding, evaluate, place_of, refusals


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


def audit(stack: Stack, progress: Progress) -> AuditReport:
    """Judge a running stack as it is. Nothing is changed by looking; every call only reads.

    Args:
        stack: that is up, or is being made.
        progress: told what is read.

    Raises:
        DeployError: its account does not answer, or the credentials are of another one.

    """
    started, plan = time.monotonic(), stack.plan
    account, region, reading = "", "", Reading()
    if plan.target != "metal":
        place = place_of_stack(stack)
        account, region = place.account, place.region
        with progress.step("the account's resources, read"):
            known = stack.provisioner().resources()
            reading = read_account(place, known, given_vpc=plan.network.given is not None)
    hosts = dict(_files(stack, progress))
    rules = rules_of(plan)
    findings = judge(plan, reading, hosts, rules)
    beside = [name for one in hosts.values() for name in one.strangers]
    return AuditReport(
        ok=not refusals(findings, settled=True),
        stack=plan.stack,
        account=account,
        region=region,
        at=datetime.now(UTC),
        resources=tuple(place_of(one) for one in reading.resources),
        files=tuple(name for one in hosts.values() for name in one.files),
        strangers=(*reading.strangers, *beside),
        gone=reading.gone,
        unread=(*reading.unread, *(one for host in hosts.values() for one in host.unread)),
        rules=len(rules),
        findings=findings,
        seconds=round(time.monotonic() - started, 2),
    )


def judge(
    plan: Plan, reading: Reading, hosts: Mapping[str, HostReading], rules: tuple[Rule, ...]
) -> tuple[Finding, ...]:
    """Return every finding about what was read; whatever could not be decided is undecidable, and no pass.

    Args:
        plan: says what ought to be, which rules a team has lowered, and which violations it answers for.
        reading: of the account.
        hosts: of each host, or of this machine, its files.
        rules: that are run.

    """
    day = today()
    of_files = tuple(
        replace(rule, on_plan=None, on_day=None, on_resource=None, on_stack=None) for rule in rules if rule.on_files
    )
    findings = list(evaluate(plan, reading.resources, rules, today=day))
    for name, host in hosts.items():
        # Each by itself: two hosts have files of the same names.
        found = evaluate(None, (), of_files, files=host.files, today=day, policy=plan.policy)
        findings += [_on(name, finding, host) for finding in found]
        findings += [
            finding_of(STRANGE_FILES, path, "nobody rendered it, and a program reads it", "violated")
            for path in host.strangers
        ]
    findings += map(undecided, reading.unread)
    findings += [undecided(one) for host in hosts.values() for one in host.unread]
    return tuple(settled(finding) for finding in dict.fromkeys(findings))


def _on(name: str, finding: Finding, host: HostReading) -> Finding:
    """Say on which host a file is that a rule misses there."""
    if not name or finding.resource in host.files:
        return finding
    return msgspec.structs.replace(finding, resource=f"{name}:{finding.resource}")


def _files(stack: Stack, progress: Progress) -> Iterator[tuple[str, HostReading]]:
    """Yield what was read of each host, or of this machine's own folder."""
    from lifecycle.served_hosts import served_hosts  # noqa: PLC0415 - loads SSH, which a sandbox does not need

    if stack.plan.target == "sandbox":
        from lifecycle.auditing.sandbox import read_sandbox  # noqa: PLC0415 - as above

        with progress.step("the services' files, read"):
            yield "", read_sandbox(stack.plan, stack.layout)
        return
    try:
        with served_hosts(stack, progress) as served:
            if served is not None:
                from lifecycle.auditing.hosts import read_hosts  # noqa: PLC0415 - as above

                with progress.step("the hosts' files, read"):
                    yield from read_hosts(served)
    except DeployError as error:  # what the account says is judged all the same
        yield "hosts", HostReading(files={}, unread=(Unread(place="hosts", why=error.message),))
