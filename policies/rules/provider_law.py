"""Whoever controls the provider is under a law that is accepted."""

from __future__ import annotations

from collections.abc import Iterator

from planner.jurisdiction import DataClass, misfits
from planner.plan import DataPlan, Plan
from policies import examples
from policies.about import where
from policies.providers import provider_of
from policies.rule import Answer, Example, Rule, Violated


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge whose law binds whoever owns the machines."""
    provider, data = provider_of(plan), plan.data
    if provider is None:
        return
    if data.level == "sensitive" and not data.control:
        yield Violated("data is sensitive, and nobody says whose law may control the provider (`data.control`)")
        return
    reasons = misfits(
        provider, data=data.level, region=plan.network.region, residency=(), control=data.control, certificates=()
    )
    yield from map(Violated, reasons)


def _data(level: DataClass, *control: str, target: str = "aws") -> Plan:
    return examples.changed(target=target, data=DataPlan(level=level, control=control))


RULE = Rule(
    id="provider-law",
    title="The provider is under a law that is accepted for the data",
    family="data",
    severity="critical",
    why=(
        "A provider that is controlled from another country can be made to hand data over there, wherever its machines "
        "stand. It may be forbidden to say so."
    ),
    remediation="Set `data.control` and choose a provider that fits; `deploy plan` shows the verdict.",
    controls=("nist SA-9", "iso27001 A.5.23", "soc2 C1.1", "gdpr Art. 28"),
    references=("https://eur-lex.europa.eu/eli/reg/2016/679/oj",),
    good=(
        Example("data that is confidential, and no law asked for", plan=_data("internal")),
        Example("machines of one's own", plan=_data("sensitive", "FR", target="sandbox")),
        Example("a law that is accepted", plan=_data("sensitive", "US")),
    ),
    bad=(
        Example("a provider under another law", plan=_data("internal", "EU")),
        Example("sensitive data, and nothing said", plan=_data("sensitive")),
    ),
    on_plan=where(provider_of, on_plan),
)
