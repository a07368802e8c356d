"""`drift`: what was changed, deleted or added by hand, against state and plan. Nothing is changed by looking."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import msgspec

from lifecycle.home import StackHome
from lifecycle.stack import Stack
from lifecycle.sweep import place_of_stack
from lifecycle.sweeping.looking import apart, look
from lifecycle.sweeping.records import Place, Thing, pages
from lifecycle.sweeping.swept import ids_of
from planner.progress import Progress
from planner.resources import Resource
from sandbox.engine import Change, Drift

_ROUTE_TO = ("DestinationCidrBlock", "DestinationIpv6CidrBlock")


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is the stack's, or lies in what is, and that its state does not know."""

    kind: str
    id: str
    detail: str = ""


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was done by hand.

    Attributes:
        ok: nothing was.
        changed: what was changed or deleted.
        added: what was added: things that carry the stack's tag, rules of its security groups, routes of its tables.
        planned: what the plan asks for and the state does not have: no drift, but what the next `up` does beside it.
        not_looked_at: why some of it could not be looked at; nobody can say then that there is no drift.

    """

    ok: bool
    stack: str
    account: str
    region: str
    changed: tuple[Drift, ...]
    added: tuple[Added, ...]
    planned: tuple[Change, ...]
    not_looked_at: tuple[str, ...]
    seconds: float


def drift(home: StackHome, progress: Progress) -> DriftReport:
    """Look at every resource of a stack, and for what its state does not know.

    Raises:
        DeployError: there is no such stack, its account does not answer, or the credentials are of another one.

    """
    started = time.monotonic()
    stack = Stack.load(home, progress)
    provisioner = stack.provisioner()
    place = place_of_stack(stack)
    with progress.step("resources as they are"):
        changed = provisioner.drift()
    with progress.step("what nobody knows"):
        known = provisioner.resources()
        added, unseen = added_by_hand(place, known)
    planned = tuple(change for change in provisioner.preview().changes if change.op != "same")
    return DriftReport(
        ok=not (changed or added or unseen),
        stack=home.name,
        account=place.account,
        region=place.region,
        changed=changed,
        added=added,
        planned=planned,
        not_looked_at=unseen,
        seconds=round(time.monotonic() - started, 2),
    )


def added_by_hand(place: Place, known: Iterable[Resource]) -> tuple[tuple[Added, ...], tuple[str, ...]]:
    """Return what the state does not know, and why some of it could not be looked at.

    Args:
        place: the account, and the stack whose things are looked for.
        known: the resources as the state has them.

    """
    resources = tuple(known)
    ids = ids_of(resources)
    looked = look(place)
    mine = [thing for one in looked for thing in one.of(place)]
    unknown = [
        Added(kind=thing.kind, id=thing.id, detail=thing.detail)
        for thing in apart(mine)
        if thing.id not in ids and thing.gone_on is None
    ]
    unknown += _rules(place, mine, ids)
    unknown += _routes(mine, resources)
    return tuple(unknown), tuple(one.why_not for one in looked if one.why_not)


def _rules(place: Place, mine: Iterable[Thing], ids: frozenset[str]) -> Iterator[Added]:
    """Yield rules of the stack's groups that the state does not know: each is a way in or out."""
    groups = [thing.id for thing in mine if thing.kind == "security-group"]
    if not groups:
        return
    filters = [{"Name": "group-id", "Values": groups}]
    for page in pages(place.client("ec2"), "describe_security_group_rules", Filters=filters):
        for rule in page["SecurityGroupRules"]:
            if rule["SecurityGroupRuleId"] not in ids:
                where = rule.get("CidrIpv4") or rule.get("CidrIpv6") or rule.get("PrefixListId") or "a group"
                ports = f"{rule.get('IpProtocol')} {rule.get('FromPort', '')}-{rule.get('ToPort', '')}"
                way = "out to" if rule["IsEgress"] else "in from"
                detail = f"of {rule['GroupId']}: {way} {where}, {ports}"
                yield Added(kind="security-group-rule", id=rule["SecurityGroupRuleId"], detail=detail)


def _routes(mine: Iterable[Thing], resources: Iterable[Resource]) -> Iterator[Added]:
    """Yield routes of the stack's tables that the state does not know."""
    routes = [one for one in resources if one.type == "aws:ec2/route:Route"]
    known = {(one.inputs.get("routeTableId"), one.inputs.get("destinationCidrBlock")) for one in routes}
    for table in (thing for thing in mine if thing.kind == "route-table"):
        for route in table.record.get("Routes") or ():
            to = next((route[key] for key in _ROUTE_TO if route.get(key)), None)
            if to and route.get("Origin") == "CreateRoute" and (table.id, to) not in known:
                through = next((value for key, value in route.items() if key.endswith("Id") and value), "")
                yield Added(kind="route", id=f"{table.id} {to}", detail=f"to {to} through {through}")
