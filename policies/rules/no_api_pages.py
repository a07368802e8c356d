"""The engine shows no pages about itself."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan import Plan
from policies import examples
from policies.engine import command_lines, option
from policies.rule import Answer, Example, Rule, Violated


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge every command line that serves."""
    for where, words in command_lines(plan):
        if "--headless" not in words and option(words, "--disable-fastapi-docs") is None:
            yield Violated(f"{where} serves pages about its API without a key (`--disable-fastapi-docs` is missing)")


RULE = Rule(
    id="no-api-pages",
    title="The engine shows no pages about its API",
    family="serving",
    severity="low",
    why=(
        "vLLM serves `/docs` and `/openapi.json` without its key. They tell an intruder on the host which of its many "
        "routes are open."
    ),
    remediation="Pass `--disable-fastapi-docs`; `deploy plan` shows the command line.",
    controls=("nist CM-7", "iso27001 A.8.9"),
    references=("https://docs.vllm.ai/en/latest/usage/security.html",),
    good=(
        Example("an engine without pages", plan=examples.engine_with("--disable-fastapi-docs")),
        Example("with underscores", plan=examples.engine_with("--disable_fastapi_docs")),
    ),
    bad=(
        Example("nothing said", plan=examples.engine_with()),
        Example("a line that only resembles it", plan=examples.engine_with("--disable-log-stats")),
    ),
    on_plan=on_plan,
)
