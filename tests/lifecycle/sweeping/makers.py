"""One of each kind, made with plain boto3, with or without tags."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.sandbox.aws.network import ZONE

Tags = dict[str, str]
_TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
_NOTHING = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}]}
)


def pairs(tags: Tags) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


class Maker:
    """Makes things in one VPC of its own, so that nothing of it is in anything else's way.

    Args:
        client: returns the client of a service.
        name: part of every name.
        tags: of everything; none makes look-alikes.

    """

    def __init__(self, client: Callable[[str], Any], name: str, tags: Tags) -> None:
        self.client, self.name, self.tags = client, name, tags
        self.ec2 = client("ec2")
        self._vpc = self._subnet = ""

    def spec(self, kind: str) -> dict[str, Any]:
        return {"TagSpecifications": [{"ResourceType": kind, "Tags": pairs(self.tags)}]} if self.tags else {}

    def vpc(self) -> str:
        if not self._vpc:
            self._vpc = self.ec2.create_vpc(CidrBlock="10.9.0.0/16", **self.spec("vpc"))["Vpc"]["VpcId"]
        return self._vpc

    def subnet(self) -> str:
        if not self._subnet:
            made = self.ec2.create_subnet(
                VpcId=self.vpc(), CidrBlock="10.9.1.0/24", AvailabilityZone=ZONE, **self.spec("subnet")
            )
            self._subnet = made["Subnet"]["SubnetId"]
        return self._subnet

    def security_group(self) -> str:
        made = self.ec2.create_security_group(
            GroupName=f"{self.name}-group", Description="one", VpcId=self.vpc(), **self.spec("security-group")
        )
        return str(made["GroupId"])

    def route_table(self) -> str:
        table = self.ec2.create_route_table(VpcId=self.vpc(), **self.spec("route-table"))["RouteTable"]["RouteTableId"]
        self.ec2.associate_route_table(RouteTableId=table, SubnetId=self.subnet())
        return str(table)

    def network_interface(self) -> str:
        made = self.ec2.create_network_interface(SubnetId=self.subnet(), **self.spec("network-interface"))
        return str(made["NetworkInterface"]["NetworkInterfaceId"])

    def elastic_ip(self) -> str:
        return str(self.ec2.allocate_address(Domain="vpc", **self.spec("elastic-ip"))["AllocationId"])

    def vpc_endpoint(self) -> str:
        made = self.ec2.create_vpc_endpoint(
            VpcId=self.vpc(),
            ServiceName="com.amazonaws.us-east-2.kms",
            VpcEndpointType="Interface",
            SubnetIds=[self.subnet()],
            PrivateDnsEnabled=False,
            **self.spec("vpc-endpoint"),
        )
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    def instance_connect_endpoint(self) -> str:
        made = self.ec2.create_instance_connect_endpoint(
            SubnetId=self.subnet(), **self.spec("instance-connect-endpoint")
        )
        return str(made["InstanceConnectEndpoint"]["InstanceConnectEndpointId"])

    def load_balancer(self) -> str:
        made = self.client("elbv2").create_load_balancer(
            Name=f"{self.name[:20]}-{len(self.tags)}nlb",
            Type="network",
            Scheme="internal",
            Subnets=[self.subnet()],
            **({"Tags": pairs(self.tags)} if self.tags else {}),
        )
        arn = str(made["LoadBalancers"][0]["LoadBalancerArn"])
        protected = [{"Key": "deletion_protection.enabled", "Value": "true"}]
        self.client("elbv2").modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=protected)
        return arn

    def target_group(self) -> str:
        made = self.client("elbv2").create_target_group(
            Name=f"{self.name[:20]}-{len(self.tags)}tg",
            Protocol="TCP",
            Port=443,
            VpcId=self.vpc(),
            **({"Tags": pairs(self.tags)} if self.tags else {}),
        )
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    def endpoint_service(self) -> str:
        elb = self.client("elbv2").create_load_balancer(
            Name=f"{self.name[:20]}-{len(self.tags)}pl",
            Type="network",
            Scheme="internal",
            Subnets=[self.subnet()],
            **({"Tags": pairs(self.tags)} if self.tags else {}),
        )
        made = self.ec2.create_vpc_endpoint_service_configuration(
            NetworkLoadBalancerArns=[elb["LoadBalancers"][0]["LoadBalancerArn"]], **self.spec("vpc-endpoint-service")
        )
        return str(made["ServiceConfiguration"]["ServiceId"])

    def flow_log(self) -> str:
        made = self.ec2.create_flow_logs(
            ResourceIds=[self.vpc()],
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="s3",
            LogDestination=f"arn:aws:s3:::{self.bucket()}",
            **self.spec("vpc-flow-log"),
        )
        return str(made["FlowLogIds"][0])

    def instance(self) -> str:
        made = self.ec2.run_instances(
            ImageId=self.any_image(),
            InstanceType="t3.micro",
            MinCount=1,
            MaxCount=1,
            SubnetId=self.subnet(),
            DisableApiTermination=True,
            TagSpecifications=[
                {"ResourceType": kind, "Tags": pairs(self.tags)} for kind in ("instance", "volume", "network-interface")
            ]
            if self.tags
            else [],
        )
        return str(made["Instances"][0]["InstanceId"])

    def any_image(self) -> str:
        images = self.ec2.describe_images(Owners=["amazon"])["Images"]
        return str(next(one["ImageId"] for one in images if one.get("RootDeviceName")))

    def volume(self) -> str:
        return str(self.ec2.create_volume(AvailabilityZone=ZONE, Size=8, **self.spec("volume"))["VolumeId"])

    def snapshot(self) -> str:
        return str(self.ec2.create_snapshot(VolumeId=self.volume(), **self.spec("snapshot"))["SnapshotId"])

    def image(self) -> str:
        made = self.ec2.register_image(
            Name=f"{self.name}-image",
            RootDeviceName="/dev/sda1",
            BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": self.snapshot()}}],
            **self.spec("image"),
        )
        return self.tagged_later(made["ImageId"])

    def launch_template(self) -> str:
        made = self.ec2.create_launch_template(
            LaunchTemplateName=f"{self.name}-template",
            LaunchTemplateData={"InstanceType": "t3.micro", "ImageId": self.any_image()},
            **self.spec("launch-template"),
        )
        return str(made["LaunchTemplate"]["LaunchTemplateId"])

    def placement_group(self) -> str:
        self.ec2.create_placement_group(
            GroupName=f"{self.name}-near", Strategy="cluster", **self.spec("placement-group")
        )
        return f"{self.name}-near"

    def capacity_reservation(self) -> str:
        made = self.ec2.create_capacity_reservation(
            InstanceType="p5en.48xlarge",
            InstancePlatform="Linux/UNIX",
            AvailabilityZone=ZONE,
            InstanceCount=1,
            InstanceMatchCriteria="targeted",
            **self.spec("capacity-reservation"),
        )
        return str(made["CapacityReservation"]["CapacityReservationId"])

    def peering(self) -> str:
        other = self.ec2.create_vpc(CidrBlock="10.10.0.0/16", **self.spec("vpc"))["Vpc"]["VpcId"]
        made = self.ec2.create_vpc_peering_connection(
            VpcId=self.vpc(), PeerVpcId=other, **self.spec("vpc-peering-connection")
        )
        return str(made["VpcPeeringConnection"]["VpcPeeringConnectionId"])

    def transit_gateway_attachment(self) -> str:
        gateway = self.ec2.create_transit_gateway(Description="a company's")["TransitGateway"]["TransitGatewayId"]
        made = self.ec2.create_transit_gateway_vpc_attachment(
            TransitGatewayId=gateway,
            VpcId=self.vpc(),
            SubnetIds=[self.subnet()],
            **self.spec("transit-gateway-attachment"),
        )
        return self.tagged_later(made["TransitGatewayVpcAttachment"]["TransitGatewayAttachmentId"])

    def tagged_later(self, resource_id: str) -> str:
        """Tag what moto makes without the tags of its request."""
        if self.tags:
            self.ec2.create_tags(Resources=[resource_id], Tags=pairs(self.tags))
        return resource_id

    def auto_scaling_group(self) -> str:
        name = f"{self.name}-nodes"
        self.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=0,
            MaxSize=1,
            DesiredCapacity=0,
            VPCZoneIdentifier=self.subnet(),
            LaunchTemplate={"LaunchTemplateId": self.launch_template(), "Version": "1"},
            Tags=[
                {
                    "Key": key,
                    "Value": value,
                    "PropagateAtLaunch": True,
                    "ResourceId": name,
                    "ResourceType": "auto-scaling-group",
                }
                for key, value in self.tags.items()
            ],
        )
        return name

    def scheduled_action(self) -> str:
        group = self.auto_scaling_group()
        self.client("autoscaling").put_scheduled_update_group_action(
            AutoScalingGroupName=group,
            ScheduledActionName=f"{self.name}-deadline",  # moto knows one of a name
            StartTime=datetime.now(UTC) + timedelta(hours=8),
            MinSize=0,
            MaxSize=0,
            DesiredCapacity=0,
        )
        return f"{group}/{self.name}-deadline"

    def schedule_group(self) -> str:
        self.client("scheduler").create_schedule_group(Name=f"{self.name}-schedules", Tags=pairs(self.tags))
        return f"{self.name}-schedules"

    def schedule(self) -> str:
        group = self.schedule_group()
        self.client("scheduler").create_schedule(
            Name="reap",
            GroupName=group,
            ScheduleExpression="rate(1 hour)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": "arn:aws:lambda:us-east-2:123456789012:function:one", "RoleArn": "arn:aws:iam::1:role/one"},
        )
        return f"{group}/reap"

    def budget(self) -> str:
        self.client("budgets").create_budget(
            AccountId="123456789012",
            Budget={
                "BudgetName": f"{self.name}-budget",
                "BudgetLimit": {"Amount": "100", "Unit": "USD"},
                "TimeUnit": "MONTHLY",
                "BudgetType": "COST",
            },
            ResourceTags=pairs(self.tags),
        )
        return f"{self.name}-budget"

    def hosted_zone(self) -> str:
        route53 = self.client("route53")
        made = route53.create_hosted_zone(
            Name=f"{self.name}.internal",
            CallerReference=f"{self.name}-{len(self.tags)}",
            HostedZoneConfig={"PrivateZone": True, "Comment": "one"},
            VPC={"VPCRegion": "us-east-2", "VPCId": self.vpc()},
        )
        zone = str(made["HostedZone"]["Id"]).rpartition("/")[2]
        if self.tags:
            route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, AddTags=pairs(self.tags))
        record = {"Name": f"a.{self.name}.internal", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.9.1.9"}]}
        batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)
        return zone

    def role(self) -> str:
        iam = self.client("iam")
        iam.create_role(RoleName=f"{self.name}-node", AssumeRolePolicyDocument=_TRUST, Tags=pairs(self.tags))
        iam.put_role_policy(RoleName=f"{self.name}-node", PolicyName="node", PolicyDocument=_NOTHING)
        return f"{self.name}-node"

    def instance_profile(self) -> str:
        self.client("iam").create_instance_profile(InstanceProfileName=f"{self.name}-profile", Tags=pairs(self.tags))
        return f"{self.name}-profile"

    def policy(self) -> str:
        iam = self.client("iam")
        made = iam.create_policy(PolicyName=f"{self.name}-policy", PolicyDocument=_NOTHING, Tags=pairs(self.tags))
        arn = str(made["Policy"]["Arn"])
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=_NOTHING, SetAsDefault=True)
        return arn

    def log_group(self) -> str:
        name = f"/cloister/{self.name}/flows"
        self.client("logs").create_log_group(logGroupName=name, **({"tags": self.tags} if self.tags else {}))
        return name

    def bucket(self) -> str:
        s3, name = self.client("s3"), f"cloister-{self.name}-bundle"
        if name in [one["Name"] for one in s3.list_buckets()["Buckets"]]:
            return name
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
        if self.tags:
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": pairs(self.tags)})
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        for body in (b"first", b"second"):
            s3.put_object(Bucket=name, Key="weights", Body=io.BytesIO(body))
        s3.delete_object(Bucket=name, Key="weights")
        s3.create_multipart_upload(Bucket=name, Key="half")
        return name

    def secret(self) -> str:
        made = self.client("secretsmanager").create_secret(
            Name=f"cloister/{self.name}/one", SecretString="x", Tags=pairs(self.tags)
        )
        return str(made["ARN"])

    def kms_key(self) -> str:
        tags = [{"TagKey": key, "TagValue": value} for key, value in self.tags.items()]
        return str(self.client("kms").create_key(Tags=tags)["KeyMetadata"]["KeyId"])

    def kms_alias(self) -> str:
        name = f"alias/cloister-{self.name}"
        self.client("kms").create_alias(AliasName=name, TargetKeyId=self.kms_key())
        return name


MAKERS: dict[str, Callable[[Maker], str]] = {
    "auto-scaling-group": Maker.auto_scaling_group,
    "bucket": Maker.bucket,
    "budget": Maker.budget,
    "capacity-reservation": Maker.capacity_reservation,
    "elastic-ip": Maker.elastic_ip,
    "endpoint-service": Maker.endpoint_service,
    "flow-log": Maker.flow_log,
    "hosted-zone": Maker.hosted_zone,
    "image": Maker.image,
    "instance": Maker.instance,
    "instance-connect-endpoint": Maker.instance_connect_endpoint,
    "instance-profile": Maker.instance_profile,
    "kms-alias": Maker.kms_alias,
    "kms-key": Maker.kms_key,
    "launch-template": Maker.launch_template,
    "load-balancer": Maker.load_balancer,
    "log-group": Maker.log_group,
    "network-interface": Maker.network_interface,
    "peering": Maker.peering,
    "placement-group": Maker.placement_group,
    "policy": Maker.policy,
    "role": Maker.role,
    "route-table": Maker.route_table,
    "schedule": Maker.schedule,
    "schedule-group": Maker.schedule_group,
    "scheduled-action": Maker.scheduled_action,
    "secret": Maker.secret,
    "security-group": Maker.security_group,
    "snapshot": Maker.snapshot,
    "subnet": Maker.subnet,
    "target-group": Maker.target_group,
    "transit-gateway-attachment": Maker.transit_gateway_attachment,
    "volume": Maker.volume,
    "vpc": Maker.vpc,
    "vpc-endpoint": Maker.vpc_endpoint,
}
"""Kind -> what makes one. `spot-request` and `other` are made in tests of their own."""
