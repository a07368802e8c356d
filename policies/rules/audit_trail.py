"""Who did what on a host is recorded, and leaves the host."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan import LogSource, Plan
from planner.resources import Resource
from policies import examples
from policies.about import where
from policies.rule import Answer, Example, NotKnown, Rule, Stack, Violated
from policies.values import at

REQUIRED = {
    "audit": "what the kernel saw",
    "sshd": "who came in",
    "gateway": "whose tokens were refused",
    "admin": "who became root",
}
"""Sources of records without which nobody can say what an intruder did."""
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
VPC, FLOW_LOG = "aws:ec2/vpc:Vpc", "aws:ec2/flowLog:FlowLog"
NODES = ("aws:ec2/instance:Instance", "aws:autoscaling/group:Group")


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge which records leave the hosts of an account."""
    sources = {source.name for source in plan.logs.sources}
    for name, what in REQUIRED.items():
        if name not in sources:
            yield Violated(f"nobody records {what}: the source {name} is missing")


def on_stack(stack: Stack) -> Iterator[Answer]:
    """Judge where records go, and whether the network's are kept."""
    yield from _groups(stack)
    for vpc in stack.of_type(VPC):
        mine = [
            log
            for log in stack.of_type(FLOW_LOG)
            if vpc.urn in log.dependencies or (vpc.id and at(log.inputs, "vpcId") == vpc.id)
        ]
        if not mine:
            yield Violated("nobody records who talks to whom in the network (no flow log)", vpc)
        for log in mine:
            if at(log.inputs, "trafficType") not in (None, "ALL"):
                yield Violated(f"only traffic that was {at(log.inputs, 'trafficType')}ED is recorded", log)


def _groups(stack: Stack) -> Iterator[Answer]:
    if stack.plan is None or not any(stack.of_type(*NODES)):
        return
    groups = [at(group.inputs, "name") for group in stack.of_type(LOG_GROUP)]
    for source in stack.plan.logs.sources:
        if not any(isinstance(name, str) and name.endswith(f"/{source.name}") for name in groups):
            if any(not isinstance(name, str) for name in groups):
                yield NotKnown("the names of log groups")
            else:
                yield Violated(f"records of {source.name} have nowhere to go: there is no log group for them")


_VPC = examples.resource(VPC, "main", cidrBlock="10.42.0.0/16")
_LOG = examples.resource(FLOW_LOG, "main", after=(_VPC,), trafficType="ALL")
_NODE = examples.resource(NODES[0], "node-0")
_SOURCES = tuple(LogSource(name=name) for name in REQUIRED)


def _recording(*sources: LogSource) -> Plan:
    return examples.changed(target="aws", nodes=examples.with_node().nodes, logs={"sources": sources})


def _log_groups(*names: str) -> tuple[Resource, ...]:
    return tuple(examples.resource(LOG_GROUP, name, name=f"/cloister/example/{name}") for name in names)


RULE = Rule(
    id="audit-trail",
    title="Records of hosts and networks leave them as they are written",
    family="observability",
    severity="high",
    why=(
        "The first thing that an intruder with root does is to delete what shows the way in. What has left the host by "
        "then stays."
    ),
    remediation="Keep the sources that the planner lists, a log group for each and a flow log; see `deploy plan`.",
    controls=("cis-aws 3.7", "nist AU-2", "nist AU-9", "nist AU-12", "iso27001 A.8.15", "soc2 CC7.2"),
    references=("https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs.html",),
    good=(
        Example("a network whose traffic is recorded", (_VPC, _LOG)),
        Example("a node with a log group for each source", (_NODE, *_log_groups(*REQUIRED)), _recording(*_SOURCES)),
    ),
    bad=(
        Example("no flow log", (_VPC,)),
        Example(
            "only what was accepted", (_VPC, examples.resource(FLOW_LOG, "main", after=(_VPC,), trafficType="ACCEPT"))
        ),
        Example("nobody records who became root", plan=_recording(*_SOURCES[:3])),
        Example("a source with no log group", (_NODE, *_log_groups("audit", "sshd")), _recording(*_SOURCES)),
    ),
    on_plan=where(lambda plan: plan.target == "aws" and plan.nodes, on_plan),
    on_stack=on_stack,
)
