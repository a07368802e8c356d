"""From the answers and the catalogue's rows to figures, and the list of every row that went into them."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

import msgspec

from planner.assess.figures import (
    CASES,
    ApiFigures,
    CapacityFigures,
    Case,
    Figures,
    StaffFigures,
    Strategy,
    first_month,
)
from planner.assess.situation import Hardware, Situation
from planner.catalogue import Catalogue
from planner.catalogue.rows import ApiPrice, Assumption, Gpu, Host, Row
from planner.errors import UsageError
from planner.money import convert
from planner.ranges import Range

OWN_ROWS = "A row of your own goes into a file for --prices."
GPU_TO_NODE_POWER = 10.2 / 5.6
"""A DGX H200 draws 10.2 kW at most, its eight GPUs 5.6 kW: where a host's row has no power, its GPUs' is scaled so."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the catalogue that the result rests on."""

    what: str
    kind: Literal["price", "assumption", "machine"]
    value: str
    source: str
    as_of: dt.date
    verified: bool


class Terms:
    """The catalogue's prices and assumptions in one currency, for one situation.

    Raises (from every method):
        UsageError: the catalogue lacks a row, or has no rate between two currencies.

    """

    def __init__(self, situation: Situation, catalogue: Catalogue) -> None:
        self.situation = situation
        self.catalogue = catalogue
        self.sources: dict[str, Source] = {}

    def figures(self, option: Hardware) -> dict[Case, Figures]:
        """Return the figures of an option in the three cases."""
        return {case: self._figures(option, case) for case in CASES}

    def _figures(self, option: Hardware, case: Case) -> Figures:
        demand, hybrid = self.situation.demand, self.situation.hybrid
        tokens_in, tokens_out = first_month(demand)
        dear, cheap = self._dear(case), self._cheap(case)
        return Figures(
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            growth=demand.growth_per_month,
            peak_factor=demand.peak_factor,
            batch_share=demand.batch_share,
            cached_share=demand.cached_share,
            overhead=(1 + demand.retry_share) * (1 + demand.tool_overhead_share),
            local_share=hybrid.local_share,
            escalation_share=hybrid.escalation_share,
            api=self._api(),
            own=self._capacity(option, case),
            electricity=dear("electricity"),
            pue=dear("pue"),
            draw=dear("power-draw"),
            colocation=dear("colocation"),
            capital_rate=dear("cost-of-capital"),
            life_months=cheap("useful-life"),
            residual_share=cheap("residual-value"),
            repair_rate=dear("repairs"),
            platform=dear("platform"),
            staff_year=dear("staff-year"),
            staff=self._staff(dear),
            refresh_months=cheap("refresh-interval"),
        )

    def _dear(self, case: Case) -> Callable[[str], float]:
        """Return what reads assumptions that make things dearer the more they are."""
        return lambda name: float(getattr(self.assumption(name), case))

    def _cheap(self, case: Case) -> Callable[[str], float]:
        """Return what reads assumptions that make things cheaper the more they are."""
        return lambda name: float(getattr(self.assumption(name), OPPOSITE[case]))

    def _staff(self, dear: Callable[[str], float]) -> dict[Strategy, StaffFigures]:
        team = self.situation.team
        given: dict[Strategy, float | None] = {
            "api": team.staff_share_api,
            "hybrid": team.staff_share_hybrid,
            "self-host": team.staff_share_self_host,
        }
        return {
            strategy: StaffFigures(
                share=dear(f"staff-share-{strategy}") if share is None else share,
                setup_days=dear(f"setup-days-{strategy}"),
                refresh_days=dear(f"refresh-days-{strategy}"),
            )
            for strategy, share in given.items()
        }

    def assumption(self, name: str) -> Range:
        """Return an assumption, money in the situation's currency."""
        row = _found(self.catalogue.assumptions, name, "assumption")
        currency, per, _ = row.unit.partition("/")
        is_money = bool(per) and len(currency) == 3 and currency.isupper()
        low, typical, high = (
            self._money(value, currency) if is_money else value for value in (row.low, row.typical, row.high)
        )
        self._note(row.title, f"{row.low:g} / {row.typical:g} / {row.high:g} {row.unit}", row)
        return Range(low=low, typical=typical, high=high)

    def _api(self) -> ApiFigures:
        """Return the hosted models' prices, weighted by their shares of the tokens."""
        found = ApiFigures(in_price=0.0, cached_price=0.0, out_price=0.0, batch_discount=0.0)
        spent = 0.0
        tokens_in, tokens_out = first_month(self.situation.demand)
        for use in self.situation.api:
            row = _found(self.catalogue.apis, use.model, "API price")
            self._note(f"API {row.title}", _api_words(row), row)
            cached = row.in_per_million if row.cached_in_per_million is None else row.cached_in_per_million
            in_price, cached_price, out_price = (
                self._money(price, row.currency) * use.share
                for price in (row.in_per_million, cached, row.out_per_million)
            )
            cached_share = self.situation.demand.cached_share
            paid = tokens_in * ((1 - cached_share) * in_price + cached_share * cached_price) + tokens_out * out_price
            spent += paid
            found = ApiFigures(
                in_price=found.in_price + in_price,
                cached_price=found.cached_price + cached_price,
                out_price=found.out_price + out_price,
                # Each model's discount counts by what it would be paid: the sum is then right for all together.
                batch_discount=found.batch_discount + paid * (row.batch_discount or 0.0),
            )
        return msgspec.structs.replace(found, batch_discount=found.batch_discount / spent if spent else 0.0)

    def _capacity(self, option: Hardware, case: Case) -> CapacityFigures:
        bought = option.capacity == "bought"
        return CapacityFigures(
            capacity=option.capacity,
            per_hour=0.0 if bought else self.rent(option),
            price=self.purchase(option, case) if bought else 0.0,
            hours_per_month=option.hours_per_month,
            replicas_per_host=option.replicas_per_host,
            spare_replicas=option.spare_replicas,
            tokens_per_s=getattr(option.speed, OPPOSITE[case]),
            max_utilisation=self._cheap(case)("max-utilisation"),
            power_kw=self.power_kw(option.host) if bought else 0.0,
        )

    def rent(self, option: Hardware) -> float:
        """Return the rent of a host, per hour."""
        rows = [
            row
            for row in self.catalogue.host_prices
            if row.host == option.host
            and row.capacity == option.capacity
            and (not row.regions or option.region in row.regions)
        ]
        if not rows:
            raise self._no_price(option)
        row = rows[0]
        self._note(f"{option.name}, per hour", f"{row.per_hour:g} {row.currency}/h", row)
        return self._money(row.per_hour, row.currency)

    def purchase(self, option: Hardware, case: Case) -> float:
        """Return the price of a host."""
        row = next((row for row in self.catalogue.purchases if row.host == option.host), None)
        if row is None:
            raise self._no_price(option)
        self._note(f"{option.host}, bought", f"{row.low:,.0f} to {row.high:,.0f} {row.currency}", row)
        price = {"low": row.low, "typical": (row.low + row.high) / 2, "high": row.high}[case]
        return self._money(price, row.currency)

    def power_kw(self, name: str) -> float:
        """Return the most that a host draws, in kW."""
        host = _found(self.catalogue.hosts, name, "host")
        if host.power_w is not None:
            self._note(f"{name}, power", f"{host.power_w:,.0f} W at most", host)
            return host.power_w / 1000
        gpu = _found(self.catalogue.gpus, host.gpu, "GPU")
        watts = gpu.tdp_w * host.gpus * GPU_TO_NODE_POWER
        self._note(f"{name}, power", f"{watts:,.0f} W, estimated from {host.gpus} x {gpu.tdp_w:g} W of its GPUs", gpu)
        return watts / 1000

    def _money(self, amount: float, currency: str) -> float:
        return convert(amount, currency, self.situation.currency, self.catalogue.rates)

    def _note(self, what: str, value: str, row: Row) -> None:
        self.sources[what] = Source(
            what=what,
            kind="assumption" if isinstance(row, Assumption) else "machine" if isinstance(row, Host | Gpu) else "price",
            value=value,
            source=row.source,
            as_of=row.as_of,
            verified=row.verified and not row.unverified,
        )

    def _no_price(self, option: Hardware) -> UsageError:
        """Return the refusal of an option that no row prices, with what there is."""
        rents = {f"{row.host} {row.capacity} {', '.join(row.regions)}".strip() for row in self.catalogue.host_prices}
        known = [*rents, *(f"{row.host} bought" for row in self.catalogue.purchases)]
        near = difflib.get_close_matches(option.name, known, n=3, cutoff=0.3)
        return UsageError(
            f"the catalogue has no price of {option.name}",
            hint=(f"Nearest: {'; '.join(near)}. " if near else "") + OWN_ROWS,
            code="no_price",
        )


OPPOSITE: dict[Case, Case] = {"low": "high", "typical": "typical", "high": "low"}
"""Which end of a range makes things cheap, where more is better."""


AnyRow = TypeVar("AnyRow", bound=Row)


def _found(rows: Mapping[str, AnyRow], name: str, what: str) -> AnyRow:
    if name in rows:
        return rows[name]
    near = difflib.get_close_matches(name, rows, n=3, cutoff=0.3) or sorted(rows)[:8]
    raise UsageError(
        f"the catalogue has no {what} {name!r}",
        hint=f"Nearest: {', '.join(near) or 'none'}. {OWN_ROWS}",
        code="no_price",
    )


def _api_words(row: ApiPrice) -> str:
    words = f"{row.in_per_million:g} in, {row.out_per_million:g} out {row.currency} per million"
    if row.cached_in_per_million is not None:
        words += f", {row.cached_in_per_million:g} cached"
    if row.batch_discount is not None:
        words += f", {row.batch_discount:.0%} off for batch"
    return words
