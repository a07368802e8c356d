"""Nothing that people rely on runs on machines that are taken back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from planner.plan import Plan
from policies import examples
from policies.about import where
from policies.rule import Answer, Example, Rule, Violated


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge how nodes are bought."""
    for node in plan.nodes:
        if node.capacity == "spot" and plan.purpose == "service":
            yield Violated(f"{node.name} is taken back at two minutes' notice, and people rely on it (`aws.capacity`)")
        if node.capacity in ("reservation", "capacity-block") and not node.reservation_id:
            yield Violated(f"{node.name} is to start in a reservation that nobody names (`aws.reservation_id`)")


def _bought(purpose: str = "service", **fields: Any) -> Plan:
    return msgspec.structs.replace(examples.with_node(**fields), purpose=purpose)


RULE = Rule(
    id="capacity-fits-purpose",
    title="Services run on capacity that stays, and reservations are named",
    family="lifecycle",
    severity="medium",
    why=(
        "Spot machines are taken back at two minutes' notice, when everybody wants them. Whoever relies on the "
        "endpoint then turns to a hosted one, with the same prompts."
    ),
    remediation=(
        "Set `aws.capacity` to on-demand, or give `aws.reservation_id`; `deploy capacity find --profile 2xh200` "
        "looks for blocks."
    ),
    controls=("nist SC-6", "iso27001 A.8.6", "soc2 A1.1"),
    references=("https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-interruptions.html",),
    good=(
        Example("on demand", plan=_bought()),
        Example("spot, for a proof of concept", plan=_bought("proof-of-concept", capacity="spot")),
        Example(
            "a block that is named", plan=_bought(capacity="capacity-block", reservation_id="cr-0123456789abcdef0")
        ),
    ),
    bad=(
        Example("spot, for a service", plan=_bought(capacity="spot")),
        Example("a block that is not named", plan=_bought(capacity="capacity-block")),
    ),
    on_plan=where(lambda plan: plan.nodes, on_plan),
)
