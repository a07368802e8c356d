"""Network load balancers, inside of a network: what consumers elsewhere come in by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.resource import Change, Record, Resource, Target, own_tags, tag_list, tag_outputs
from sandbox.handlers.waiting import is_gone, remove_when_free, wait_until

PROVISIONED_WITHIN_S = 600.0
"""AWS takes minutes to make a load balancer, and to let go of its interfaces."""


class ElbResource(Resource):
    """Base of the handlers of what Elastic Load Balancing knows by ARN, which is the id."""

    describe_call: ClassVar[str]
    records_key: ClassVar[str]
    arns_argument: ClassVar[str]
    arn_key: ClassVar[str]

    def _described(self, clients: Clients, **arguments: Any) -> list[Record]:
        try:
            found = getattr(clients.client("elbv2"), self.describe_call)(**arguments)
        except ClientError as error:
            if is_gone(error):
                return []
            raise
        return list(found[self.records_key])

    def describe(self, target: Target) -> Record | None:
        """Return the resource as the API describes it; None when it is gone."""
        return next(iter(self._described(target.clients, **{self.arns_argument: [target.id]})), None)

    def named(self, inputs: Properties) -> Mapping[str, Any]:
        """Return what to ask for to find a resource with these inputs."""
        return {"Names": [inputs["name"]]}

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return what carries the resource's own tags."""
        mine = own_tags(inputs)
        if not mine:
            return
        for record in self._described(clients, **self.named(inputs)):
            arn = str(record[self.arn_key])
            if mine.items() <= _tags(clients, arn)["tags"].items():
                yield arn, record

    def retag(self, change: Change) -> None:
        """Change the tags."""
        elb = change.clients.client("elbv2")
        old, new = change.old.get("tags") or {}, change.inputs.get("tags") or {}
        if dropped := [key for key in old if key not in new]:
            elb.remove_tags(ResourceArns=[change.id], TagKeys=dropped)
        if new:
            elb.add_tags(ResourceArns=[change.id], Tags=tag_list(new))


def _tags(clients: Clients, arn: str) -> Properties:
    (found,) = clients.client("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"]
    return tag_outputs(found["Tags"])


def _tagged(inputs: Properties) -> dict[str, Any]:
    """Return the part of a request that tags what it makes."""
    return {"Tags": tag_list(inputs["tags"])} if inputs.get("tags") else {}


def _given(names: Mapping[str, str], inputs: Properties) -> dict[str, Any]:
    return {api_name: inputs[name] for name, api_name in names.items() if inputs.get(name) is not None}


_SWITCHES = {
    "enableCrossZoneLoadBalancing": "load_balancing.cross_zone.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
}


class LoadBalancer(ElbResource):
    """`aws:lb/loadBalancer:LoadBalancer`, of the kind `network`."""

    type = "aws:lb/loadBalancer:LoadBalancer"
    fixed = frozenset({"internal", "loadBalancerType", "name", "securityGroups", "subnets"})
    in_place = frozenset({*_SWITCHES, "tags"})
    required = frozenset({"internal", "loadBalancerType", "name", "subnets"})
    unordered = frozenset({"securityGroups", "subnets"})
    describe_call, records_key = "describe_load_balancers", "LoadBalancers"
    arns_argument, arn_key = "LoadBalancerArns", "LoadBalancerArn"

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the load balancer."""
        made = clients.client("elbv2").create_load_balancer(
            Name=inputs["name"],
            Type=inputs["loadBalancerType"],
            Scheme="internal" if inputs["internal"] else "internet-facing",
            Subnets=inputs["subnets"],
            **_tagged(inputs),
            **_given({"securityGroups": "SecurityGroups"}, inputs),
        )
        return str(made["LoadBalancers"][0]["LoadBalancerArn"])

    def complete(self, target: Target) -> None:
        """Set its switches, and wait until it takes connections."""
        self._switch(target, frozenset(_SWITCHES))

        def active() -> bool:
            return bool(((self.describe(target) or {}).get("State") or {}).get("Code") == "active")

        wait_until(active, f"{target.id} is active", PROVISIONED_WITHIN_S)

    def change(self, change: Change) -> None:
        """Change its switches."""
        self._switch(change, change.names)

    @staticmethod
    def _switch(target: Target, names: frozenset[str]) -> None:
        attributes = [
            {"Key": key, "Value": "true" if target.inputs.get(name) else "false"}
            for name, key in _SWITCHES.items()
            if name in names
        ]
        if attributes:
            elb = target.clients.client("elbv2")
            elb.modify_load_balancer_attributes(LoadBalancerArn=target.id, Attributes=attributes)

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        elb = target.clients.client("elbv2")
        attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=target.id)["Attributes"]
        switched = {one["Key"]: one["Value"] == "true" for one in attributes}
        return {
            "arn": target.id,
            "arnSuffix": target.id.partition("loadbalancer/")[2],
            "dnsName": record["DNSName"],
            "internal": record["Scheme"] == "internal",
            "loadBalancerType": record["Type"],
            "name": record["LoadBalancerName"],
            "securityGroups": record.get("SecurityGroups", []),
            "subnets": [zone["SubnetId"] for zone in record["AvailabilityZones"]],
            "vpcId": record["VpcId"],
            "zoneId": record["CanonicalHostedZoneId"],
            **{name: switched.get(key, False) for name, key in _SWITCHES.items()},
            **_tags(target.clients, target.id),
        }

    def remove(self, target: Target) -> None:
        """Delete the load balancer and wait until its interfaces are gone, too: they hold subnets and groups."""
        elb = target.clients.client("elbv2")
        if self.describe(target) is None:
            return
        remove_when_free(lambda: elb.delete_load_balancer(LoadBalancerArn=target.id), target.id)
        held = [{"Name": "description", "Values": [f"ELB {target.id.partition('loadbalancer/')[2]}"]}]

        def gone() -> bool:
            interfaces = target.ec2.describe_network_interfaces(Filters=held)["NetworkInterfaces"]
            return self.describe(target) is None and not interfaces

        wait_until(gone, f"{target.id} is deleted", PROVISIONED_WITHIN_S)


_HEALTH = {
    "healthyThreshold": "HealthyThresholdCount",
    "interval": "HealthCheckIntervalSeconds",
    "port": "HealthCheckPort",
    "protocol": "HealthCheckProtocol",
    "timeout": "HealthCheckTimeoutSeconds",
    "unhealthyThreshold": "UnhealthyThresholdCount",
}
_ATTRIBUTES = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "preserveClientIp": "preserve_client_ip.enabled",
}


class TargetGroup(ElbResource):
    """`aws:lb/targetGroup:TargetGroup`."""

    type = "aws:lb/targetGroup:TargetGroup"
    fixed = frozenset({"name", "port", "protocol", "targetType", "vpcId"})
    in_place = frozenset({*_ATTRIBUTES, "healthCheck", "tags"})
    required = frozenset({"name", "port", "protocol", "targetType", "vpcId"})
    describe_call, records_key = "describe_target_groups", "TargetGroups"
    arns_argument, arn_key = "TargetGroupArns", "TargetGroupArn"

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the target group."""
        names = {"port": "Port", "protocol": "Protocol", "targetType": "TargetType", "vpcId": "VpcId"}
        made = clients.client("elbv2").create_target_group(
            Name=inputs["name"],
            **_tagged(inputs),
            **_given(names, inputs),
            **_given(_HEALTH, inputs.get("healthCheck") or {}),
        )
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    def complete(self, target: Target) -> None:
        """Set its attributes."""
        self._set(target, frozenset(_ATTRIBUTES))

    def change(self, change: Change) -> None:
        """Change its attributes and how health is looked at."""
        self._set(change, change.names)
        if "healthCheck" in change.names:
            health = _given(_HEALTH, change.inputs.get("healthCheck") or {})
            change.clients.client("elbv2").modify_target_group(TargetGroupArn=change.id, **health)

    @staticmethod
    def _set(target: Target, names: frozenset[str]) -> None:
        attributes = [
            {"Key": key, "Value": str(target.inputs[name])}
            for name, key in _ATTRIBUTES.items()
            if name in names and target.inputs.get(name) is not None
        ]
        if attributes:
            elb = target.clients.client("elbv2")
            elb.modify_target_group_attributes(TargetGroupArn=target.id, Attributes=attributes)

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {
            "arn": target.id,
            "arnSuffix": target.id.rpartition(":")[2],
            "name": record["TargetGroupName"],
            "port": record["Port"],
            "protocol": record["Protocol"],
            "targetType": record["TargetType"],
            "vpcId": record["VpcId"],
            **_tags(target.clients, target.id),
        }

    def remove(self, target: Target) -> None:
        """Delete the target group once no listener sends to it."""
        elb = target.clients.client("elbv2")
        remove_when_free(lambda: elb.delete_target_group(TargetGroupArn=target.id), target.id)


class Listener(ElbResource):
    """`aws:lb/listener:Listener` that sends everything to one target group."""

    type = "aws:lb/listener:Listener"
    fixed = frozenset({"loadBalancerArn"})
    in_place = frozenset({"defaultActions", "port", "protocol", "tags"})
    required = frozenset({"defaultActions", "loadBalancerArn", "port", "protocol"})
    describe_call, records_key = "describe_listeners", "Listeners"
    arns_argument, arn_key = "ListenerArns", "ListenerArn"

    def named(self, inputs: Properties) -> Mapping[str, Any]:
        """Return what to ask for: listeners have no names."""
        return {"LoadBalancerArn": inputs["loadBalancerArn"]}

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the listener."""
        made = clients.client("elbv2").create_listener(
            LoadBalancerArn=inputs["loadBalancerArn"], **_tagged(inputs), **_listens(inputs)
        )
        return str(made["Listeners"][0]["ListenerArn"])

    def change(self, change: Change) -> None:
        """Change where it listens and sends to."""
        if change.names - {"tags"}:
            change.clients.client("elbv2").modify_listener(ListenerArn=change.id, **_listens(change.inputs))

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {
            "arn": target.id,
            "loadBalancerArn": record["LoadBalancerArn"],
            "port": record["Port"],
            "protocol": record["Protocol"],
            "defaultActions": [
                {"type": one["Type"], "targetGroupArn": one["TargetGroupArn"]} for one in record["DefaultActions"]
            ],
            **_tags(target.clients, target.id),
        }

    def remove(self, target: Target) -> None:
        """Delete the listener."""
        elb = target.clients.client("elbv2")
        remove_when_free(lambda: elb.delete_listener(ListenerArn=target.id), target.id)


def _listens(inputs: Properties) -> dict[str, Any]:
    actions = [{"Type": one["type"], "TargetGroupArn": one["targetGroupArn"]} for one in inputs["defaultActions"]]
    return {"Port": inputs["port"], "Protocol": inputs["protocol"], "DefaultActions": actions}


class TargetGroupAttachment(Resource):
    """`aws:lb/targetGroupAttachment:TargetGroupAttachment`. Its id is made of what it joins."""

    type = "aws:lb/targetGroupAttachment:TargetGroupAttachment"
    fixed = frozenset({"port", "targetGroupArn", "targetId"})
    required = frozenset({"port", "targetGroupArn", "targetId"})

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Register the target."""
        elb = clients.client("elbv2")
        elb.register_targets(TargetGroupArn=inputs["targetGroupArn"], Targets=[_target(inputs)])
        return f"{inputs['targetGroupArn']}|{inputs['targetId']}|{inputs['port']}"

    def describe(self, target: Target) -> Record | None:
        """Return the target as its group has it; None when it, or the group, is gone."""
        group, instance, port = target.id.split("|")
        try:
            found = target.clients.client("elbv2").describe_target_health(TargetGroupArn=group)
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        for one in found["TargetHealthDescriptions"]:
            leaving = one["TargetHealth"]["State"] == "draining"
            if (one["Target"]["Id"], one["Target"]["Port"]) == (instance, int(port)) and not leaving:
                seen: Record = {**one["Target"], "TargetGroupArn": group}
                return seen
        return None

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the target in that group."""
        found_id = f"{inputs['targetGroupArn']}|{inputs['targetId']}|{inputs['port']}"
        record = self.describe(Target(clients, found_id, inputs))
        if record is not None:
            yield found_id, record

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {"port": record["Port"], "targetGroupArn": record["TargetGroupArn"], "targetId": record["Id"]}

    def remove(self, target: Target) -> None:
        """Take the target out of its group."""
        if self.describe(target) is not None:
            group, instance, port = target.id.split("|")
            elb = target.clients.client("elbv2")
            elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": instance, "Port": int(port)}])


def _target(inputs: Properties) -> dict[str, Any]:
    return {"Id": inputs["targetId"], "Port": inputs["port"]}
