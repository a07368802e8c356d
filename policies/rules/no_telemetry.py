"""No program tells its makers about the stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.plan import Plan
from policies import examples
from policies.engine import engines
from policies.readers import on_static
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

ASKED = {"VLLM_NO_USAGE_STATS": "1", "VLLM_DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
"""Variables without which the engine sends usage statistics, or asks the model hub."""
LANGFUSE = {"TELEMETRY_ENABLED": "false", "NEXT_TELEMETRY_DISABLED": "1", "CHECKPOINT_DISABLE": "1"}
"""The same for Langfuse, and for Next.js and Prisma, of which it is made."""
SWITCHES = ("sendAnonymousUsage", "checkNewVersion")


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge what the engine and Langfuse are asked not to send."""
    langfuse = [service for service in plan.services if service.artefact in {"langfuse-web", "langfuse-worker"}]
    for service, asked in (*((one, ASKED) for one in engines(plan)), *((one, LANGFUSE) for one in langfuse)):
        for name, wanted in asked.items():
            if service.env.get(name) != wanted:
                yield Violated(f"{service.name} is not asked to stay silent (`{name}={wanted}` is missing)")


def _on_static(config: Any) -> Iterator[Answer]:
    for name in SWITCHES:
        if at(config, "global", name) is not False:
            yield Violated(f"Traefik calls its makers (`global.{name}` is not false)")


def _langfuse(**env: str) -> Plan:
    return examples.changed(services=(examples.service("langfuse-web", artefact="langfuse-web", env=env),))


RULE = Rule(
    id="no-telemetry",
    title="No program reports to its makers",
    family="supply-chain",
    severity="medium",
    why=(
        "Usage statistics tell a third party which model runs on which hardware, how often and from which network. "
        "Each is also a way out that a firewall has to allow."
    ),
    remediation="Set the variable or switch as the message says; no profile field loosens this. See `deploy plan`.",
    controls=("nist SC-7", "iso27001 A.8.12", "soc2 CC6.7"),
    references=(
        "https://docs.vllm.ai/en/latest/usage/usage_stats.html",
        "https://doc.traefik.io/traefik/contributing/data-collection/",
        "https://langfuse.com/self-hosting/security/telemetry",
    ),
    good=(
        Example("an engine that is asked", plan=examples.engine_with(env=ASKED)),
        Example("Langfuse that is asked", plan=_langfuse(**LANGFUSE)),
        Example("a silent Traefik", files=examples.traefik()),
    ),
    bad=(
        Example("an engine that is not asked", plan=examples.engine_with()),
        Example("statistics", plan=examples.engine_with(env={**ASKED, "VLLM_NO_USAGE_STATS": "0"})),
        Example("Langfuse's statistics", plan=_langfuse(**(LANGFUSE | {"TELEMETRY_ENABLED": "true"}))),
        Example("Traefik's statistics", files=examples.traefik({"global.sendAnonymousUsage": True})),
        Example("Traefik's question for a newer version", files=examples.traefik({"global.checkNewVersion": ...})),
    ),
    on_plan=on_plan,
    on_files=on_static(_on_static),
)
