"""`audit --kubeconfig`: the rules for manifests, over the objects that a cluster has in force."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path

from lifecycle.audit import AuditedCluster, AuditReport
from lifecycle.auditing.cluster.judged import SYSTEM, judged, once
from lifecycle.auditing.cluster.reading import PAGE, read_cluster, version_of
from lifecycle.auditing.cluster.signing_in import connected
from lifecycle.auditing.verdicts import settled, undecided
from lifecycle.policies import rules_in, today
from planner.errors import UsageError
from planner.plan import PolicyPlan
from planner.progress import Progress
from policies.run import evaluate, refusals

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A namespace's name (RFC 1123, section 2.1)."""


def audit_cluster(
    kubeconfig: Path,
    progress: Progress,
    *,
    context: str = "",
    namespaces: tuple[str, ...] = (),
    system: bool = False,
    policy: PolicyPlan | None = None,
    page: int = PAGE,
) -> AuditReport:
    """Judge the objects of a cluster as they are. Nothing is changed by looking: every call is a GET.

    Args:
        kubeconfig: the file that names the cluster, and who asks.
        progress: told what is read.
        context: of the file; its current one where this is empty.
        namespaces: these alone, and what is the whole cluster's; all where none is named.
        system: judge what is the cluster's own as well. A namespace of its own that is named is judged anyway.
        policy: further rules, waivers and levels.
        page: objects that are asked for at once.

    Raises:
        UsageError: the file, the context or a namespace cannot be used.
        DeployError: the cluster does not answer, is not the one that the file trusts, or does not take its credentials.

    """
    if wrong := [one for one in namespaces if not NAME.fullmatch(one)]:
        raise UsageError(f"{wrong[0]!r} is no name of a namespace", code="unknown_namespace")
    started, policy = time.monotonic(), policy or PolicyPlan()
    rules = tuple(rule for rule in rules_in(policy.folders) if rule.on_manifests)
    own = frozenset() if system else frozenset(SYSTEM) - frozenset(namespaces)
    with connected(kubeconfig, context) as cluster, progress.step(f"the objects of {cluster.name}, read"):
        if cluster.plugin:
            progress.note(f"signed in by running {cluster.plugin}, which {kubeconfig} names")
        version = version_of(cluster)
        listing = read_cluster(cluster, tuple(dict.fromkeys(namespaces)), page)
    chosen = judged(cluster.name, listing.objects, own)
    found = evaluate(None, (), rules, manifests=chosen.manifests, today=today(), policy=policy)
    findings = (*map(settled, once(found, chosen.makers)), *map(undecided, listing.unread))
    return AuditReport(
        ok=not refusals(findings, settled=True),
        stack="",
        account="",
        region="",
        at=datetime.now(UTC),
        resources=tuple(one.place for one in chosen.manifests.objects),
        files=(),
        strangers=(),
        gone=(),
        unread=listing.unread,
        rules=len(rules),
        findings=findings,
        seconds=round(time.monotonic() - started, 2),
        cluster=AuditedCluster(
            context=cluster.name,
            server=cluster.server,
            version=version,
            plugin=cluster.plugin,
            namespaces=namespaces,
            left_out=chosen.left_out,
        ),
    )
