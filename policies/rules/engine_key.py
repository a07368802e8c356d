"""The engine asks for a key, which nobody but the gateway has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.plan import Plan
from policies import examples
from policies.engine import command_lines, engines, forbidden
from policies.readers import on_gateway, table
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

VARIABLE = "VLLM_API_KEY"
OPTIONS = {"--api-key": "the key stands on the command line, where every process of the host reads it"}


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge whether every engine has a key, and where it stands."""
    secrets = {secret.name for secret in plan.secrets}
    for service in plan.engine_services:
        name = service.secret_env.get(VARIABLE)
        if VARIABLE in service.env:
            yield Violated(f"{service.name} has its key in the plan (`{VARIABLE}` in its environment)")
        elif name is None:
            yield Violated(f"{service.name} asks for no key (`{VARIABLE}` is missing)")
        elif secrets and name not in secrets:
            yield Violated(f"{service.name} gets {name} as its key, which is no secret of the plan")
    for where, words in (*command_lines(plan), *((service.name, service.args) for service in engines(plan))):
        for flag, reason in forbidden(words, OPTIONS):
            yield Violated(f"{where} gets `{flag}`: {reason}")


def _on_gateway(config: Any) -> Iterator[Answer]:
    """Where the only upstreams are engines on this host, the gateway shows them the key."""
    replicas = table(config, "upstream", "replicas")
    local = [name for name, url in replicas.items() if name.startswith("engine") and str(url).startswith("http://127.")]
    if local and not at(config, "upstream", "api_key_file"):
        yield Violated(f"the gateway shows {local[0]} no key (`upstream.api_key_file`), so that it must ask for none")


RULE = Rule(
    id="engine-key",
    title="The engine asks for a key that the gateway alone has",
    family="serving",
    severity="high",
    why=(
        "Whoever runs code on the host as any user reaches the engine's port on loopback, past tokens, limits and "
        "records. A key that is read from a file of the gateway's own stops that, one on a command line does not."
    ),
    remediation=(
        f"Give the service `{VARIABLE}` as a secret, and never `--api-key`; `deploy token rotate` changes keys, "
        "`deploy plan` shows the services."
    ),
    controls=("nist IA-9", "iso27001 A.5.17", "soc2 CC6.1"),
    references=("https://docs.vllm.ai/en/latest/usage/security.html",),
    good=(
        Example("a key by name", plan=examples.engine_with()),
        Example("a gateway that shows it", files=examples.gateway()),
    ),
    bad=(
        Example("no key", plan=examples.engine_with(secret_env={})),
        Example("a key in the plan", plan=examples.engine_with(env={VARIABLE: "0123456789"})),
        Example("a key on the command line", plan=examples.engine_with("--api-key", "0123456789")),
        Example("a gateway without it", files=examples.gateway({"upstream.api_key_file": ...})),
    ),
    on_plan=on_plan,
    on_files=on_gateway(_on_gateway),
)
