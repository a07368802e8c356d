"""Nothing that vLLM keeps for its developers is switched on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from planner.plan import Plan
from policies import examples
from policies.engine import Words, command_lines, engines, forbidden, unit_command, unit_environment
from policies.files import Unit
from policies.readers import on_programs
from policies.rule import Answer, Example, Rule, Violated

VARIABLES = {
    "VLLM_SERVER_DEV_MODE": "routes that put the engine to sleep, reset it and call into it are open",
    "VLLM_ALLOW_INSECURE_SERIALIZATION": "whoever reaches a worker may send it pickled code",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "clients may load adapters from anywhere",
    "VLLM_USE_RUST_FRONTEND": "a front end answers whose check of the key nobody has looked at",
}
"""Variables of vLLM 0.33, and what one that is on does."""
OPTIONS = {
    "--enable-sleep-mode": "routes that discard the weights are prepared",
    "--profiler-config": "requests may be recorded as a profile",
}
OFF = ("", "0", "false", "False")


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge every command line and environment that was decided."""
    for where, words in command_lines(plan):
        yield from _options(where, words)
    for service in engines(plan):
        yield from _variables(service.name, {**service.env, **dict.fromkeys(service.secret_env, "set")})


def _on_unit(unit: Unit) -> Iterator[Answer]:
    yield from _options(unit.name, unit_command(unit))
    yield from _variables(unit.name, unit_environment(unit))


def _options(where: str, words: Words) -> Iterator[Answer]:
    for flag, reason in forbidden(words, OPTIONS):
        yield Violated(f"{where} gets `{flag}`: {reason}")


def _variables(where: str, env: Mapping[str, str]) -> Iterator[Answer]:
    for name, reason in VARIABLES.items():
        if env.get(name, "") not in OFF:
            yield Violated(f"{where} gets `{name}={env[name]}`: {reason}")


RULE = Rule(
    id="no-development-mode",
    title="Nothing that is meant for developing the engine is on",
    family="serving",
    severity="critical",
    why=(
        "In development mode vLLM opens routes without a key that stop it, change its weights and run functions in its "
        "workers. Insecure serialisation lets whoever reaches a worker's socket send it code."
    ),
    remediation="Take the variable or option away; no profile field sets it, and `deploy plan` shows the verdict.",
    controls=("nist CM-7", "iso27001 A.8.31", "soc2 CC6.8", "owasp-llm LLM04"),
    references=(
        "https://docs.vllm.ai/en/latest/usage/security.html",
        "https://docs.vllm.ai/en/latest/configuration/env_vars.html",
    ),
    good=(
        Example("an engine without any of it", plan=examples.engine_with()),
        Example("a variable that says no", plan=examples.engine_with(env={"VLLM_SERVER_DEV_MODE": "0"})),
    ),
    bad=(
        Example("development mode", plan=examples.engine_with(env={"VLLM_SERVER_DEV_MODE": "1"})),
        Example("pickled code", plan=examples.engine_with(env={"VLLM_ALLOW_INSECURE_SERIALIZATION": "1"})),
        Example("adapters by request", plan=examples.engine_with(env={"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"})),
        Example("sleep", plan=examples.engine_with("--enable-sleep-mode")),
        Example("in a unit", files=examples.unit({"Environment": "A=1 VLLM_SERVER_DEV_MODE=1"}, "cloister-engine")),
    ),
    on_plan=on_plan,
    on_files=on_programs(_on_unit),
)
