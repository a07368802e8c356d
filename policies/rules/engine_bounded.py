"""The engine takes no more than it can carry."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan import Plan
from policies import examples
from policies.engine import command_lines, option
from policies.rule import Answer, Example, Rule, Violated

LIMITS = {
    "--max-model-len": "the length of a request",
    "--max-num-seqs": "the requests at once",
    "--max-num-queued-reqs": "the requests that wait",
    "--max-num-batched-tokens": "the tokens of one step",
}
"""Options that bound what vLLM takes, and what each bounds."""


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge whether every bound is there and is a number."""
    for where, words in command_lines(plan):
        if "--headless" in words:
            continue  # it takes no requests
        for name, what in LIMITS.items():
            value = option(words, name) or ""
            if not value.isdigit() or int(value) < 1:
                yield Violated(f"{where} has no bound for {what} (`{name}` is {value or 'missing'})")


_BOUNDED = tuple(word for name in LIMITS for word in (name, "64"))

RULE = Rule(
    id="engine-bounded",
    title="The engine bounds length, number and queue of requests",
    family="serving",
    severity="medium",
    why=(
        "Without a bound on its queue the engine accepts until every client waits for minutes and memory runs out. "
        "One client who sends long prompts then stops the service for all."
    ),
    remediation="Set `engine.max_num_seqs`, `engine.max_num_queued_reqs` and `model.max_model_len` in the profile.",
    controls=("owasp-llm LLM10", "nist SC-5", "iso27001 A.8.6", "soc2 A1.1"),
    references=("https://genai.owasp.org/llmrisk/llm102025-unbounded-consumption/",),
    good=(
        Example("every bound", plan=examples.engine_with(*_BOUNDED)),
        Example("one by an equals sign", plan=examples.engine_with(*_BOUNDED[2:], "--max-model-len=8192")),
    ),
    bad=(
        Example("none", plan=examples.engine_with()),
        Example("no bound for the queue", plan=examples.engine_with(*_BOUNDED[:4], *_BOUNDED[6:])),
        Example("a length that the engine chooses", plan=examples.engine_with(*_BOUNDED[2:], "--max-model-len", "-1")),
    ),
    on_plan=on_plan,
)
