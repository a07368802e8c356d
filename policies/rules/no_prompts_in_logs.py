"""What people ask stays out of the engine's log."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan import Plan
from policies import examples
from policies.engine import command_lines, engines, forbidden, unit_command, unit_environment
from policies.files import Unit
from policies.readers import on_programs
from policies.rule import Answer, Example, Rule, Violated

OPTIONS = {
    "--enable-log-requests": "every prompt is written to the log",
    "--enable-log-outputs": "every answer is written to the log",
    "--enable-log-deltas": "every part of an answer is written to the log",
}
VARIABLES = {
    "VLLM_DEBUG_LOG_API_SERVER_RESPONSE": ("", "0", "false", "False"),
    "VLLM_LOGGING_LEVEL": ("", "INFO", "WARNING", "ERROR"),
}
"""Variable -> values that keep prompts out; at DEBUG vLLM writes requests down."""


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge command lines and environments."""
    for where, words in command_lines(plan):
        for flag, reason in forbidden(words, OPTIONS):
            yield Violated(f"{where} gets `{flag}`: {reason}")
    for service in engines(plan):
        yield from _variables(service.name, service.env)


def _on_unit(unit: Unit) -> Iterator[Answer]:
    for flag, reason in forbidden(unit_command(unit), OPTIONS):
        yield Violated(f"{unit.name} gets `{flag}`: {reason}")
    yield from _variables(unit.name, unit_environment(unit))


def _variables(where: str, env: dict[str, str]) -> Iterator[Answer]:
    for name, quiet in VARIABLES.items():
        if env.get(name, "") not in quiet:
            yield Violated(f"{where} gets `{name}={env[name]}`: requests and answers are written to the log")


RULE = Rule(
    id="no-prompts-in-logs",
    title="Prompts and answers stay out of the engine's log",
    family="data",
    severity="high",
    why=(
        "A log is read by more people, kept longer and copied further than a prompt ever should be. Whoever reads "
        "it has everything that was asked, with no retention and no masking."
    ),
    remediation="Leave the option out; what the service did is in its metrics, see `deploy open` and `deploy logs`.",
    controls=("owasp-llm LLM02", "nist SI-12", "iso27001 A.8.15", "soc2 C1.1", "gdpr Art. 5(1)(e)"),
    references=("https://genai.owasp.org/llmrisk/llm022025-sensitive-information-disclosure/",),
    good=(
        Example("an engine that logs none", plan=examples.engine_with()),
        Example("warnings only", plan=examples.engine_with(env={"VLLM_LOGGING_LEVEL": "WARNING"})),
    ),
    bad=(
        Example("prompts", plan=examples.engine_with("--enable-log-requests")),
        Example("answers", plan=examples.engine_with("--enable-log-outputs")),
        Example("everything", plan=examples.engine_with(env={"VLLM_LOGGING_LEVEL": "DEBUG"})),
        Example("in a unit", files=examples.unit({"Environment": "VLLM_LOGGING_LEVEL=DEBUG"}, "cloister-engine")),
    ),
    on_plan=on_plan,
    on_files=on_programs(_on_unit),
)
