"""Consumers beyond the stack's network: who is let in, which way, and nobody else."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle import sweep
from lifecycle.profiles import load_profile
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.make_plan import Site, make_plan
from planner.plan import Plan
from planner.profile import AwsSection, NetworkSection, Profile
from planner.resources import Resource
from policies.run import evaluate, refusals
from sandbox.handlers.clients import Boto3Clients
from tests.policies.stacks import CASES, change
from tests.sandbox.aws.account import Account
from tests.stacks.test_life import provisioner, up
from tests.stacks.test_program import registered

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:pulumi_aws")]

PARTNER = "arn:aws:iam::210987654321:root"
GATEWAY, PEER = "tgw-0123456789abcdef0", "vpc-0123456789abcdef0"
MUTANTS: list[dict[str, Any]] = json.loads((CASES / "consumer_mutants.json").read_text())


def profile(*, network: dict[str, Any] | None = None, **aws: Any) -> Profile:
    changed = {"aws": msgspec.convert(aws, AwsSection), "network": msgspec.convert(network or {}, NetworkSection)}
    return msgspec.structs.replace(load_profile("2xh200"), **changed)


def joined(gateway: str = GATEWAY, peer: str = PEER) -> dict[str, Any]:
    return {
        "private_link": {"allowed_principals": [PARTNER]},
        "transit_gateway": {"id": gateway, "cidrs": ["10.20.0.0/16", "10.21.0.0/16"]},
        "peering": [{"vpc_id": peer, "cidr": "10.77.0.0/16"}],
    }


@pytest.fixture(scope="module")
def previewed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, dict[str, Resource]]:
    plan = make_plan(profile(**joined()), load_catalogue(), Site(stack="joined"))
    return plan, registered(plan, tmp_path_factory.mktemp("joined"))


def test_consumers_are_let_in_where_the_profile_says(previewed: tuple[Plan, dict[str, Resource]]) -> None:
    plan, resources = previewed
    assert refusals(evaluate(plan, resources.values())) == ()
    balancer, service = resources["private-link-balancer"].inputs, resources["private-link-service"].inputs
    assert (balancer["internal"], balancer["loadBalancerType"], len(balancer["securityGroups"])) == (True, "network", 1)
    assert (service["acceptanceRequired"], service["allowedPrincipals"]) == (True, [PARTNER])
    ways = {name: r.inputs for name, r in resources.items() if name.startswith("groups-") and "fromPort" in r.inputs}
    assert {one["fromPort"] for name, one in ways.items() if "balancer" in name or "consumer" in name} == {443}
    assert ways["groups-consumers-0"]["cidrIpv4"] == "10.0.0.0/8"
    routes = {r.inputs["destinationCidrBlock"]: r.inputs for r in resources.values() if "route:Route" in r.type}
    assert routes.keys() == {"10.20.0.0/16", "10.21.0.0/16", "10.77.0.0/16"}
    assert routes["10.20.0.0/16"]["transitGatewayId"] == GATEWAY
    assert "vpcPeeringConnectionId" in routes["10.77.0.0/16"]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: str(mutant["mutant"]))
def test_what_is_spoilt_is_refused(mutant: dict[str, Any], previewed: tuple[Plan, dict[str, Resource]]) -> None:
    plan, resources = previewed
    victim = resources[mutant["name"]]
    inputs = deepcopy(dict(victim.inputs))
    change(inputs, mutant["path"], mutant["value"])
    spoilt = {**resources, mutant["name"]: msgspec.structs.replace(victim, inputs=inputs)}
    caught = refusals(evaluate(plan, spoilt.values()))
    assert {(finding.rule, finding.status) for finding in caught} == {("named-consumers", "violated")}
    assert {finding.resource for finding in caught} == {f"{victim.type}::{victim.name}"}


def test_the_endpoint_of_a_given_network_is_offered_there(tmp_path: Path) -> None:
    network = {
        "vpc_id": PEER,
        "subnet_ids": ["subnet-0123456789abcdef0"],
        "endpoints": {
            name: f"vpce-{number:08x}" for number, name in enumerate(("kms", "logs", "s3", "secretsmanager", "sts"))
        },
        "endpoint_group_ids": ["sg-0123456789abcdef0"],
    }
    asked = profile(network={}, private_link={"allowed_principals": [PARTNER]})
    given = msgspec.convert({**msgspec.to_builtins(asked.aws), "network": network}, AwsSection)
    plan = make_plan(msgspec.structs.replace(asked, aws=given), load_catalogue(), Site(stack="given"))
    resources = registered(plan, tmp_path)
    assert resources["private-link-nodes"].inputs["vpcId"] == PEER
    assert resources["private-link-balancer"].inputs["subnets"] == ["subnet-0123456789abcdef0"]
    assert refusals(evaluate(plan, resources.values())) == ()


@pytest.mark.slow
def test_consumers_come_and_go_without_a_trace(account: Account, clients: Boto3Clients, tmp_path: Path) -> None:
    ec2, elb = clients.client("ec2"), clients.client("elbv2")
    gateway = ec2.create_transit_gateway(Description="company")["TransitGateway"]["TransitGatewayId"]
    peer = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    made = provisioner(profile(**joined(gateway, peer)), "consumers", account, tmp_path)
    with up(made) as outputs:
        assert refusals(evaluate(made.plan, made.resources()), settled=True) == ()
        (service,) = ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"]
        assert (service["ServiceName"], service["AcceptanceRequired"]) == (outputs.endpoint_service_name, True)
        (balancer,) = elb.describe_load_balancers(Names=["cloister-consumers"])["LoadBalancers"]
        assert (balancer["Scheme"], balancer["Type"]) == ("internal", "network")
        (group,) = elb.describe_target_groups(LoadBalancerArn=balancer["LoadBalancerArn"])["TargetGroups"]
        health = elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
        assert [one["Target"] for one in health] == [{"Id": outputs.nodes[0].instance_id, "Port": 443}]
        tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [outputs.vpc_id]}])["RouteTables"]
        routes = {one.get("DestinationCidrBlock"): one for table in tables for one in table["Routes"]}
        assert routes["10.21.0.0/16"]["TransitGatewayId"] == gateway
        assert routes["10.77.0.0/16"]["VpcPeeringConnectionId"].startswith("pcx-")
        assert {change.op for change in made.up()[1]} == {"same"}
    assert sweep.tagged(clients, "consumers") == ()
    assert elb.describe_load_balancers()["LoadBalancers"] == []
    assert elb.describe_target_groups()["TargetGroups"] == []
    ec2.delete_vpc(VpcId=peer)


@pytest.mark.slow
@pytest.mark.parametrize("entries", [("10.20.0.0/16",), ("10.20.0.0/16", "203.0.113.0/24"), ()])
def test_a_prefix_list_of_clients_is_judged_by_what_is_in_it(
    entries: tuple[str, ...], account: Account, clients: Boto3Clients, tmp_path: Path
) -> None:
    ec2 = clients.client("ec2")
    wanted = [{"Cidr": cidr} for cidr in entries]
    made_list = ec2.create_managed_prefix_list(
        PrefixListName="clients", AddressFamily="IPv4", MaxEntries=5, Entries=wanted
    )["PrefixList"]["PrefixListId"]
    asked = profile(network={"client_cidrs": [], "client_prefix_lists": [made_list]})
    made = provisioner(asked, f"listed-{len(entries)}", account, tmp_path)
    try:
        if entries == ("10.20.0.0/16",):
            made.up()
            (rule,) = (one for one in made.resources() if one.name == "groups-client-list-0")
            assert (rule.inputs["prefixListId"], rule.inputs["fromPort"]) == (made_list, 443)
            assert refusals(evaluate(made.plan, made.resources()), settled=True) == ()
        else:
            with pytest.raises(DeployError, match="client_prefix_lists") as refusal:
                made.up()
            assert refusal.value.code == "client_prefix_lists"
            assert made.resources_or_none() in (None, ())
    finally:
        made.destroy()
        ec2.delete_managed_prefix_list(PrefixListId=made_list)
