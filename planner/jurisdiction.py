"""Where data may be processed, and under whose law: three classes of data, and what each asks of a provider.

`open` may be published: only a stated residency binds. `internal` is confidential: residency and required certificates
bind, and whose law controls the provider where that is stated. `sensitive` is regulated or secret: it must be stated
whose law may control the provider, and everything must be known to hold. What is not known does not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from planner.catalogue.rows import Provider
from planner.errors import PlanError

DataClass = Literal["open", "internal", "sensitive"]
EU = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905 - as a table it can be compared with its source
)
"""The 27 members of the European Union since 2020-02-01 (european-union.europa.eu, country profiles; ISO 3166-1)."""
EEA = EU | {"IS", "LI", "NO"}
"""With the EFTA states of the European Economic Area (efta.int)."""
GROUPS = {"EU": EU, "EEA": EEA}


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
    """Return why a provider does not fit data of a class, a clause each; empty if it does.

    Args:
        provider: who owns the machines; the operator's own premises are under no foreign control.
        data: the class of the data.
        region: of the provider, where the machines stand; for the operator's own premises a country will do.
        residency: countries where data may be processed; empty for anywhere.
        control: countries whose law may control the provider; empty for any.
        certificates: that the provider must hold.

    Raises:
        PlanError: sensitive data, and it is not stated whose law may control the provider.

    """
    if data == "sensitive" and not control and provider.kind != "own":
        raise PlanError(
            '`data.class = "sensitive"` needs `data.control`: the countries whose law may control the provider',
            hint='For example `data.control = ["EU"]`; a provider under another law may be made to hand data over.',
            code="control_not_stated",
        )
    reasons = [*_place(provider, region, residency)]
    if data != "open":
        reasons += [*_owners(provider, data), *_law(provider, control), *_held(provider, certificates)]
    return tuple(reasons)


def _place(provider: Provider, region: str, residency: tuple[str, ...]) -> Iterator[str]:
    if not residency:
        return
    country = provider.regions.get(region)
    if country is None and provider.kind == "own":
        country = region or None
    if country is None:
        yield f"the catalogue does not say in which country {provider.title}'s region {region or '(none)'} lies"
    elif country not in countries(residency):
        yield f"{region} lies in {country}, and data must stay in {', '.join(residency)}"


def _owners(provider: Provider, data: DataClass) -> Iterator[str]:
    if provider.kind == "marketplace" and data == "sensitive":
        yield f"{provider.title} is a marketplace: who owns a machine, and under which law, is not known"


def _law(provider: Provider, control: tuple[str, ...]) -> Iterator[str]:
    if not control or provider.kind == "own":
        return
    if provider.control is None:
        yield f"the catalogue does not know whose law controls {provider.title}"
    elif provider.control not in countries(control):
        yield f"{provider.title} is controlled from {provider.control}, and only {', '.join(control)} is accepted"


def _held(provider: Provider, certificates: tuple[str, ...]) -> Iterator[str]:
    for name in certificates:
        row = next((row for row in provider.certificates if row.name == name), None)
        if row is None:
            yield f"{name} is required, and {provider.title} is not known to hold it"
        elif row.held != "yes":
            known = "does not hold it" if row.held == "no" else "is not known to hold it"
            scope = f": {row.scope}" if row.scope else ""
            yield f"{name} is required, and {provider.title} {known}{scope} (as of {row.as_of}, {row.source})"
