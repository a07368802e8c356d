"""Sensitive data is never sent to somebody else's model."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from planner.jurisdiction import DataClass
from planner.networks import is_private
from planner.plan import DataPlan, Plan, UpstreamPlan
from policies import examples
from policies.about import where
from policies.readers import is_loopback
from policies.rule import Answer, Example, Rule, Violated


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge where prompts go."""
    if plan.upstream and not _own(plan.upstream.url):
        yield Violated(f"data is sensitive, and prompts go to {plan.upstream.url} (`--upstream`)")


def _own(url: str) -> bool:
    """Tell whether a server is on this host, or at a private address: a name may lead anywhere."""
    host = urlsplit(url).hostname or ""
    return is_loopback(f"{host}:0") or bool(host[:1].isdigit() and is_private(f"{host}/32"))


def _prompts(level: DataClass, url: str) -> Plan:
    return examples.changed(data=DataPlan(level=level, control=("FR",)), upstream=UpstreamPlan(url=url, key_env=""))


RULE = Rule(
    id="sensitive-stays-inside",
    title="Sensitive prompts go to no server of somebody else's",
    family="data",
    severity="critical",
    why=(
        "A hosted API sees every prompt, keeps it for as long as it says, and answers to its own country's courts. One "
        "afternoon of testing against it is a transfer of everything that was asked."
    ),
    remediation="Leave `--upstream` out, or set `data.class` to what the data is; `deploy plan` shows the verdict.",
    controls=("owasp-llm LLM02", "nist AC-4", "iso27001 A.5.14", "iso27001 A.8.12", "soc2 CC6.7", "gdpr Art. 44"),
    references=("https://genai.owasp.org/llmrisk/llm022025-sensitive-information-disclosure/",),
    good=(
        Example("a server of this host", plan=_prompts("sensitive", "http://127.0.0.1:8000")),
        Example("a server at a private address", plan=_prompts("sensitive", "https://10.1.2.3")),
        Example("data that may be published", plan=_prompts("open", "https://api.example.test")),
    ),
    bad=(
        Example("a hosted API", plan=_prompts("sensitive", "https://api.example.test")),
        Example("an address of the internet", plan=_prompts("sensitive", "https://8.8.8.8")),
    ),
    on_plan=where(lambda plan: plan.data.level == "sensitive", on_plan),
)
