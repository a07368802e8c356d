"""The provider holds what the data asks for."""

from __future__ import annotations

from collections.abc import Iterator

from planner.jurisdiction import misfits
from planner.plan import DataPlan, Plan
from policies import examples
from policies.about import where
from policies.providers import provider_of
from policies.rule import Answer, Example, Rule, Violated


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge the provider's certificates."""
    provider, data = provider_of(plan), plan.data
    if provider is None:
        return
    reasons = misfits(
        provider,
        data="internal",
        region=plan.network.region,
        residency=(),
        control=(),
        certificates=data.certificates,
    )
    yield from map(Violated, reasons)


def _asks(*certificates: str) -> Plan:
    return examples.changed(target="aws", data=DataPlan(certificates=certificates))


RULE = Rule(
    id="provider-certificates",
    title="The provider holds the certificates that the data asks for",
    family="data",
    severity="high",
    why=(
        "Health data that is hosted for others without a certificate is hosted against the law in France, whoever "
        "reads it. What a provider does not hold today it may not hold for this service either."
    ),
    remediation="Correct `data.certificates`, or choose a provider that holds them; `deploy plan` shows the verdict.",
    controls=("iso27001 A.5.31", "soc2 C1.1", "gdpr Art. 28", "hds L.1111-8 II"),
    references=("https://esante.gouv.fr/produits-services/hds",),
    good=(
        Example("a certificate that the provider holds", plan=_asks("ISO 27001")),
        Example("none asked for", plan=_asks()),
    ),
    bad=(
        Example("a qualification that it does not hold", plan=_asks("SecNumCloud")),
        Example("one that it holds, and one that it does not", plan=_asks("ISO 27001", "SecNumCloud")),
    ),
    on_plan=where(lambda plan: provider_of(plan) and plan.data.certificates, on_plan),
)
