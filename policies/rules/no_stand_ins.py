"""In an account nothing is imitated."""

from __future__ import annotations

from collections.abc import Iterator

from planner.catalogue import load_catalogue
from planner.plan import Plan
from policies import examples
from policies.about import where
from policies.rule import Answer, Example, Rule, Violated


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge what runs where there are real machines to pay for."""
    for service in plan.services:
        artefact = load_catalogue().artefacts.get(service.artefact)
        if artefact is not None and artefact.stand_in:
            yield Violated(f"{service.name} runs {service.artefact}, which only imitates what it stands for")


def _on(target: str, artefact: str) -> Plan:
    return examples.changed(target=target, services=(examples.service("engine", artefact=artefact),))


RULE = Rule(
    id="no-stand-ins",
    title="Nothing is imitated in a real account",
    family="supply-chain",
    severity="high",
    why=(
        "An imitated engine answers everything, at once and wrongly, and its users believe it. An emulated "
        "account takes any credentials at all."
    ),
    remediation="Plan for the target that is meant: `deploy plan --target aws` has real services alone.",
    controls=("nist CM-7", "iso27001 A.8.31", "soc2 CC8.1"),
    references=("https://csrc.nist.gov/pubs/sp/800/218/final",),
    good=(
        Example("a stand-in in the sandbox", plan=_on("sandbox", "vllm-sim")),
        Example("the engine on AWS", plan=_on("aws", "vllm")),
    ),
    bad=(
        Example("a stand-in on AWS", plan=_on("aws", "vllm-sim")),
        Example("an emulated account on AWS", plan=_on("aws", "aws-emulator")),
    ),
    on_plan=where(lambda plan: plan.target == "aws", on_plan),
)
