"""A stolen token ends soon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.plan import Plan
from policies import examples
from policies.readers import on_gateway
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

LONGEST_S = 86_400
LEEWAY_S = 60


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge what was decided."""
    yield from _judge(plan.identity.max_lifetime_s, plan.identity.leeway_s)


def _on_gateway(config: Any) -> Iterator[Answer]:
    yield from _judge(at(config, "auth", "max_lifetime_s"), at(config, "auth", "leeway_s"))


def _judge(lifetime: Any, leeway: Any) -> Iterator[Answer]:
    if not isinstance(lifetime, int) or not 0 < lifetime <= LONGEST_S:
        yield Violated(f"tokens are good for {lifetime or 'ever'} s, and a day is {LONGEST_S} s")
    if not isinstance(leeway, int) or not 0 <= leeway <= LEEWAY_S:
        yield Violated(f"tokens are good {leeway} s after their end, and clocks differ by less than {LEEWAY_S} s")


RULE = Rule(
    id="short-tokens",
    title="A token is good for a day at most",
    family="identity",
    severity="high",
    why=(
        "A token that was copied from a notebook or a log works until it ends, wherever it is used. Revoking "
        "helps only whoever notices."
    ),
    remediation=(
        "Lower `identity.max_token_lifetime_s` to 86400 or less; `deploy token issue --client me` makes new ones."
    ),
    controls=("nist IA-5", "nist SC-23", "iso27001 A.5.17", "soc2 CC6.1"),
    references=("https://www.rfc-editor.org/rfc/rfc8725", "https://www.rfc-editor.org/rfc/rfc9700"),
    good=(
        Example("an hour", plan=examples.changed(identity={"max_lifetime_s": 3600})),
        Example("a day, in the file", files=examples.gateway({"auth.max_lifetime_s": 86400})),
    ),
    bad=(
        Example("a week", plan=examples.changed(identity={"max_lifetime_s": 604800})),
        Example("an hour of leeway", plan=examples.changed(identity={"leeway_s": 3600})),
        Example("a month, in the file", files=examples.gateway({"auth.max_lifetime_s": 2592000})),
        Example("nothing said, in the file", files=examples.gateway({"auth.max_lifetime_s": ...})),
    ),
    on_plan=on_plan,
    on_files=on_gateway(_on_gateway),
)
