"""The real engine looks at what was done by hand, and writes nothing."""

from __future__ import annotations

import pytest

from lifecycle import engines
from lifecycle.home import Home
from lifecycle.provision import Provisioner
from planner.progress import Silent
from tests.engine.site import MARKS, Site
from tests.engine.test_provisioner import plan_of

pytestmark = MARKS


@pytest.mark.parametrize("engine", [engines.in_process, engines.real_on_emulated], ids=["in-process", "real"])
def test_what_was_done_by_hand_is_listed_and_not_repaired(site: Site, engine: engines.Engines) -> None:
    home = Home(site.folder / "home").stack(site.stack)
    home.create()
    provisioner = Provisioner(plan_of(site), home, Silent(), engine)
    outputs, _ = provisioner.up()
    assert provisioner.drift() == ()
    ec2, iam = site.clients.client("ec2"), site.clients.client("iam")
    ec2.modify_vpc_attribute(VpcId=outputs.vpc_id, EnableDnsHostnames={"Value": False})
    (role,) = (one["RoleName"] for one in iam.list_roles()["Roles"] if one["RoleName"].endswith(f"{site.stack}-node"))
    iam.delete_role_policy(RoleName=role, PolicyName="node")
    before = provisioner.resources()
    for _ in range(2):
        found = {(one.op, one.name): one for one in provisioner.drift()}
        assert set(found) == {("update", "network-vpc"), ("delete", "identity-policy")}
        changed = found["update", "network-vpc"]
        assert (changed.id, list(changed.now)) == (outputs.vpc_id, ["enableDnsHostnames"])
    assert provisioner.resources() == before
    provisioner.destroy()
