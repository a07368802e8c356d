"""Sensitive prompts do not cross a network in the clear between the nodes of a replica."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan import DataPlan, Plan
from policies import examples
from policies.about import where
from policies.rule import Answer, Example, Rule, Violated

ISOLATED = {
    "sandbox": "nothing leaves the machine",
    "aws": "a security group of the nodes' own, and Nitro encrypts between p5 instances",
}
"""Targets where nobody else reads what nodes tell each other, and why."""


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge a replica that spans nodes."""
    nodes = 1 + len(plan.engine.worker_args)
    if plan.data.level == "sensitive" and plan.target not in ISOLATED:
        yield Violated(f"a replica spans {nodes} nodes, whose engines talk in the clear over the network between them")
    if plan.target == "aws":
        for node in plan.nodes:
            if not node.placement_group:
                yield Violated(f"{node.name} is one of {nodes} nodes of a replica, and stands in no group of their own")


def _spanning(workers: int, *, target: str) -> Plan:
    return examples.changed(
        target=target,
        data=DataPlan(level="sensitive", control=("FR",)),
        engine={"worker_args": (("example/example-8b", "--headless"),) * workers},
    )


RULE = Rule(
    id="sensitive-on-one-node",
    title="Sensitive prompts cross no shared network between nodes",
    family="data",
    severity="critical",
    why=(
        "Engines send activations and cached keys between nodes without encryption and without asking who is there. "
        "Whoever is on that network reads prompts, or joins the replica."
    ),
    remediation=(
        "Serve on one node (`hardware.count`), or on a target whose fabric is isolated: `deploy plan --target aws`."
    ),
    controls=("nist SC-8", "iso27001 A.8.22", "soc2 CC6.7", "gdpr Art. 32"),
    references=("https://docs.vllm.ai/en/latest/usage/security.html",),
    good=(
        Example("one node on any host", plan=_spanning(0, target="metal")),
        Example("two nodes that nobody else hears", plan=_spanning(1, target="sandbox")),
    ),
    bad=(
        Example("two nodes on a shared network", plan=_spanning(1, target="metal")),
        Example("four nodes on a shared network", plan=_spanning(3, target="kubernetes")),
    ),
    on_plan=where(lambda plan: plan.engine.worker_args, on_plan),
)
