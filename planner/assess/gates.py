"""What rules a strategy out before anything is weighed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from planner.assess.figures import Strategy
from planner.assess.situation import Hardware, Situation
from planner.catalogue import Catalogue
from planner.catalogue.rows import Provider
from planner.jurisdiction import countries

Status = Literal["holds", "excluded", "open"]


class Finding(NamedTuple):
    """What a condition comes to, whatever it is about."""

    title: str
    status: Status
    why: str


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A hard condition.

    Attributes:
        strategy: what it is about.
        option: which way to have own capacity; empty for all.
        title: the condition.
        status: `holds`; `excluded`: the strategy is out; `open`: to be proven before anything is signed.
        why: the fact that decides.

    """

    strategy: Strategy
    option: str
    title: str
    status: Status
    why: str


def hosted_gates(situation: Situation, catalogue: Catalogue) -> tuple[Gate, ...]:
    """Return the conditions on what leaves for a hosted API: that holds for the API and for a hybrid's escalation."""
    strategies: tuple[Strategy, ...] = ("api", "hybrid")
    if situation.data == "sensitive":
        why = "data is sensitive: it never leaves for a hosted API, not even for an escalation"
        return tuple(_gate(strategy, "", "Sensitive data stays", "excluded", why) for strategy in strategies)
    if not situation.residency:
        return ()
    used = [(use.model, catalogue.apis[use.model].provider) for use in situation.api if use.model in catalogue.apis]
    why = f"to be agreed by contract for {', '.join(f'{model} ({provider})' for model, provider in used)}"
    return tuple(
        _gate(strategy, "", f"Hosted models process data in {_words(situation)} only", "open", why)
        for strategy in strategies
    )


def own_gates(
    situation: Situation, strategy: Strategy, option: Hardware, catalogue: Catalogue, upfront: float
) -> tuple[Gate, ...]:
    """Return the conditions on a way to have own capacity.

    Args:
        situation: the answers.
        strategy: the one that uses it.
        option: the way.
        catalogue: says who controls a provider, and where its regions are.
        upfront: what is paid for machines in the first month, in the situation's currency.

    """
    found = [*_place(situation, option, catalogue), *_control(situation, option, catalogue)]
    if situation.upfront_limit is not None:
        fits = upfront <= situation.upfront_limit
        why = (
            f"{upfront:,.0f} of at most {situation.upfront_limit:,.0f} {situation.currency} is paid in the first month"
        )
        found.append(Finding("Upfront payment", "holds" if fits else "excluded", why))
    return tuple(_gate(strategy, option.name, *finding) for finding in found)


def _place(situation: Situation, option: Hardware, catalogue: Catalogue) -> Iterator[Finding]:
    """Find out whether machines stand where data may be processed."""
    if not situation.residency:
        return
    country = option.country or _country_of_region(option, catalogue)
    title = f"Machines stand in {_words(situation)}"
    if country is None:
        why = "no row says in which country this is; give `country`, or a region that the catalogue knows"
        yield Finding(title, "excluded", why)
    else:
        status: Status = "holds" if country in _allowed(situation) else "excluded"
        yield Finding(title, status, f"they stand in {country}")


def _control(situation: Situation, option: Hardware, catalogue: Catalogue) -> Iterator[Finding]:
    """Find out whether the provider's law is one of those allowed: only sensitive data asks for that."""
    if situation.data != "sensitive" or not situation.residency or option.capacity == "bought":
        return
    title = f"Whoever controls the machines is bound by the law of {_words(situation)}"
    provider = _provider(option, catalogue)
    if provider is None or (provider.control is None and provider.kind != "own"):
        yield Finding(title, "excluded", "no row says who controls the provider")
    elif provider.control is None or provider.control in _allowed(situation):
        yield Finding(title, "holds", f"{provider.title}: {provider.control or 'own premises'}")
    else:
        yield Finding(title, "excluded", f"{provider.title} is controlled from {provider.control}")


def _country_of_region(option: Hardware, catalogue: Catalogue) -> str | None:
    provider = _provider(option, catalogue)
    return provider.regions.get(option.region) if provider else None


def _provider(option: Hardware, catalogue: Catalogue) -> Provider | None:
    host = catalogue.hosts.get(option.host)
    return catalogue.providers.get(host.provider) if host else None


def _allowed(situation: Situation) -> frozenset[str]:
    """Return codes of countries, and of groups of countries, whose names an API's region may bear."""
    return frozenset(situation.residency) | countries(situation.residency)


def _words(situation: Situation) -> str:
    return ", ".join(situation.residency)


def _gate(strategy: Strategy, option: str, title: str, status: Status, why: str) -> Gate:
    return Gate(strategy=strategy, option=option, title=title, status=status, why=why)
