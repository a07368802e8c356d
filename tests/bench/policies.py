"""How long judging takes: the AWS stack of a shipped profile, stacks with more and more nodes, and evidence."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import msgspec

from lifecycle.evidence.gather import Looked
from lifecycle.evidence.package import write_evidence
from lifecycle.exposure.verb import resources_of
from lifecycle.home import Home
from planner.resources import Resource
from policies import run
from policies.exposure.planned import planned
from policies.exposure.reach import prove
from policies.rules import RULES
from tests.bench.measure import Figure, machine, say, time_of
from tests.policies.preview_program import preview
from tests.policies.stacks import Shipped

ROUNDS = 15
NODES = (16, 32, 64, 128)
PER_NODE = ("aws:ec2/launchTemplate:LaunchTemplate", "aws:ec2/instance:Instance")
DAY, MOMENT = date(2026, 11, 21), datetime(2026, 11, 21, tzinfo=UTC)


def main() -> None:
    """Measure and print."""
    say(f"# Policies ({machine()})")
    shipped = preview("2xh200", "aws")
    times = [time_of(partial(judge, shipped)) for _ in range(ROUNDS)]
    how = f"{len(RULES)} rules, {len(shipped.resources)} resources, {len(shipped.files)} files"
    say(Figure("2xh200 on AWS", times, 0.150, how).line())
    for nodes in NODES:
        grown = with_nodes(shipped, nodes)
        times = [time_of(partial(judge, grown)) for _ in range(5)]
        bound = 2.0 if nodes == NODES[-1] else None
        how = f"{len(grown.resources)} resources, {min(times) / nodes * 1000:.1f} ms per node"
        say(Figure(f"{nodes} nodes", times, bound, how).line())
    seen = looked_at(shipped)
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        home = Home(Path(folder)).stack("example")
        pages = [time_of(partial(write_evidence, seen, home, Path(folder) / "out", MOMENT)) for _ in range(5)]
    say(
        Figure("evidence of 2xh200 on AWS, written", pages, 3.0, "record, page, picture, SARIF, bill, signature").line()
    )


def looked_at(shipped: Shipped) -> Looked:
    """Return what evidence is made of, judged and proven already."""
    resources = resources_of(shipped.plan)
    outcome = run.judge(shipped.plan, shipped.resources, files=shipped.files, today=DAY)
    return Looked(
        plan=shipped.plan,
        resources=shipped.resources,
        described=resources,
        files=shipped.files,
        findings=outcome.findings,
        judged=outcome.judged,
        exposure=prove(planned(shipped.plan, resources, shipped.files), of="plan", stack="example"),
        audited=None,
        live=None,
        bundle=None,
        beyond=(),
    )


def judge(shipped: Shipped) -> None:
    """Run all rules over everything, and read every file anew."""
    found = run.evaluate(shipped.plan, shipped.resources, files=shipped.files, today=DAY)
    if any(finding.status == "broken" for finding in found):
        sys.exit("a rule is broken: the figure would be none")


def with_nodes(shipped: Shipped, count: int) -> Shipped:
    """Return the stack with so many nodes, each with a template and an instance of its own."""
    first = [one for one in shipped.resources if one.type in PER_NODE]
    rest = [one for one in shipped.resources if one.type not in PER_NODE]
    (node,) = shipped.plan.nodes
    nodes = tuple(msgspec.structs.replace(node, name=f"node-{number}") for number in range(count))
    resources = [_renamed(one, number) for number in range(count) for one in first]
    return Shipped(msgspec.structs.replace(shipped.plan, nodes=nodes), (*rest, *resources), shipped.files)


def _renamed(resource: Resource, number: int) -> Resource:
    def name(text: str) -> str:
        return text.replace("node-0", f"node-{number}")

    return msgspec.structs.replace(
        resource,
        name=name(resource.name),
        urn=name(resource.urn),
        dependencies=tuple(map(name, resource.dependencies)),
    )


if __name__ == "__main__":
    main()
