"""Data is processed where it may be."""

from __future__ import annotations

from collections.abc import Iterator

from planner.jurisdiction import misfits
from planner.plan import DataPlan, Plan
from policies import examples
from policies.about import where
from policies.providers import provider_of
from policies.rule import Answer, Example, Rule, Violated


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge the country of the machines."""
    provider = provider_of(plan)
    if provider is None:
        return
    reasons = misfits(
        provider, data="open", region=plan.network.region, residency=plan.data.residency, control=(), certificates=()
    )
    yield from map(Violated, reasons)


def _in(region: str, *residency: str) -> Plan:
    return examples.changed(target="aws", network={"region": region}, data=DataPlan(residency=residency))


RULE = Rule(
    id="data-residency",
    title="Data is processed in the countries where it may be",
    family="data",
    severity="critical",
    why=(
        "What is processed in another country may be read there under that country's law, and the transfer itself "
        "may be forbidden. Nobody can take it back afterwards."
    ),
    remediation="Choose a region in `data.residency` with `aws.region`; `deploy plan` shows the verdict.",
    controls=("nist SA-9", "iso27001 A.5.31", "iso27001 A.5.34", "soc2 C1.1", "gdpr Art. 44"),
    references=("https://eur-lex.europa.eu/eli/reg/2016/679/oj",),
    good=(
        Example("Paris, for data of the EU", plan=_in("eu-west-3", "EU")),
        Example("anywhere", plan=_in("us-east-2")),
    ),
    bad=(
        Example("Ohio, for data of the EU", plan=_in("us-east-2", "EU")),
        Example("a region that nobody has placed", plan=_in("xx-nowhere-1", "EU")),
    ),
    on_plan=where(lambda plan: provider_of(plan) and plan.data.residency, on_plan),
)
