"""The seam: the toolkit's provisioner, with either engine, does the same to the account."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lifecycle import engines
from lifecycle.engines import Engines
from lifecycle.home import Home
from lifecycle.profiles import load_profile
from lifecycle.provision import Provisioner
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.make_plan import Site as PlanSite
from planner.make_plan import make_plan
from planner.outputs import Outputs
from planner.plan import Plan
from planner.progress import Silent
from tests.engine.site import MARKS, Site, kinds

pytestmark = MARKS


def plan_of(site: Site) -> Plan:
    port = urlsplit(site.url).port
    assert port is not None
    return make_plan(load_profile("2xh200"), load_catalogue(), PlanSite(stack=site.stack, ports={"aws.http": port}))


@pytest.mark.parametrize("engine", [engines.in_process, engines.real_on_emulated], ids=["in-process", "real"])
def test_the_provisioner_works_with_either_engine(site: Site, engine: Engines) -> None:
    home = Home(site.folder / "home").stack(site.stack)
    home.create()
    provisioner = Provisioner(plan_of(site), home, Silent(), engine)
    foreseen = provisioner.preview()
    outputs, changes = provisioner.up()
    assert isinstance(outputs, Outputs)
    assert kinds(foreseen.changes) == kinds(changes) == {"create": len(changes)}
    assert set(site.tagged().values()) == {1}
    assert provisioner.up()[0] == outputs
    ec2 = site.clients.client("ec2")
    ec2.modify_vpc_attribute(VpcId=outputs.vpc_id, EnableDnsHostnames={"Value": False})
    again, repaired = provisioner.up()
    assert (again, kinds(repaired)["update"]) == (outputs, 1)
    assert {one.id for one in provisioner.resources() if one.name == "network-vpc"} == {outputs.vpc_id}
    assert kinds(provisioner.destroy()) == {"delete": len(changes)}
    assert (site.tagged(), site.named()) == ({}, [])


def test_what_the_engine_needs_is_said_before_anything_is_made(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    home = Home(site.folder / "home").stack(site.stack)
    home.create()
    with pytest.raises(DeployError) as caught:
        Provisioner(plan_of(site), home, Silent(), engines.real_on_emulated).up()
    assert caught.value.code == "pulumi_missing"
    monkeypatch.undo()
    assert site.tagged() == {}
