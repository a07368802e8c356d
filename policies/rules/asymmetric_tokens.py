"""Tokens are signed with a key that the gateway does not have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.plan import Plan
from policies import examples
from policies.readers import on_gateway
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

SOUND = frozenset({"EdDSA", "Ed25519", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
"""Asymmetric signatures of RFC 7518, RFC 8037 and RFC 9864."""


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge what was decided."""
    yield from _judge(plan.identity.algorithms)


def _on_gateway(config: Any) -> Iterator[Answer]:
    yield from _judge(at(config, "auth", "algorithms") or ())


def _judge(algorithms: Any) -> Iterator[Answer]:
    if not algorithms:
        yield Violated("no algorithm is named, so that a token chooses its own")
    for algorithm in algorithms:
        if algorithm not in SOUND:
            yield Violated(f"tokens are accepted that are signed with {algorithm}")


def _signed(*algorithms: str) -> Plan:
    return examples.changed(identity={"algorithms": algorithms})


RULE = Rule(
    id="asymmetric-tokens",
    title="Tokens carry an asymmetric signature",
    family="identity",
    severity="critical",
    why=(
        "With `none` everybody writes tokens, and with a shared secret everybody who verifies them does. A "
        "verifier that takes HS256 beside RS256 takes the issuer's public key for the secret."
    ),
    remediation=(
        "Leave the planner's list; an own issuer is named by `identity.issuer`. `deploy verify` tries `none` and HS256."
    ),
    controls=("nist SC-13", "nist IA-5", "iso27001 A.8.5", "soc2 CC6.1"),
    references=("https://www.rfc-editor.org/rfc/rfc8725",),
    good=(
        Example("EdDSA", plan=_signed("EdDSA")),
        Example("several, in the file", files=examples.gateway({"auth.algorithms": ["ES256", "RS256"]})),
    ),
    bad=(
        Example("none", plan=_signed("EdDSA", "none")),
        Example("a shared secret", plan=_signed("HS256")),
        Example("whatever the token says", plan=_signed()),
        Example("a shared secret, in the file", files=examples.gateway({"auth.algorithms": ["EdDSA", "HS512"]})),
    ),
    on_plan=on_plan,
    on_files=on_gateway(_on_gateway),
)
