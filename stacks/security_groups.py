"""Who may talk to whom, group by group and rule by rule; everything else is refused."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from planner.plan import Plan
from stacks.naming import child_of, tags_of

HTTPS, SSH = 443, 22


class SecurityGroups(pulumi.ComponentResource):
    """Groups of the nodes, of the endpoints and of the SSH entrance, and the rules between them.

    A given network has endpoints with groups of their own: nodes get a way to them.
    """

    node_id: pulumi.Output[str]
    endpoints_id: pulumi.Output[str]
    """Not set where the endpoints are given."""
    entrance_id: pulumi.Output[str]
    balancer_id: pulumi.Output[str] | None
    """Of the load balancer behind which the endpoint is offered; none where it is not."""
    peers_id: pulumi.Output[str] | None
    """Of nodes that one replica spans; none where there are none."""

    def __init__(
        self, name: str, plan: Plan, vpc_id: pulumi.Output[str], s3_prefix_list_id: pulumi.Output[str]
    ) -> None:
        super().__init__("cloister:aws:SecurityGroups", name)
        self._name, self._plan, self._vpc_id = name, plan, vpc_id
        self.node_id = self._group("node", "GPU nodes")
        self.entrance_id = self._group("entrance", "EC2 Instance Connect Endpoint: SSH for administrators")
        self._clients("client", self.node_id)
        self._between("entrance", self.entrance_id, "node", self.node_id, SSH)
        if plan.network.given:
            for number, group_id in enumerate(plan.network.given.endpoint_group_ids):
                self._out(f"{name}-node-to-endpoints-{number}", self.node_id, group_id, "Given endpoints", HTTPS)
        else:
            self.endpoints_id = self._group("endpoints", "Endpoints of AWS services")
            self._between("node", self.node_id, "endpoints", self.endpoints_id, HTTPS)
        self.balancer_id = self._balancer() if plan.consumers.private_link else None
        self._to_s3(s3_prefix_list_id)
        self._to_servers()
        self.peers_id = self._peers() if any(node.placement_group for node in plan.nodes) else None
        self.register_outputs({"node_id": self.node_id})

    def _group(self, role: str, description: str) -> pulumi.Output[str]:
        name = f"{self._name}-{role}"
        group = aws.ec2.SecurityGroup(
            name,
            name=f"cloister-{self._plan.stack}-{role}",
            description=description,
            vpc_id=self._vpc_id,
            # An empty list, not none: AWS gives a new group a rule that lets everything out.
            egress=[],
            ingress=[],
            tags=tags_of(self._plan, name),
            opts=pulumi.ResourceOptions(
                parent=self, delete_before_replace=True, ignore_changes=["ingress", "egress"]
            ),  # the rules are resources of their own
        )
        return group.id

    def _peers(self) -> pulumi.Output[str]:
        """Let nodes that one replica spans say everything to each other, and nothing to anybody else.

        EFA wants every protocol, in and out (EC2 user guide, "Get started with EFA").
        """
        group_id = self._group("peers", "Nodes that one replica spans: EFA and rendezvous")
        for rule, suffix in ((aws.vpc.SecurityGroupIngressRule, "in"), (aws.vpc.SecurityGroupEgressRule, "out")):
            name = f"{self._name}-peers-{suffix}"
            rule(
                name,
                security_group_id=group_id,
                referenced_security_group_id=group_id,
                description="Peers",
                ip_protocol="-1",
                tags=tags_of(self._plan, name),
                opts=child_of(self, one_at_a_time=True),
            )
        return group_id

    def _clients(self, role: str, group_id: pulumi.Output[str]) -> None:
        """Let the named networks reach the gateway's port, and nothing else."""
        network = self._plan.network
        named: list[tuple[str, dict[str, Any]]] = [
            *((f"{role}s-{n}", {_family(cidr): cidr}) for n, cidr in enumerate(network.client_cidrs)),
            *((f"{role}-list-{n}", {"prefix_list_id": one}) for n, one in enumerate(network.client_prefix_lists)),
        ]
        for suffix, who in named:
            name = f"{self._name}-{suffix}"
            aws.vpc.SecurityGroupIngressRule(
                name,
                security_group_id=group_id,
                tags=tags_of(self._plan, name),
                opts=child_of(self, one_at_a_time=True),
                **_port(network.gateway_port, "Clients of the endpoint"),
                **who,
            )

    def _balancer(self) -> pulumi.Output[str]:
        """Let clients reach the load balancer, and it the nodes: what PrivateLink carries is judged like the rest."""
        group_id = self._group("balancer", "Load balancer of the endpoint service")
        self._clients("consumer", group_id)
        self._between("balancer", group_id, "node", self.node_id, self._plan.network.gateway_port)
        return group_id

    def _between(
        self, source: str, source_id: pulumi.Output[str], target: str, target_id: pulumi.Output[str], port: int
    ) -> None:
        """Let one group reach another on one port: out of the first, into the second."""
        name = f"{self._name}-{source}-to-{target}"
        description = f"{source} to {target}"
        self._out(f"{name}-out", source_id, target_id, description, port)
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-in",
            security_group_id=target_id,
            referenced_security_group_id=source_id,
            tags=tags_of(self._plan, f"{name}-in"),
            opts=child_of(self, one_at_a_time=True),
            **_port(port, description),
        )

    def _out(
        self, name: str, source_id: pulumi.Output[str], target_id: pulumi.Input[str], description: str, port: int
    ) -> None:
        """Let one group send to another on one port."""
        aws.vpc.SecurityGroupEgressRule(
            name,
            security_group_id=source_id,
            referenced_security_group_id=target_id,
            tags=tags_of(self._plan, name),
            opts=child_of(self, one_at_a_time=True),
            **_port(port, description),
        )

    def _to_servers(self) -> None:
        """Let nodes reach the servers that services ask, each at its port."""
        servers = [server for service in self._plan.services for server in service.reaches if server.address]
        for address, port in sorted({(server.address, server.port) for server in servers}):
            name = f"{self._name}-node-to-{address.replace(':', '-')}-{port}"
            where: dict[str, Any] = {_family(address): f"{address}/{128 if ':' in address else 32}"}
            aws.vpc.SecurityGroupEgressRule(
                name,
                security_group_id=self.node_id,
                tags=tags_of(self._plan, name),
                opts=child_of(self, one_at_a_time=True),
                **_port(port, "A server that services ask"),
                **where,
            )

    def _to_s3(self, prefix_list_id: pulumi.Output[str]) -> None:
        """Let nodes reach S3, whose gateway endpoint is a route and has no group of its own."""
        name = f"{self._name}-node-to-s3"
        aws.vpc.SecurityGroupEgressRule(
            name,
            security_group_id=self.node_id,
            description="S3, through its gateway endpoint",
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            prefix_list_id=prefix_list_id,
            tags=tags_of(self._plan, name),
            opts=child_of(self, one_at_a_time=True),
        )


def _port(port: int, description: str) -> dict[str, Any]:
    return {"ip_protocol": "tcp", "from_port": port, "to_port": port, "description": description}


def _family(cidr: str) -> str:
    return "cidr_ipv6" if ":" in cidr else "cidr_ipv4"
