"""Tags: what exists and carries one is listed; what is gone is not.

That every type of resource is listed is part of the handlers' contract.
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.handlers.clients import Boto3Clients
from tests.sandbox.aws.network import Network, code_of, until


def _tags(network: Network, **filters: str) -> list[dict[str, Any]]:
    wanted = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
    return list(network.ec2.describe_tags(Filters=wanted)["Tags"])


def test_tags_of_what_is_gone_are_gone(network: Network) -> None:
    ec2 = network.ec2
    made = ec2.create_instance_connect_endpoint(
        SubnetId=network.subnet_id, TagSpecifications=network.tagged("instance-connect-endpoint")
    )["InstanceConnectEndpoint"]
    ec2.create_tags(Resources=[network.vpc_id, network.subnet_id], Tags=network.tags)
    kinds = {tag["ResourceType"]: tag["ResourceId"] for tag in _tags(network, key="cloister:stack", value=network.name)}
    assert kinds == {
        "instance-connect-endpoint": made["InstanceConnectEndpointId"],
        "vpc": network.vpc_id,
        "subnet": network.subnet_id,
    }
    ec2.delete_instance_connect_endpoint(InstanceConnectEndpointId=made["InstanceConnectEndpointId"])
    until(lambda: not network.interfaces())
    ec2.delete_subnet(SubnetId=network.subnet_id)
    assert [tag["ResourceType"] for tag in _tags(network, key="cloister:*", value=network.name)] == ["vpc"]
    assert _tags(network, resource_id=made["InstanceConnectEndpointId"]) == []


def test_only_what_exists_can_be_tagged(network: Network) -> None:
    for unknown in ("eice-0123456789abcdef0", "pg-0123456789abcdef0", "cr-0123456789abcdef0"):
        with pytest.raises(ClientError) as refusal:
            network.ec2.create_tags(Resources=[unknown], Tags=network.tags)
        assert code_of(refusal.value) == "InvalidID"


def test_a_templates_tags_can_be_changed(network: Network) -> None:
    ec2 = network.ec2
    made = ec2.create_launch_template(
        LaunchTemplateName=network.name, LaunchTemplateData={}, TagSpecifications=network.tagged("launch-template")
    )["LaunchTemplate"]
    ec2.delete_tags(Resources=[made["LaunchTemplateId"]], Tags=[{"Key": "cloister:stack"}])
    found = ec2.describe_launch_templates(LaunchTemplateIds=[made["LaunchTemplateId"]])["LaunchTemplates"][0]
    assert found.get("Tags", []) == []
    ec2.delete_launch_template(LaunchTemplateId=made["LaunchTemplateId"])


def test_pages(network: Network, clients: Boto3Clients) -> None:
    ec2, tagging = network.ec2, clients.client("resourcegroupstaggingapi")
    ec2.create_tags(Resources=[network.vpc_id, network.subnet_id, network.group()], Tags=network.tags)
    filters = [{"Key": "cloister:stack", "Values": [network.name]}]
    found: list[str] = []
    token, pages = "", 0
    while pages == 0 or token:
        answer = tagging.get_resources(TagFilters=filters, ResourcesPerPage=2, PaginationToken=token)
        found += [mapping["ResourceARN"] for mapping in answer["ResourceTagMappingList"]]
        token, pages = answer.get("PaginationToken", ""), pages + 1
    assert (len(found), len(set(found)), pages) == (3, 3, 2)
    only = tagging.get_resources(TagFilters=filters, ResourceTypeFilters=["ec2:subnet"])["ResourceTagMappingList"]
    assert [mapping["ResourceARN"].rpartition("/")[2] for mapping in only] == [network.subnet_id]
    with pytest.raises(ClientError) as refusal:
        tagging.get_resources(PaginationToken="nonsense")
    assert code_of(refusal.value) == "PaginationTokenExpiredException"
