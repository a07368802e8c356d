"""The shipped program under Pulumi's own engine, from nothing to nothing; asserted on the account."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from lifecycle.engines import ResourceEngine
from lifecycle.profiles import shipped_names
from planner.errors import DeployError, PolicyRefusedError
from planner.outputs import Outputs
from sandbox.engine.changes import Event
from tests.engine.site import MARKS, POLICIES, Site, graph, kinds, names, program

pytestmark = MARKS


def test_preview_up_again_and_destroy(site: Site) -> None:
    events: list[Event] = []
    plan, engine = site.plan(), site.engine(listener=events.append)
    foreseen = engine.preview(program(plan))
    assert set(kinds(foreseen.changes)) == {"create"}
    assert (site.tagged(), site.named(), events) == ({}, [], events)

    events.clear()
    made = engine.up(program(plan))
    assert names(made.changes, "create") == names(foreseen.changes, "create")
    exists = site.tagged()
    assert set(exists.values()) == {1}
    assert {"network-vpc", "node-0", "keys-key", "access-endpoint"} <= set(exists)
    assert {event.name for event in events if event.phase == "done"} == names(made.changes, "create")
    assert len(events) == 2 * len(made.changes)

    from stacks.deploy import parse_outputs

    outputs = parse_outputs(made.outputs)
    assert isinstance(outputs, Outputs)
    assert outputs.vpc_id == site.vpc()["VpcId"]
    assert outputs.nodes[0].name == "node-0"

    assert set(kinds(engine.up(program(plan)).changes)) == {"same"}
    assert set(kinds(engine.preview(program(plan)).changes)) == {"same"}
    assert {one.id for one in engine.resources() if one.name == "network-vpc"} == {outputs.vpc_id}
    assert site.tagged() == exists

    gone = engine.destroy()
    assert names(gone.changes, "delete") == names(made.changes, "create")
    assert (site.tagged(), site.named(), engine.resources()) == ({}, [], ())
    assert engine.destroy().changes == ()


@pytest.mark.parametrize("profile", shipped_names())
def test_both_engines_register_the_same(site: Site, profile: str) -> None:
    plan = site.plan(profile)
    real = site.engine().preview(program(plan))
    ours = site.in_process(site.folder).preview(program(plan))
    assert graph(real.resources) == graph(ours.resources)
    assert kinds(real.changes) == kinds(ours.changes)


def test_a_change_in_place_touches_nothing_else(site: Site) -> None:
    engine = site.engine()
    engine.up(program(site.plan()))
    plan = msgspec.structs.replace(site.plan(), tags={**site.plan().tags, "cost-centre": "42"})
    vpc = site.vpc()
    foreseen = engine.preview(program(plan))
    changed = engine.up(program(plan))
    # Which address the new node gets is known only when it has one: it may be the old one's.
    unsure = {"private-name-record"}
    assert names(foreseen.changes, "update") - unsure == names(changed.changes, "update") - unsure
    assert {"Key": "cost-centre", "Value": "42"} in site.vpc()["Tags"]
    assert site.vpc()["VpcId"] == vpc["VpcId"]
    # A launch template's tags are its instances' tags: another version of it is another instance, as foreseen.
    assert names(foreseen.changes, "replace") == names(changed.changes, "replace") == {"node-0"}


def test_replacements_before_and_after_the_old_one_goes(site: Site) -> None:
    """A VPC is made anew beside the old one; a subnet cannot be, as it is asked for here, and goes first."""

    def network(octet: int) -> Callable[[], None]:
        def registered() -> None:
            import pulumi
            import pulumi_aws as aws

            def tags(name: str) -> dict[str, str]:
                return {"cloister:stack": site.stack, "cloister:resource": name}

            vpc = aws.ec2.Vpc("vpc", cidr_block=f"10.{octet}.0.0/16", tags=tags("vpc"))
            first = pulumi.ResourceOptions(delete_before_replace=True)
            aws.ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block=f"10.{octet}.1.0/24", tags=tags("subnet"), opts=first)
            pulumi.export("vpc", vpc.id)

        return registered

    events: list[Event] = []
    engine = site.engine(listener=events.append)
    before = engine.up(network(50)).outputs["vpc"]
    foreseen = engine.preview(network(51))
    events.clear()
    after = engine.up(network(51))
    assert names(foreseen.changes, "replace") == names(after.changes, "replace") == {"vpc", "subnet"}
    assert names(foreseen.changes, "delete") == names(after.changes, "delete") == {"vpc", "subnet"}
    begun = [(event.op, event.name) for event in events if event.phase == "started"]
    assert begun.index(("delete", "subnet")) < begun.index(("replace", "subnet"))
    assert begun.index(("replace", "vpc")) < begun.index(("delete", "vpc"))
    assert after.outputs["vpc"] == site.vpc()["VpcId"] != before
    assert site.tagged() == {"vpc": 1, "subnet": 1}


@pytest.mark.parametrize("engine_name", ["real", "in-process"])
def test_a_network_is_made_anew_with_all_that_is_in_it(site: Site, engine_name: str) -> None:
    """What holds a subnet or a group (nodes, endpoints) must go before it: AWS deletes nothing that is in use."""
    engine: ResourceEngine = site.engine() if engine_name == "real" else site.in_process(site.folder)
    before = engine.up(program(site.plan()))
    plan = site.plan(vpc_cidr="10.43.0.0/16")
    subnets = [msgspec.structs.replace(one, cidr=one.cidr.replace("10.42.", "10.43.")) for one in plan.network.subnets]
    plan = site.plan(vpc_cidr="10.43.0.0/16", subnets=tuple(subnets))
    foreseen = engine.preview(program(plan))
    after = engine.up(program(plan))
    # The in-process engine tells of what it deleted first and made again as created.
    anew = names(after.changes, "replace") | names(after.changes, "create")
    assert names(foreseen.changes, "replace") == anew
    assert {"network-vpc", "network-private-a", "groups-node", "endpoints-kms", "node-0-template", "node-0"} <= anew
    assert "keys-key" in names(after.changes, "same")
    assert after.outputs["vpc_id"] == site.vpc()["VpcId"] != before.outputs["vpc_id"]
    assert site.vpc()["CidrBlock"] == "10.43.0.0/16"
    assert set(site.tagged().values()) == {1}
    engine.destroy()
    assert (site.tagged(), site.named()) == ({}, [])


def test_what_was_changed_by_hand_is_seen_and_repaired(site: Site) -> None:
    engine = site.engine()
    outputs = engine.up(program(site.plan())).outputs
    assert engine.refresh() == ()
    ec2 = site.clients.client("ec2")
    ec2.modify_vpc_attribute(VpcId=outputs["vpc_id"], EnableDnsHostnames={"Value": False})
    own = [{"Name": "group-id", "Values": [outputs["node_security_group_id"]]}]
    rule = next(r for r in ec2.describe_security_group_rules(Filters=own)["SecurityGroupRules"] if not r["IsEgress"])
    ec2.revoke_security_group_ingress(
        GroupId=outputs["node_security_group_id"], SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]]
    )
    seen = engine.refresh()
    assert names(seen, "update") == {"network-vpc"}
    assert len(names(seen, "delete")) == 1
    repaired = engine.up(program(site.plan()))
    assert names(repaired.changes, "update") == {"network-vpc"}
    assert names(repaired.changes, "create") == names(seen, "delete")
    attribute = ec2.describe_vpc_attribute(VpcId=outputs["vpc_id"], Attribute="enableDnsHostnames")
    assert attribute["EnableDnsHostnames"]["Value"] is True
    assert engine.refresh() == ()


def test_a_refusal_is_told_and_the_next_run_goes_on(site: Site) -> None:
    engine, good = site.engine(), site.plan()
    (node,) = good.nodes
    nowhere = msgspec.structs.replace(node, capacity="reservation", reservation_id="cr-0123456789abcdef0")
    with pytest.raises(DeployError) as caught:
        engine.up(program(msgspec.structs.replace(good, nodes=(nowhere,))))
    message = caught.value.message
    assert message.startswith("aws:ec2/instance:Instance 'node-0' failed: ")
    assert "InvalidCapacityReservationId.NotFound" in message
    assert "Traceback" not in message
    assert "node-0" not in site.tagged()
    done = engine.up(program(good))
    assert names(done.changes, "create") == {"node-0", "private-name-record"}
    assert set(site.tagged().values()) == {1}


def test_the_policy_pack_judges_what_the_engine_registers(site: Site) -> None:
    engine, plan = site.engine(policy_packs=(POLICIES,)), site.plan()
    engine.preview(program(plan))

    def spoilt() -> None:
        import pulumi_aws as aws

        program(plan)()
        aws.ec2.InternetGateway("way-out", tags={"cloister:stack": site.stack, "cloister:resource": "way-out"})

    for judged in (engine.preview, engine.up):
        with pytest.raises(PolicyRefusedError, match="way-out"):
            judged(spoilt)
    assert site.tagged() == {}
    engine.up(program(plan))
    assert set(site.tagged().values()) == {1}


def test_secrets_are_sealed_in_the_state(site: Site) -> None:
    def telling() -> None:
        import pulumi
        import pulumi_aws as aws

        group = aws.cloudwatch.LogGroup(
            "group", name=f"/{site.stack}/group", tags={"word": pulumi.Output.secret("open-sesame")}
        )
        pulumi.export("told", group.tags)

    engine = site.engine()
    made = engine.up(telling)
    assert made.outputs["told"] == {"word": "open-sesame"}
    (group,) = engine.resources()
    assert group.inputs["tags"] == {"word": "[secret]"}
    assert (group.outputs["tags"], group.outputs["tagsAll"]) == ("[secret]", "[secret]")
    arn = group.outputs["arn"].removesuffix(":*")
    assert site.clients.client("logs").list_tags_for_resource(resourceArn=arn)["tags"] == {"word": "open-sesame"}
    written = [path for path in site.folder.rglob("*") if path.is_file() and b"open-sesame" in path.read_bytes()]
    assert written == []
    engine.destroy()
