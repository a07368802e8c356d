"""What takes a while is there when `create` returns, and gone when `delete` does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.handlers.cases import CASES, World

SLOW = {"Instance", "InstanceConnectEndpoint", "VpcEndpoint-interface"}


def _state(ec2: Any, resource_id: str) -> str:
    match resource_id.partition("-")[0]:
        case "i":
            answer = ec2.describe_instances(InstanceIds=[resource_id])["Reservations"][0]["Instances"][0]
            return str(answer["State"]["Name"])
        case "eice":
            answer = ec2.describe_instance_connect_endpoints(InstanceConnectEndpointIds=[resource_id])
            return str(answer["InstanceConnectEndpoints"][0]["State"])
        case _:
            answer = ec2.describe_vpc_endpoints(VpcEndpointIds=[resource_id])
            return str(answer["VpcEndpoints"][0]["State"])


@pytest.mark.parametrize("case", [case for case in CASES if case.id in SLOW], ids=lambda case: case.id)
def test_waiting(case: Any, world: World) -> None:
    handler, ec2 = world.registry[case.token], world.clients.client("ec2")
    inputs = {**case.inputs(world), "tags": world.tags("it")}
    made = handler.create(world.clients, inputs)
    world.made(handler, made.id, inputs)
    assert _state(ec2, made.id) in {"running", "create-complete", "available"}

    def interfaces() -> list[Any]:
        subnet_id = inputs.get("subnetId") or inputs["subnetIds"][0]
        filters = [{"Name": "subnet-id", "Values": [subnet_id]}]
        return list(ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"])

    assert interfaces()
    handler.delete(world.clients, made.id, inputs)
    assert interfaces() == []
