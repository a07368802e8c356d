"""`capacity find`, `buy`, `extend` and `show`: what a profile can be run on, and what it costs up front."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from lifecycle import files
from lifecycle.aws import capacity as blocks
from lifecycle.aws.account import Caller, check_account
from lifecycle.aws.capacity import Extension, Offering, Search
from lifecycle.aws.session import AwsSession
from lifecycle.block_end import Told, tell_nodes
from lifecycle.home import Home
from lifecycle.profiles import load_profile
from planner.capacity import Drain, Held, check_has_blocks, drain
from planner.catalogue import load_catalogue
from planner.errors import DeployError, UsageError
from planner.make_plan import Site, make_plan
from planner.profile import Profile
from planner.progress import Progress

REMEMBERED_FOR = timedelta(days=1)
"""An offering found longer ago is looked for again before it is bought."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An offering, and where and for what it was found: EC2 cannot be asked for an offering by its id.

    Attributes:
        profile: its name or path, as given.
        tags: of the profile.
        drain: how nodes in this block would be left.

    """

    account: str
    region: str
    profile: str
    tags: dict[str, str]
    offering: Offering
    drain: Drain
    found_at: datetime


class FindReport(msgspec.Struct, frozen=True, kw_only=True):
    """`capacity find`."""

    account: str
    region: str
    search: Search
    offerings: tuple[Offering, ...]


class BuyReport(msgspec.Struct, frozen=True, kw_only=True):
    """`capacity buy`."""

    account: str
    region: str
    offering: Offering
    reservation: Held
    drain: Drain


class ExtendReport(msgspec.Struct, frozen=True, kw_only=True):
    """`capacity extend`.

    Attributes:
        payment: state of the payment, as EC2 writes it.
        drain: how nodes in the block are left at its new end.
        moved: the account says that the block ends then; False while the payment is not through.
        nodes: stacks of this machine that run in the block, and whether their nodes were told.

    """

    account: str
    region: str
    extension: Extension
    payment: str
    drain: Drain
    moved: bool
    nodes: tuple[Told, ...]


class ShowReport(msgspec.Struct, frozen=True, kw_only=True):
    """`capacity show`.

    Attributes:
        drain: how nodes in the block are left; null for a reservation, which goes on until it is cancelled.

    """

    account: str
    region: str
    reservation: Held
    drain: Drain | None


def find(
    home: Home, profile_name: str, *, hours: int, start: datetime | None, max_price: Decimal | None, now: datetime
) -> FindReport:
    """List the Capacity Blocks for sale that a profile would run on, and remember them for `buy`.

    Raises:
        DeployError: the profile cannot run on a block, or AWS refuses.

    """
    profile = load_profile(profile_name)
    session, caller = _session(profile)
    search = _search(profile, hours=hours, start=start, max_price=max_price)
    offerings = blocks.find(session, search)
    _remember(
        home,
        tuple(
            Found(
                account=caller.account,
                region=caller.region,
                profile=profile_name,
                tags=profile.tags,
                offering=one,
                drain=drain(one.end, profile.limits.request_timeout_s),
                found_at=now,
            )
            for one in offerings
        ),
        now,
    )
    return FindReport(account=caller.account, region=caller.region, search=search, offerings=offerings)


def offered(home: Home, offering_id: str, now: datetime) -> Found:
    """Return an offering that `find` listed on this machine.

    Raises:
        UsageError: it did not, or too long ago.

    """
    for found in _remembered(home, now):
        if found.offering.id == offering_id:
            return found
    raise UsageError(
        f"`deploy capacity find` has not listed {offering_id} here in the last day",
        hint="An id alone does not tell what it costs: run `deploy capacity find --profile ...` first.",
        code="unknown_offering",
    )


def buy(found: Found) -> BuyReport:
    """Buy what was found, with credentials of the account that it was found in.

    Raises:
        DeployError: the account is another one, AWS refuses, or nobody can tell whether it was bought.

    """
    session = AwsSession(found.region)
    check_account(session, found.account)
    held = blocks.buy(session, found.offering, found.tags)
    return BuyReport(
        account=found.account, region=found.region, offering=found.offering, reservation=held, drain=found.drain
    )


class ForSale(msgspec.Struct, frozen=True, kw_only=True):
    """More time for a block, and how its nodes would be left then."""

    caller: Caller
    extension: Extension
    drain: Drain


def extension(profile_name: str, reservation_id: str, *, hours: int, now: datetime) -> ForSale:
    """Return the cheapest extension of a block by so many hours.

    Raises:
        DeployError: it cannot be extended, AWS has nothing to sell, or refuses.

    """
    profile = load_profile(profile_name)
    session, caller = _session(profile)
    offers = blocks.extensions(session, blocks.describe(session, reservation_id), hours, now)
    if not offers:
        raise DeployError(
            f"AWS has no {hours} more hours of {reservation_id} for sale",
            hint="Try fewer hours, or `deploy capacity find` for another block.",
            code="nothing_for_sale",
        )
    return ForSale(caller=caller, extension=offers[0], drain=drain(offers[0].end, profile.limits.request_timeout_s))


def extend(for_sale: ForSale, home: Home, progress: Progress) -> ExtendReport:
    """Buy more time for a block, and tell the nodes of this machine's stacks that run in it.

    Once it is bought nothing is an error any more: whoever ran the command again would buy again.

    Raises:
        DeployError: the account is another one by now, AWS refuses, or nobody can tell whether it was bought.

    """
    caller, more = for_sale.caller, for_sale.extension
    session = AwsSession(caller.region)
    check_account(session, caller.account)
    with progress.step("more time"):
        payment = blocks.extend(session, more)
    held = _as_it_is_now(session, more.reservation_id, progress)
    moved = held is not None and held.end is not None and held.end >= more.end
    return ExtendReport(
        account=caller.account,
        region=caller.region,
        extension=more,
        payment=payment,
        drain=for_sale.drain,
        moved=moved,
        nodes=tell_nodes(home.stacks(), caller.account, held, progress) if held and moved else (),
    )


def _as_it_is_now(session: AwsSession, reservation_id: str, progress: Progress) -> Held | None:
    try:
        return blocks.describe(session, reservation_id)
    except DeployError as error:
        progress.warn(f"the block was extended, but cannot be looked at: {error.message}")
        return None


def show(profile_name: str, reservation_id: str) -> ShowReport:
    """Look at a reservation or Capacity Block.

    Raises:
        DeployError: there is none of that id, or AWS refuses.

    """
    profile = load_profile(profile_name)
    session, caller = _session(profile)
    held = blocks.describe(session, reservation_id)
    ends = held.end if held.kind == "capacity-block" else None
    return ShowReport(
        account=caller.account,
        region=caller.region,
        reservation=held,
        drain=drain(ends, profile.limits.request_timeout_s) if ends else None,
    )


def _session(profile: Profile) -> tuple[AwsSession, Caller]:
    session = AwsSession(profile.aws.region)
    return session, check_account(session, profile.aws.account)


def _search(profile: Profile, *, hours: int, start: datetime | None, max_price: Decimal | None) -> Search:
    """Say what the profile's nodes are: planned as if on demand, since the block's id is not known yet."""
    anywhere = msgspec.structs.replace(profile.aws, capacity="on-demand", reservation_id="")
    plan = make_plan(msgspec.structs.replace(profile, aws=anywhere), load_catalogue(), Site(stack="default"))
    check_has_blocks(plan.nodes[0].instance_type)
    return Search(
        instance_type=plan.nodes[0].instance_type, count=len(plan.nodes), hours=hours, start=start, max_price=max_price
    )


def _remember(home: Home, found: tuple[Found, ...], now: datetime) -> None:
    """Keep what was found, and what was found before and is not old; the newest finding of an offering counts."""
    ids = {one.offering.id for one in found}
    kept = tuple(one for one in _remembered(home, now) if one.offering.id not in ids)
    files.make_private_folder(home.root)
    files.write(home.offerings, msgspec.json.encode((*found, *kept)))


def _remembered(home: Home, now: datetime) -> tuple[Found, ...]:
    """Return what was found within the last day; nothing where the file is missing or of another version."""
    try:
        found = msgspec.json.decode(home.offerings.read_bytes(), type=tuple[Found, ...])
    except (FileNotFoundError, msgspec.MsgspecError):
        return ()
    return tuple(one for one in found if now - one.found_at.astimezone(UTC) < REMEMBERED_FOR)
