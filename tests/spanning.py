"""A plan whose one replica spans two nodes in AWS, which have their addresses."""

from __future__ import annotations

import msgspec

from lifecycle.configure import with_hosts
from lifecycle.profiles import load_profile
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.outputs import NodeOutputs, Outputs
from planner.plan import Plan
from planner.profile import AwsSection, HardwareSection, ModelSection

HEAD, FOLLOWER = "10.42.0.10", "10.42.0.11"


def spanning_plan(capacity: str = "on-demand") -> Plan:
    """Kimi K2 on two machines of eight H200: none of them holds it."""
    profile = msgspec.structs.replace(
        load_profile("8xh200"),
        model=ModelSection(name="kimi-k2-instruct", max_model_len=131072),
        hardware=HardwareSection(gpu="h200", count=16),
        aws=AwsSection(region="us-east-2", instance_type="p5en.48xlarge"),
        demand=None,
    )
    return make_plan(profile, load_catalogue(), Site(stack="wide", target="aws", account="123456789012"))


def outputs_of(*addresses: str) -> Outputs:
    """What the account made of it, node by node."""
    return Outputs(
        vpc_id="vpc-1",
        private_subnet_ids=("subnet-1",),
        node_security_group_id="sg-1",
        kms_key_arn="arn:aws:kms:us-east-2:123456789012:key/1",
        instance_connect_endpoint_id="eice-0123456789abcdef0",
        bundle_bucket="bundle",
        nodes=tuple(
            NodeOutputs(name=f"node-{n}", instance_id=f"i-{n:017}", private_ip=address, availability_zone="us-east-2a")
            for n, address in enumerate(addresses)
        ),
    )


def with_nodes(plan: Plan) -> Plan:
    """The plan once its nodes are there."""
    return with_hosts(plan, outputs_of(HEAD, FOLLOWER))
