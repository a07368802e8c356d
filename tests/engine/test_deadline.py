"""A stack with a deadline under Pulumi's own engine: switches first, then nodes; moved; and taken away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from lifecycle import engines, switches
from lifecycle.home import Home
from lifecycle.profiles import load_profile
from lifecycle.provision import Provisioner
from planner.catalogue import load_catalogue
from planner.deadline import Lifetime, group_name
from planner.make_plan import Site as PlanSite
from planner.make_plan import make_plan
from planner.plan import Plan
from planner.progress import Silent
from tests.engine.site import MARKS, Site, kinds

pytestmark = MARKS

NOW = datetime.now(UTC).replace(second=0, microsecond=0)


def plan_until(site: Site, hours: float) -> Plan:
    port = urlsplit(site.url).port
    assert port is not None
    lifetime = Lifetime(since=NOW, until=NOW + timedelta(hours=hours))
    return make_plan(
        load_profile("2xh200"),
        load_catalogue(),
        PlanSite(stack=site.stack, ports={"aws.http": port}, lifetime=lifetime),
    )


def switch(site: Site) -> Any:
    (action,) = site.clients.client("autoscaling").describe_scheduled_actions(
        AutoScalingGroupName=group_name(site.stack, "node-0")
    )["ScheduledUpdateGroupActions"]
    return action["StartTime"].astimezone(UTC)


def test_a_deadline_holds_moves_and_goes(site: Site) -> None:
    home = Home(site.folder / "home").stack(site.stack)
    home.create()
    plan = plan_until(site, 2)
    provisioner = Provisioner(plan, home, Silent(), engines.real_on_emulated)
    outputs = provisioner.up()[0]
    assert [node.name for node in outputs.nodes] == ["node-0"]
    assert switches.missing(site.clients, plan) == ()
    assert plan.deadline is not None
    assert switch(site) == plan.deadline.until
    assert provisioner.up()[0] == outputs

    later = plan_until(site, 5)
    assert later.deadline is not None
    switches.move(site.clients, later, Silent())
    extended = Provisioner(later, home, Silent(), engines.real_on_emulated)
    again, moved = extended.up()
    assert again == outputs, "the node goes on"
    assert not {"create", "replace", "delete"} & {*kinds(moved)}
    assert switch(site) == later.deadline.until
    extended.destroy()
    assert (site.tagged(), site.named()) == ({}, [])
