"""Whether a provider may have data of a class: where its machines stand, whose law binds it, what it has proven."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from planner.catalogue.rows import Provider

DataClass = Literal["open", "internal", "sensitive"]
"""Levels of sovereignty 1, 2 and 3: may be published; confidential; regulated or secret."""

EU = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905 - a table
)
"""The 27 members of the European Union since 2020-02-01 (european-union.europa.eu, country profiles; ISO 3166-1)."""
EEA = EU | {"IS", "LI", "NO"}
"""With the EFTA states of the European Economic Area (efta.int; Croatia applies the agreement provisionally)."""
GROUPS = {"EU": EU, "EEA": EEA}


def countries(names: tuple[str, ...]) -> frozenset[str]:
    """Return the countries that names stand for: ISO 3166-1 codes, `EU` and `EEA`."""
    return frozenset().union(*(GROUPS.get(name, {name}) for name in names))


def check_provider(
    provider: Provider,
    *,
    data_class: DataClass,
    region: str,
    residency: tuple[str, ...],
    control: tuple[str, ...],
    certificates: tuple[str, ...],
) -> tuple[str, ...]:
    """Return why a provider does not fit, a sentence each; nothing where it fits. What is not known does not fit.

    Open data asks for `residency` only. Internal data asks for the certificates too, and for `control` where it is
    given. Sensitive data may not go where control is not settled: `control` must be given, and no marketplace fits,
    since its machines belong to third parties.

    Args:
        provider: the row.
        data_class: of the data that it would process.
        region: one of the provider's; for the operator's own premises a country will do.
        residency: countries where the machines may stand; empty for anywhere.
        control: countries whose law may bind whoever controls the provider; empty for any, but for sensitive data.
        certificates: that the provider must hold.

    """
    reasons = list(_place(provider, region, residency))
    if data_class != "open":
        reasons += _control(provider, data_class, control)
        reasons += _certificates(provider, certificates)
    return tuple(reasons)


def _place(provider: Provider, region: str, residency: tuple[str, ...]) -> Iterator[str]:
    if not residency:
        return
    country = provider.regions.get(region)
    if country is None and provider.kind == "own":
        country = region or None
    if country is None:
        where = f"region {region!r}" if region else "a region that is not named"
        yield f"{provider.title}: in which country {where} is, is not known; data must stay in {_list(residency)}"
    elif country not in countries(residency):
        yield f"{provider.title}: machines of {region} stand in {country}; data must stay in {_list(residency)}"


def _control(provider: Provider, data_class: DataClass, control: tuple[str, ...]) -> Iterator[str]:
    if provider.kind == "own":
        return
    if data_class == "sensitive" and provider.kind == "marketplace":
        yield f"{provider.title} is a marketplace: who owns a machine, and under which law, is not known"
    if not control:
        if data_class == "sensitive":
            yield f"{provider.title}: sensitive data needs a list of countries whose law may bind a provider"
    elif provider.control is None:
        yield f"{provider.title}: who controls it is not known; it must be under the law of {_list(control)}"
    elif provider.control not in countries(control):
        yield f"{provider.title} is under the law of {provider.control}; it must be under that of {_list(control)}"


def _certificates(provider: Provider, wanted: tuple[str, ...]) -> Iterator[str]:
    for name in wanted:
        row = next((row for row in provider.certificates if row.name == name), None)
        if row is None:
            yield f"{provider.title}: whether it holds {name} is not known"
        elif row.held != "yes":
            told = "does not hold it" if row.held == "no" else "whether it holds it is not known"
            scope = f"; {row.scope}" if row.scope else ""
            yield f"{provider.title}: {name}: {told}{scope} (as of {row.as_of}, {row.source})"


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)
