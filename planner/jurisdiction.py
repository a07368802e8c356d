"""Where data may be processed, and under whose law: three levels of data, and what each asks of a provider.

`open` may be published: only a stated residency binds. `internal` is confidential: residency and required certificates
bind, and whose law controls the provider where the profile says so. `sensitive` is regulated or secret: the profile
must say whose law may control the provider, and everything must be known to hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from planner.catalogue.rows import Provider
from planner.errors import PlanError

DataClass = Literal["open", "internal", "sensitive"]
EU = frozenset(
    "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE".split()  # noqa: SIM905 - a list of codes
)
"""Members of the European Union, 2026 (ISO 3166-1)."""
GROUPS = {"EU": EU, "EEA": EU | {"IS", "LI", "NO"}}


def countries(names: Iterable[str]) -> frozenset[str]:
    """Return the countries that codes stand for: `EU` and `EEA` stand for their members."""
    return frozenset(code for name in names for code in GROUPS.get(name, {name}))


def misfits(
    provider: Provider,
    *,
    data: DataClass,
    region: str,
    residency: tuple[str, ...],
    control: tuple[str, ...],
    certificates: tuple[str, ...],
) -> tuple[str, ...]:
    """Return why a provider does not fit data of a class; empty if it does.

    Args:
        provider: who owns the machines; the operator's own premises are under no foreign control.
        data: the class of the data.
        region: of the provider, where the machines stand.
        residency: countries where data may be processed; empty for anywhere.
        control: countries whose law may control the provider; empty for any.
        certificates: that the provider must hold.

    Raises:
        PlanError: sensitive data, and the profile does not say whose law may control the provider.

    """
    if data == "sensitive" and not control and provider.kind != "own":
        raise PlanError(
            '`data.class = "sensitive"` needs `data.control`: the countries whose law may control the provider',
            hint='For example `data.control = ["EU"]`; a provider under another law may be made to hand data over.',
            code="control_not_stated",
        )
    reasons = [*_place(provider, region, residency)]
    if data != "open":
        reasons += [*_law(provider, control), *_held(provider, certificates)]
    return tuple(reasons)


def _place(provider: Provider, region: str, residency: tuple[str, ...]) -> Iterable[str]:
    if not residency or provider.kind == "own":
        return
    country = provider.regions.get(region)
    if country is None:
        yield f"the catalogue does not say in which country {provider.title}'s region {region or '(none)'} lies"
    elif country not in countries(residency):
        yield f"{region} lies in {country}, and data must stay in {', '.join(residency)}"


def _law(provider: Provider, control: tuple[str, ...]) -> Iterable[str]:
    if not control or provider.kind == "own":
        return
    if provider.control is None:
        yield f"the catalogue does not know whose law controls {provider.title}"
    elif provider.control not in countries(control):
        yield f"{provider.title} is controlled from {provider.control}, and only {', '.join(control)} is accepted"


def _held(provider: Provider, certificates: tuple[str, ...]) -> Iterable[str]:
    for name in certificates:
        held = provider.certificate(name)
        if held != "yes":
            known = "does not hold it" if held == "no" else "is not known to hold it"
            yield f"{name} is required, and {provider.title} {known}"
