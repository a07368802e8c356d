"""The model may be used as it is."""

from __future__ import annotations

from collections.abc import Iterator

from planner.catalogue import load_catalogue
from planner.plan import Plan
from policies import examples
from policies.rule import Answer, Example, Rule, Violated


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge the model's licence."""
    licence = load_catalogue().licences.get(plan.model.licence)
    if licence is None:
        yield Violated(f"nobody has read the licence of {plan.model.name}: {plan.model.licence or '(none)'}")
    elif licence.commercial == "no":
        yield Violated(f"{plan.model.name} is under the {licence.title}, which forbids commercial use")


RULE = Rule(
    id="licence-allows-use",
    title="The model's licence allows commercial use",
    family="supply-chain",
    severity="medium",
    level="advisory",
    why=(
        "A research licence that nobody noticed makes every answer of the model a breach of it. Its owner finds "
        "out from a product's own pages."
    ),
    remediation=(
        "Choose another model, or have a licence: `model.accept_licence` says that you do. See `deploy models`."
    ),
    controls=("nist CM-10", "iso27001 A.5.32"),
    references=("https://spdx.org/licenses/",),
    good=(
        Example("Apache 2.0", plan=examples.changed(model={"licence": "Apache-2.0"})),
        Example("MIT", plan=examples.changed(model={"licence": "MIT"})),
    ),
    bad=(
        Example("research alone", plan=examples.changed(model={"licence": "MRL-0.1"})),
        Example("a licence that nobody has read", plan=examples.changed(model={"licence": "Unheard-Of-1.0"})),
    ),
    on_plan=on_plan,
)
