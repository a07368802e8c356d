"""The engine runs no code that comes with a model or a request."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan import Plan
from policies import examples
from policies.engine import Words, command_lines, forbidden, unit_command
from policies.files import Unit
from policies.readers import on_programs
from policies.rule import Answer, Example, Rule, Violated

REASONS = {
    "--trust-remote-code": "Python code from the model's repository runs in the engine",
    "--trust-request-chat-template": "a client's request may bring a template, which is a program",
    "--hf-overrides": "what the model is taken for is changed behind the catalogue's back",
    "--worker-extension-cls": "a class of anybody's making is loaded into the engine",
    "--middleware": "code of anybody's making is put before the engine's own check of its key",
    "--tool-parser-plugin": "a file of anybody's making is loaded into the engine",
    "--reasoning-parser-plugin": "a file of anybody's making is loaded into the engine",
    "--config": "options come from a file that no rule reads",
}
"""Options of vLLM 0.33 that bring code along, and how."""


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge every command line that was decided."""
    for where, words in command_lines(plan):
        yield from _judge(where, words)


def _on_unit(unit: Unit) -> Iterator[Answer]:
    yield from _judge(unit.name, unit_command(unit))


def _judge(where: str, words: Words) -> Iterator[Answer]:
    for flag, reason in forbidden(words, REASONS):
        yield Violated(f"{where} gets `{flag}`: {reason}")


_VLLM = "/opt/cloister/runtime/engine/current/bin/vllm serve /weights/example"

RULE = Rule(
    id="no-remote-code",
    title="No code comes with a model or a request",
    family="serving",
    severity="critical",
    why=(
        "Whoever can change a model's repository can add a Python file that an engine with `--trust-remote-code` runs "
        "with its own rights, beside every prompt. A chat template that a request brings along is a program too."
    ),
    remediation=(
        "Leave the option out, and serve an architecture that the engine knows: `model.name` names a row of the "
        "catalogue, `deploy models` lists them."
    ),
    controls=("owasp-llm LLM03", "nist SI-7", "iso27001 A.8.19", "soc2 CC6.8"),
    references=("https://docs.vllm.ai/en/latest/usage/security.html",),
    good=(
        Example("an engine that is told what to serve, and no more", plan=examples.engine_with("--max-model-len", "1")),
        Example("its unit", files=examples.unit({"ExecStart": f"{_VLLM} --port 8000"}, "cloister-engine")),
    ),
    bad=(
        Example("in a container", files=examples.quadlet({"Exec": "vllm serve m --trust-remote-code"})),
        Example("code from the repository", plan=examples.engine_with("--trust-remote-code")),
        Example("the same with underscores", plan=examples.engine_with("--trust_remote_code")),
        Example("the same cut short, as argparse takes it", plan=examples.engine_with("--trust-remote")),
        Example("templates from clients", plan=examples.engine_with("--trust-request-chat-template")),
        Example("options from a file", plan=examples.engine_with("--config=/tmp/more.yaml")),
        Example(
            "a unit that adds it",
            files=examples.unit({"ExecStart": f"{_VLLM} --trust-remote-code"}, "cloister-engine"),
        ),
    ),
    on_plan=on_plan,
    on_files=on_programs(_on_unit),
)
