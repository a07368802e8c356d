"""A prompt cannot make the engine fetch something."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan import Plan
from policies import examples
from policies.engine import command_lines, engines, forbidden, option
from policies.rule import Answer, Example, Rule, Violated

NOWHERE = (".invalid",)
"""Endings of names that never resolve (RFC 6761)."""
LOCAL = {"--allowed-local-media-path": "a prompt may name files of the host"}


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge which domains a prompt may name."""
    for where, words in command_lines(plan):
        if "--headless" in words:
            continue  # it serves nobody
        domains = option(words, "--allowed-media-domains")
        if domains is None:
            yield Violated(f"{where} fetches images from every domain that a prompt names (`--allowed-media-domains`)")
        elif not domains.endswith(NOWHERE):
            yield Violated(f"{where} fetches what a prompt names from {domains or 'every domain'}")
        for flag, reason in forbidden(words, LOCAL):
            yield Violated(f"{where} gets `{flag}`: {reason}")
    for service in engines(plan):
        if service.env.get("VLLM_MEDIA_URL_ALLOW_REDIRECTS") != "0":
            yield Violated(f"{service.name} follows redirects away from the domains it was given")


_SAFE = {"VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0"}
_NONE = ("--allowed-media-domains", "none.invalid")

RULE = Rule(
    id="no-media-fetch",
    title="No prompt makes the engine fetch from another host",
    family="serving",
    severity="high",
    why=(
        "A prompt may name an image by URL: the engine then asks any address inside the network on the client's "
        "behalf, the metadata service among them (CVE-2025-6242). A redirect leads past a list of domains."
    ),
    remediation=(
        "Pass `--allowed-media-domains none.invalid` and `VLLM_MEDIA_URL_ALLOW_REDIRECTS=0`: clients send images "
        "in the request itself; `deploy plan` shows the command line."
    ),
    controls=("owasp-llm LLM01", "nist SC-7", "iso27001 A.8.26", "soc2 CC6.6"),
    references=("https://docs.vllm.ai/en/latest/usage/security.html", "https://www.rfc-editor.org/rfc/rfc6761"),
    good=(
        Example("an engine that fetches nothing", plan=examples.engine_with(*_NONE, env=_SAFE)),
        Example("the same in one word", plan=examples.engine_with("--allowed-media-domains=none.invalid", env=_SAFE)),
    ),
    bad=(
        Example("nothing said, so every domain", plan=examples.engine_with(env=_SAFE)),
        Example("one domain", plan=examples.engine_with("--allowed-media-domains", "example.com", env=_SAFE)),
        Example(
            "an empty list, which is every domain", plan=examples.engine_with("--allowed-media-domains=", env=_SAFE)
        ),
        Example(
            "files of the host", plan=examples.engine_with(*_NONE, "--allowed-local-media-path", "/srv", env=_SAFE)
        ),
        Example("redirects", plan=examples.engine_with(*_NONE)),
    ),
    on_plan=on_plan,
)
