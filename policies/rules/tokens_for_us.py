"""A token counts only if its issuer made it for this endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from planner.plan import Plan
from policies import examples
from policies.readers import on_gateway
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge what was decided."""
    identity = plan.identity
    yield from _judge(identity.issuer, identity.audience)
    if identity.jwks and urlsplit(identity.jwks).scheme == "http":
        yield Violated(f"the issuer's keys come in the clear from {identity.jwks}")


def _on_gateway(config: Any) -> Iterator[Answer]:
    yield from _judge(at(config, "auth", "issuer"), at(config, "auth", "audience"))


def _judge(issuer: Any, audience: Any) -> Iterator[Answer]:
    if urlsplit(str(issuer or "")).scheme != "https":
        yield Violated(f"the issuer {issuer or '(none)'} is no https URL")
    if not audience or "*" in str(audience):
        yield Violated(f"tokens for {audience or 'any audience'} are accepted, whoever they were made for")


RULE = Rule(
    id="tokens-for-us",
    title="Tokens name this endpoint and an issuer that is known by TLS",
    family="identity",
    severity="high",
    why=(
        "A company's issuer makes tokens for a hundred applications. Without an audience each of them, and "
        "whoever steals from it, may ask this model."
    ),
    remediation=(
        "Set `identity.audience` and `identity.issuer`, an https URL; `deploy verify` tries a foreign audience."
    ),
    controls=("nist IA-9", "iso27001 A.8.5", "soc2 CC6.1"),
    references=("https://www.rfc-editor.org/rfc/rfc8725", "https://openid.net/specs/openid-connect-discovery-1_0.html"),
    good=(
        Example("an issuer and an audience", plan=examples.plan()),
        Example("the same in the file", files=examples.gateway()),
    ),
    bad=(
        Example("an issuer in the clear", plan=examples.changed(identity={"issuer": "http://sso.example.test"})),
        Example("no audience", plan=examples.changed(identity={"audience": ""})),
        Example("keys in the clear", plan=examples.changed(identity={"jwks": "http://sso.example.test/jwks"})),
        Example("every audience, in the file", files=examples.gateway({"auth.audience": "*"})),
        Example("no issuer, in the file", files=examples.gateway({"auth.issuer": ""})),
    ),
    on_plan=on_plan,
    on_files=on_gateway(_on_gateway),
)
