"""Ways in for consumers, where moto is kinder than AWS or knows less of them."""

from __future__ import annotations

import re

from moto.elbv2.models import elbv2_backends

from sandbox.aws.call import Call, Operation
from sandbox.aws.environment import ACCOUNT_ID
from sandbox.aws.errors import AwsError

_ATTACHMENT = re.compile(r"<transitGatewayAttachmentId>(tgw-attach-[0-9a-f]+)</transitGatewayAttachmentId>")


def _attach(call: Call) -> object:
    """Attach a network, tags and all: moto forgets them."""
    response = call.forward()
    made = _ATTACHMENT.search(response.text)
    if response.status == 200 and made:
        for specification in call.parameters.get("TagSpecifications", []):
            call.region.ec2.create_tags([made[1]], {one["Key"]: one["Value"] for one in specification["Tags"]})
    return response


def _connections(_call: Call) -> object:
    """Return who is connected to endpoint services: in this account nobody ever is."""
    return {"VpcEndpointConnections": []}


def _delete_balancer(call: Call) -> object:
    """Delete a load balancer, unless an endpoint service sends to it."""
    arn = call.parameters["LoadBalancerArn"]
    if any(arn in one.network_load_balancer_arns for one in call.region.ec2.configurations.values()):
        raise AwsError(
            "ResourceInUse",
            f"Load balancer '{arn}' cannot be deleted because it is associated with a VPC endpoint service",
        )
    return call.forward()


def _delete_target_group(call: Call) -> object:
    """Delete a target group, unless a listener sends to it."""
    arn, elb = call.parameters["TargetGroupArn"], elbv2_backends[ACCOUNT_ID][call.region.name]
    listeners = [one for balancer in elb.load_balancers.values() for one in balancer.listeners.values()]
    if any(action.data.get("TargetGroupArn") == arn for one in listeners for action in one.default_actions):
        raise AwsError("ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule")
    return call.forward()


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("ec2", "CreateTransitGatewayVpcAttachment"): _attach,
    ("ec2", "DescribeVpcEndpointConnections"): _connections,
    ("elasticloadbalancing", "DeleteLoadBalancer"): _delete_balancer,
    ("elasticloadbalancing", "DeleteTargetGroup"): _delete_target_group,
}
