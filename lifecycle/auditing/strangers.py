"""What the state does not know: things that carry the stack's tag, lie in its network, or hang on what is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lifecycle.auditing.asking import attempt, service_of
from lifecycle.auditing.further import attached, routes
from lifecycle.auditing.observing import observe
from lifecycle.auditing.records import Reading, Unread
from lifecycle.sweeping.looking import Looked, apart, look
from lifecycle.sweeping.records import Place, Thing, pages
from lifecycle.sweeping.swept import ids_of
from planner.resources import Resource
from policies.run import place_of
from sandbox.handlers.base import Properties, Registry
from sandbox.handlers.resource import Target

VPC = "aws:ec2/vpc:Vpc"
GROUPS = ("aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
ROLE, ROLE_POLICY, POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy"
SECRET, SECRET_POLICY = "aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretPolicy:SecretPolicy"
TABLE, MAIN_TABLE = "aws:ec2/routeTable:RouteTable", "aws:ec2/defaultRouteTable:DefaultRouteTable"

TYPES = {
    "auto-scaling-group": "aws:autoscaling/group:Group",
    "elastic-ip": "aws:ec2/eip:Eip",
    "endpoint-service": "aws:ec2/vpcEndpointService:VpcEndpointService",
    "flow-log": "aws:ec2/flowLog:FlowLog",
    "hosted-zone": "aws:route53/zone:Zone",
    "instance": "aws:ec2/instance:Instance",
    "instance-connect-endpoint": "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint",
    "instance-profile": "aws:iam/instanceProfile:InstanceProfile",
    "kms-key": "aws:kms/key:Key",
    "launch-template": "aws:ec2/launchTemplate:LaunchTemplate",
    "load-balancer": "aws:lb/loadBalancer:LoadBalancer",
    "log-group": "aws:cloudwatch/logGroup:LogGroup",
    "network-interface": "aws:ec2/networkInterface:NetworkInterface",
    "peering": "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
    "placement-group": "aws:ec2/placementGroup:PlacementGroup",
    "policy": POLICY,
    "role": ROLE,
    "route-table": TABLE,
    "secret": SECRET,
    "security-group": "aws:ec2/securityGroup:SecurityGroup",
    "subnet": "aws:ec2/subnet:Subnet",
    "target-group": "aws:lb/targetGroup:TargetGroup",
    "transit-gateway-attachment": "aws:ec2transitgateway/vpcAttachment:VpcAttachment",
    "volume": "aws:ebs/volume:Volume",
    "vpc": VPC,
    "vpc-endpoint": "aws:ec2/vpcEndpoint:VpcEndpoint",
    "bucket": "aws:s3/bucket:Bucket",
}
"""Kinds of the sweep -> Pulumi types. What is not here has a type that no rule knows, and is refused for it."""

GATEWAYS = (
    ("describe_internet_gateways", "InternetGateways", "InternetGatewayId", "aws:ec2/internetGateway:InternetGateway"),
    ("describe_nat_gateways", "NatGateways", "NatGatewayId", "aws:ec2/natGateway:NatGateway"),
    ("describe_vpn_gateways", "VpnGateways", "VpnGatewayId", "aws:ec2/vpnGateway:VpnGateway"),
    (
        "describe_egress_only_internet_gateways",
        "EgressOnlyInternetGateways",
        "EgressOnlyInternetGatewayId",
        "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway",
    ),
    ("describe_carrier_gateways", "CarrierGateways", "CarrierGatewayId", "aws:ec2/carrierGateway:CarrierGateway"),
)
"""Ways out of a VPC that no stack makes, so that no sweep looks for them: call, records, id, type."""
_ENDED = {"deleted", "deleting", "failed", "detached"}


@dataclass
class Strangers:
    """Looks for what is there beside the resources of the state.

    Attributes:
        place: the account, and the stack.
        known: what the state knows, as it was read.
        registry: what describes resources.
        given_vpc: the VPC is a company's own, and what is in it without the stack's tag is not the stack's.

    """

    place: Place
    known: Iterable[Resource]
    registry: Registry
    given_vpc: bool
    _found: list[Resource] = field(default_factory=list)
    _unread: list[Unread] = field(default_factory=list)
    _ours: set[str] = field(default_factory=set)

    def found(self) -> Reading:
        """Return everything that was found, and what could not be looked at."""
        known = tuple(self.known)
        self._things(look(self.place), ids_of(known))
        vpcs = () if self.given_vpc else tuple(one.id for one in known if one.type == VPC)
        for vpc in vpcs:
            for gateway in GATEWAYS:
                self._add(partial(self._gateways, vpc, *gateway), f"{gateway[-1]} of {vpc}", "ec2")
        groups = [one for one in (*known, *self._found) if one.type in GROUPS]
        ids = {one.id for one in known}
        if groups:
            self._add(lambda: self._rules([one.id for one in groups], ids), "rules of security groups", "ec2")
        for role in [one for one in (*known, *self._found) if one.type == ROLE]:
            self._add(partial(self._policies, role, ids), f"policies of {place_of(role)}", "iam")
        for secret in [one for one in known if one.type == SECRET]:
            self._add(partial(self._secret_policy, secret), f"policy of {place_of(secret)}", "secretsmanager")
        resources = tuple(self._found)
        strangers = tuple(place_of(one) for one in resources if one.id not in self._ours)
        return Reading(resources=resources, strangers=strangers, unread=tuple(self._unread))

    def _add(self, work: Callable[[], Iterator[Resource]], place: str, service: str) -> None:
        answer = attempt(lambda: list(work()), place, service, self.place.region)
        if isinstance(answer, Unread):
            self._unread.append(answer)
        else:
            self._found += answer

    def _things(self, looked: tuple[Looked, ...], ids: frozenset[str]) -> None:
        """Add what carries the stack's tag or lies in its VPC."""
        self._unread += [Unread(place=one.kind.title, why=one.why_not) for one in looked if one.why_not]
        vpcs = set() if self.given_vpc else {one.id for one in self.known if one.type == VPC}
        mine = [thing for one in looked for thing in one.of(self.place)]
        inside = [thing for one in looked for thing in one.things if thing.refs & vpcs and thing not in mine]
        # Parts that go with their owner, and that rules are about: what groups started, and each VPC's own table.
        parts = [thing for thing in mine if thing.kind == "instance" and thing.owner in ids]
        parts += [thing for thing in inside if thing.kind == "route-table" and thing.owner in vpcs]
        self._ours = {thing.id for thing in parts}
        alone = [thing for thing in apart((*mine, *inside)) if not thing.owner and thing.gone_on is None]
        for thing in (*alone, *parts):
            if thing.id in ids or thing.kept:
                continue
            if thing.kind == "route-table" and thing.owner:
                inputs = routes(Target(self.place.clients, thing.id, {}), thing.record)
                self._found.append(_resource(MAIN_TABLE, thing.id, inputs))
            else:
                service = service_of(TYPES[thing.kind]) if thing.kind in TYPES else thing.kind
                self._add(partial(self._thing, thing), f"{thing.kind} {thing.id}", service)

    def _thing(self, thing: Thing) -> Iterator[Resource]:
        type_ = TYPES.get(thing.kind, f"aws:{thing.kind}")
        bare = _resource(type_, thing.id, {})
        if thing.kind in _FROM_RECORDS:
            yield _resource(type_, thing.id, {**_FROM_RECORDS[thing.kind](thing.record), "tags": dict(thing.tags)})
        elif thing.kind == "policy":
            yield _resource(type_, thing.id, {"policy": self._document(thing.id), "tags": dict(thing.tags)})
        elif type_ not in self.registry:
            yield bare
        elif (seen := observe(self.place.clients, bare, self.registry)) is not None:
            yield seen

    def _gateways(self, vpc: str, call: str, records: str, id_key: str, type_: str) -> Iterator[Resource]:
        for page in pages(self.place.client("ec2"), call):
            for record in page[records]:
                held = record.get("Attachments") or record.get("VpcAttachments") or [record]
                mine = [one for one in held if one.get("VpcId") == vpc and str(one.get("State", "")) not in _ENDED]
                if mine:
                    yield _resource(type_, record[id_key], {"vpcId": vpc})

    def _rules(self, groups: list[str], ids: set[str]) -> Iterator[Resource]:
        """Yield rules of the stack's groups: each is a way in or out."""
        filters = [{"Name": "group-id", "Values": groups}]
        for page in pages(self.place.client("ec2"), "describe_security_group_rules", Filters=filters):
            for rule in page["SecurityGroupRules"]:
                if rule["SecurityGroupRuleId"] not in ids:
                    bare = _resource(EGRESS if rule["IsEgress"] else INGRESS, rule["SecurityGroupRuleId"], {})
                    handler: Any = self.registry[bare.type]
                    yield _resource(
                        bare.type, bare.name, handler.outputs(Target(self.place.clients, bare.id, {}), rule)
                    )

    def _policies(self, role: Resource, ids: set[str]) -> Iterator[Resource]:
        """Yield the policies of a role that the state does not know, and the documents of those that are attached."""
        for page in pages(self.place.client("iam"), "list_role_policies", RoleName=role.id):
            for name in page["PolicyNames"]:
                place = f"{role.id}:{name}"
                if place not in ids:
                    bare = _resource(ROLE_POLICY, place, {"role": role.id, "name": name})
                    if (seen := observe(self.place.clients, bare, self.registry)) is not None:
                        yield seen
        for arn, _ in attached(Target(self.place.clients, role.id, {})):
            if arn not in ids and ":iam::aws:policy/" not in arn:  # AWS's own are refused by their names
                yield _resource(POLICY, arn, {"policy": self._document(arn)})

    def _document(self, arn: str) -> Any:
        iam = self.place.client("iam")
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    def _secret_policy(self, secret: Resource) -> Iterator[Resource]:
        """Yield the policy that lets others at a secret, where somebody gave it one."""
        answer = self.place.client("secretsmanager").get_resource_policy(SecretId=secret.id)
        if answer.get("ResourcePolicy"):
            yield _resource(SECRET_POLICY, secret.id, {"policy": answer["ResourcePolicy"]})


def _resource(type_: str, name: str, inputs: Properties) -> Resource:
    return Resource(type=type_, name=name, urn=f"{type_}::{name}", inputs=inputs, outputs=inputs, id=name)


def _volume(record: Any) -> Properties:
    return {"encrypted": record.get("Encrypted"), "kmsKeyId": record.get("KmsKeyId")}


def _interface(record: Any) -> Properties:
    groups = [one["GroupId"] for one in record.get("Groups") or ()]
    return {"subnetId": record.get("SubnetId"), "securityGroups": groups}


_FROM_RECORDS: dict[str, Callable[[Any], Properties]] = {
    "elastic-ip": lambda _: {},
    "network-interface": _interface,
    "volume": _volume,
}
"""Kinds whose listing says all that rules ask, or that nothing else describes."""
