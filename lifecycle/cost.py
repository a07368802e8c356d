"""`deploy cost`: what a profile costs, wherever its machines may come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from lifecycle.model_config import config_of
from lifecycle.planning import accepting
from lifecycle.prices import priced_catalogue
from lifecycle.profiles import load_profile
from planner.catalogue import Catalogue
from planner.cost import (
    NOT_COUNTED,
    TARGETS,
    CostReport,
    Work,
    expected_use,
    throughput_of,
    ways,
)
from planner.errors import PlanError, UsageError
from planner.make_plan import Site, make_plan
from planner.model_choice import choose_model
from planner.plan import StandingCost
from planner.profile import DemandSection, Profile
from planner.replica import fit_replica
from planner.throughput import basis
from planner.units import parse_count

NO_SPEED = "the speed of an encoder is not predicted"


def cost_report(
    profile_name: str,
    target: str,
    demand: Mapping[str, str],
    *,
    prices: Path | None,
    currency: str,
    accept_licence: bool,
) -> CostReport:
    """Price a profile.

    Args:
        profile_name: shipped name or path.
        target: sandbox, aws or metal.
        demand: fields of `[demand]` that take the place of the profile's.
        prices: a file of one's own rows.
        currency: ISO 4217.
        accept_licence: the model's licence may forbid commercial use, and somebody says that theirs is allowed.

    Raises:
        UsageError: the profile, the target, a field or the file is wrong, or no rate leads to the currency.
        PlanError: the model does not fit, or the demand cannot be met.

    """
    if target not in TARGETS:
        raise UsageError(f"--target: {target!r} is unknown", hint=f"Known: {', '.join(TARGETS)}.")
    place = TARGETS[target]
    asked = load_profile(profile_name)
    profile = with_demand(accepting(asked) if accept_licence else asked, demand)
    catalogue = priced_catalogue(prices)
    wanted = profile.hardware
    gpu = catalogue.gpu(wanted.gpu)
    chosen = choose_model(profile.model, catalogue, config_of(profile.model))
    largest = max((h for h in catalogue.hosts.values() if h.gpu == gpu.name), key=lambda h: h.gpus, default=None)
    if largest is None:
        raise UsageError(f"the catalogue has no machine with {gpu.name}", hint="Add one with --prices.")
    fitted = fit_replica(profile, chosen, gpu, largest)
    work = Work(
        replicas=fitted.replicas[0],
        replica=None if chosen.architecture.encoder else fitted.replica,
        demand=profile.demand,
    )
    full = throughput_of(work)
    share, why = expected_use(work, full, catalogue)
    found, unpriced = ways(catalogue, place, profile, work=work, currency=currency)
    return CostReport(
        profile=profile.name,
        target=place,
        currency=currency,
        here_per_hour=0.0,
        replicas=work.replicas,
        gpu=gpu.name,
        gpus_per_replica=wanted.count,
        ways=found,
        unpriced=unpriced,
        beside=() if place == "metal" else _beside(profile, catalogue),
        tokens_per_s=full.rounded(1) if full else None,
        utilisation=round(share, 4),
        utilisation_basis=why,
        basis=basis(work.replica) if work.replica else NO_SPEED,
        not_counted=NOT_COUNTED,
    )


def _beside(profile: Profile, catalogue: Catalogue) -> tuple[StandingCost, ...]:
    """Return what a stack of the profile has beside its machines; nothing where it cannot be planned on AWS."""
    anywhere = msgspec.structs.replace(profile.aws, capacity="on-demand", reservation_id="")
    wanted = msgspec.structs.replace(profile, aws=anywhere)
    try:
        site = Site(stack="default", model_config=config_of(profile.model))
        return make_plan(wanted, catalogue, site).cost.beside
    except PlanError:
        return ()


def with_demand(profile: Profile, fields: Mapping[str, str]) -> Profile:
    """Lay fields of the command line over the profile's `[demand]`.

    Raises:
        UsageError: a field is unknown, or its value out of range.

    """
    if not fields:
        return profile
    known = [field.name for field in msgspec.structs.fields(DemandSection)]
    values = msgspec.structs.asdict(profile.demand) if profile.demand else {}
    for name, text in fields.items():
        if name not in known:
            raise UsageError(f"--demand: there is no field {name!r}", hint=f"Known: {', '.join(known)}.")
        values[name] = parse_count(text, f"--demand {name}")
    try:
        return msgspec.structs.replace(profile, demand=msgspec.convert(values, DemandSection))
    except msgspec.ValidationError as error:
        raise UsageError(f"--demand: {error}", hint="docs/profiles.md says what each field means.") from None
