"""Instances."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import Ec2Resource, carries, tag_filters
from sandbox.handlers.names import to_api
from sandbox.handlers.resource import Change, Record, Target, own_tags, tag_list, tag_outputs
from sandbox.handlers.waiting import is_gone, wait_until

_PLAIN = {
    "ami": "ImageId",
    "disableApiStop": "DisableApiStop",
    "disableApiTermination": "DisableApiTermination",
    "ebsOptimized": "EbsOptimized",
    "instanceInitiatedShutdownBehavior": "InstanceInitiatedShutdownBehavior",
    "instanceType": "InstanceType",
    "keyName": "KeyName",
}
_NETWORK = {"subnetId": "SubnetId", "privateIp": "PrivateIpAddress"}
_STRUCTURES = {
    "capacityReservationSpecification": "CapacityReservationSpecification",
    "cpuOptions": "CpuOptions",
    "enclaveOptions": "EnclaveOptions",
    "instanceMarketOptions": "InstanceMarketOptions",
    "maintenanceOptions": "MaintenanceOptions",
    "metadataOptions": "MetadataOptions",
    "privateDnsNameOptions": "PrivateDnsNameOptions",
}
_PLACEMENT = {"availabilityZone": "AvailabilityZone", "placementGroup": "GroupName", "tenancy": "Tenancy"}
_SWITCHES = {
    "disableApiStop": ("DisableApiStop", False),
    "disableApiTermination": ("DisableApiTermination", False),
    "sourceDestCheck": ("SourceDestCheck", True),
}
"""Attributes that are changed while the instance runs -> the API's name and what holds unless said otherwise."""
_STOPPED = {"ebsOptimized": "EbsOptimized", "instanceType": "InstanceType", "userData": "UserData"}
"""Attributes that are changed while the instance is stopped."""
_VOLUME_IN_PLACE = {"iops": "Iops", "throughput": "Throughput", "volumeSize": "Size", "volumeType": "VolumeType"}
_PAST_S = 600.0
"""Bound for an instance to change its state."""


def _pick(names: dict[str, str], inputs: Properties) -> dict[str, Any]:
    return {api_name: inputs[name] for name, api_name in names.items() if inputs.get(name) is not None}


def _user_data(inputs: Properties) -> dict[str, Any]:
    """Return the user data as boto3 takes it: it encodes what it is given."""
    if inputs.get("userDataBase64"):
        return {"UserData": base64.b64decode(inputs["userDataBase64"])}
    return {"UserData": inputs["userData"]} if inputs.get("userData") else {}


def _network(inputs: Properties) -> dict[str, Any]:
    """Return where the instance is; whether it gets a public address can only be said of an interface."""
    place = _pick(_NETWORK, inputs)
    groups = inputs.get("vpcSecurityGroupIds")
    if inputs.get("associatePublicIpAddress") is None:
        return {**place, **({"SecurityGroupIds": groups} if groups else {})}
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": inputs["associatePublicIpAddress"], **place}
    return {"NetworkInterfaces": [{**interface, **({"Groups": groups} if groups else {})}]}


def _tags(inputs: Properties) -> list[dict[str, Any]]:
    kinds = {"instance": inputs.get("tags"), "volume": inputs.get("volumeTags")}
    return [{"ResourceType": kind, "Tags": tag_list(tags)} for kind, tags in kinds.items() if tags]


def _block_devices(clients: Clients, inputs: Properties) -> list[dict[str, Any]]:
    root, others = inputs.get("rootBlockDevice"), inputs.get("ebsBlockDevices") or []
    if root and not root.get("deviceName"):
        images = clients.client("ec2").describe_images(ImageIds=[inputs["ami"]])["Images"]
        root = {**root, "deviceName": images[0]["RootDeviceName"]}
    mappings = []
    for device in [*([root] if root else []), *others]:
        ebs = {name: value for name, value in device.items() if name not in {"deviceName", "tags"}}
        mappings.append({"DeviceName": device["deviceName"], "Ebs": to_api(ebs)})
    return mappings


class Instance(Ec2Resource):
    """`aws:ec2/instance:Instance`."""

    type = "aws:ec2/instance:Instance"
    in_place = frozenset(
        {
            *_SWITCHES,
            *_STOPPED,
            "forceDestroy",
            "iamInstanceProfile",
            "metadataOptions",
            "monitoring",
            "rootBlockDevice",
            "tags",
            "userDataBase64",
            "userDataReplaceOnChange",
            "volumeTags",
            "vpcSecurityGroupIds",
        }
    )
    fixed = (
        frozenset({*_PLAIN, *_NETWORK, *_STRUCTURES, *_PLACEMENT})
        | {"associatePublicIpAddress", "ebsBlockDevices", "launchTemplate"}
    ) - in_place
    unordered = frozenset({"ebsBlockDevices", "vpcSecurityGroupIds"})
    kind = "instance"

    def alive(self, record: Record) -> bool:
        """Tell whether the instance is there and not on its way out."""
        return record["State"]["Name"] not in {"shutting-down", "terminated"}

    def replaces(self, name: str, old: Properties, new: Properties) -> bool:
        """Tell whether a change means replacement: of user data if asked for, of a root volume if it must."""
        if name in {"userData", "userDataBase64"}:
            return bool(new.get("userDataReplaceOnChange"))
        if name == "rootBlockDevice":
            before, after = old.get(name) or {}, new.get(name) or {}
            if not (isinstance(before, dict) and isinstance(after, dict)):
                return True  # decided later as a whole: it may be another disk
            differ = {one for one in before.keys() | after.keys() if before.get(one) != after.get(one)}
            return bool(differ - _VOLUME_IN_PLACE.keys() - {"tags"})
        return super().replaces(name, old, new)

    @staticmethod
    def _instances(clients: Clients, **arguments: Any) -> list[Record]:
        pages = clients.client("ec2").get_paginator("describe_instances").paginate(**arguments)
        return [one for page in pages for reservation in page["Reservations"] for one in reservation["Instances"]]

    def _any_state(self, target: Target) -> Record | None:
        try:
            return self._instances(target.clients, InstanceIds=[target.id])[0]
        except ClientError as error:
            if is_gone(error):
                return None
            raise

    def describe(self, target: Target) -> Record | None:
        """Return the instance; None when it is terminated, or about to be."""
        record = self._any_state(target)
        return record if record is not None and self.alive(record) else None

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the instances that carry the resource's own tags."""
        mine = own_tags(inputs)
        for record in self._instances(clients, Filters=tag_filters(mine)) if mine else []:
            if self.alive(record) and carries(record, mine):
                yield str(record["InstanceId"]), record

    def fits(self, inputs: Properties, record: Record) -> bool:
        """Tell whether an instance was launched from the template of the inputs; AWS notes that in its tags."""
        template = inputs.get("launchTemplate") or {}
        noted = {tag["Key"]: tag["Value"] for tag in record.get("Tags", [])}
        version = str(template.get("version", ""))
        return template.get("id") in {None, noted.get("aws:ec2launchtemplate:id")} and (
            not version.isdecimal() or version == noted.get("aws:ec2launchtemplate:version")
        )

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Launch the instance."""
        arguments: dict[str, Any] = {**_pick(_PLAIN, inputs), **_user_data(inputs), **_network(inputs)}
        arguments |= {
            api_name: to_api(inputs[name]) for name, api_name in _STRUCTURES.items() if inputs.get(name) is not None
        }
        template = inputs.get("launchTemplate") or {}
        if template.get("version"):
            template = {**template, "version": str(template["version"])}
        parts = {
            "BlockDeviceMappings": _block_devices(clients, inputs),
            "IamInstanceProfile": _pick({"iamInstanceProfile": "Name"}, inputs),
            "LaunchTemplate": _pick(
                {"id": "LaunchTemplateId", "name": "LaunchTemplateName", "version": "Version"}, template
            ),
            "Monitoring": _pick({"monitoring": "Enabled"}, inputs),
            "Placement": _pick(_PLACEMENT, inputs),
            "TagSpecifications": _tags(inputs),
        }
        arguments |= {name: part for name, part in parts.items() if part}
        made = clients.client("ec2").run_instances(MinCount=1, MaxCount=1, ClientToken=str(uuid.uuid4()), **arguments)
        return str(made["Instances"][0]["InstanceId"])

    def complete(self, target: Target) -> None:
        """Wait until the instance runs, and say what cannot be said when it is launched."""
        self._wait(target, "running")
        if target.inputs.get("sourceDestCheck") is False:
            target.ec2.modify_instance_attribute(InstanceId=target.id, SourceDestCheck={"Value": False})
        tags = (target.inputs.get("rootBlockDevice") or {}).get("tags")
        if tags:
            target.ec2.create_tags(Resources=[self._root_volume(target)], Tags=tag_list(tags))

    def _wait(self, target: Target, state: str) -> None:
        def there() -> bool:
            record = self._any_state(target)
            if record is None:
                raise LookupError(f"{target.id} disappeared while it was to be {state}")
            now = record["State"]["Name"]
            if now == "terminated" and state != "terminated":
                reason = record.get("StateReason", {}).get("Message", "no reason given")
                raise RuntimeError(f"{target.id} was terminated instead of {state}: {reason}")
            return bool(now == state)

        wait_until(there, f"{target.id} is {state}", _PAST_S)

    def _root_volume(self, target: Target) -> str:
        record = self.describe(target) or {}
        return next(
            str(device["Ebs"]["VolumeId"])
            for device in record.get("BlockDeviceMappings", [])
            if device["DeviceName"] == record["RootDeviceName"]
        )

    def change(self, change: Change) -> None:
        """Change what an instance can change: running, or stopped and started again."""
        for name in change.names & _SWITCHES.keys():
            api_name, default = _SWITCHES[name]
            wanted = {"Value": change.inputs.get(name, default)}
            change.ec2.modify_instance_attribute(InstanceId=change.id, **{api_name: wanted})
        if "vpcSecurityGroupIds" in change.names:
            groups = change.inputs.get("vpcSecurityGroupIds") or []
            change.ec2.modify_instance_attribute(InstanceId=change.id, Groups=groups)
        if "metadataOptions" in change.names:
            options = to_api(change.inputs.get("metadataOptions") or {})
            change.ec2.modify_instance_metadata_options(InstanceId=change.id, **options)
        if "monitoring" in change.names:
            ec2 = change.ec2
            (ec2.monitor_instances if change.inputs.get("monitoring") else ec2.unmonitor_instances)(
                InstanceIds=[change.id]
            )
        if "iamInstanceProfile" in change.names:
            self._change_profile(change)
        self._change_volumes(change)
        if change.names & {*_STOPPED, "userDataBase64"}:
            self._change_stopped(change)

    def _change_profile(self, change: Change) -> None:
        filters = [{"Name": "instance-id", "Values": [change.id]}]
        found = change.ec2.describe_iam_instance_profile_associations(Filters=filters)["IamInstanceProfileAssociations"]
        wanted = change.inputs.get("iamInstanceProfile")
        profile = {"IamInstanceProfile": {"Name": wanted}}
        if found and wanted:
            change.ec2.replace_iam_instance_profile_association(AssociationId=found[0]["AssociationId"], **profile)
        elif found:
            change.ec2.disassociate_iam_instance_profile(AssociationId=found[0]["AssociationId"])
        elif wanted:
            change.ec2.associate_iam_instance_profile(InstanceId=change.id, **profile)

    def _change_volumes(self, change: Change) -> None:
        if "volumeTags" in change.names:
            record = self.describe(change) or {}
            volumes = [device["Ebs"]["VolumeId"] for device in record.get("BlockDeviceMappings", [])]
            change.ec2.create_tags(Resources=volumes, Tags=tag_list(change.inputs.get("volumeTags")))
        if "rootBlockDevice" in change.names:
            root, volume = change.inputs.get("rootBlockDevice") or {}, self._root_volume(change)
            size = _pick(_VOLUME_IN_PLACE, root)
            if size:
                change.ec2.modify_volume(VolumeId=volume, **size)
            if root.get("tags"):
                change.ec2.create_tags(Resources=[volume], Tags=tag_list(root["tags"]))

    def _change_stopped(self, change: Change) -> None:
        ec2, names = change.ec2, [change.id]
        ec2.stop_instances(InstanceIds=names)
        self._wait(change, "stopped")
        if "ebsOptimized" in change.names:
            wanted = {"Value": bool(change.inputs.get("ebsOptimized"))}
            ec2.modify_instance_attribute(InstanceId=change.id, EbsOptimized=wanted)
        if "instanceType" in change.names:
            wanted = {"Value": change.inputs["instanceType"]}
            ec2.modify_instance_attribute(InstanceId=change.id, InstanceType=wanted)
        if change.names & {"userData", "userDataBase64"}:
            data = _user_data(change.inputs).get("UserData", "")
            ec2.modify_instance_attribute(InstanceId=change.id, UserData={"Value": data})
        ec2.start_instances(InstanceIds=names)
        self._wait(change, "running")

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        owner = record["NetworkInterfaces"][0]["OwnerId"]
        primary = next(
            one
            for one in record["NetworkInterfaces"]
            if (one["Attachment"]["NetworkCardIndex"], one["Attachment"]["DeviceIndex"]) == (0, 0)
        )
        options = record["MetadataOptions"]
        return {
            "arn": self.arn(target, owner),
            "ami": record["ImageId"],
            "availabilityZone": record["Placement"]["AvailabilityZone"],
            "instanceLifecycle": record.get("InstanceLifecycle", ""),
            "instanceState": record["State"]["Name"],
            "instanceType": record["InstanceType"],
            "metadataOptions": {
                "httpEndpoint": options["HttpEndpoint"],
                "httpProtocolIpv6": options["HttpProtocolIpv6"],
                "httpPutResponseHopLimit": options["HttpPutResponseHopLimit"],
                "httpTokens": options["HttpTokens"],
                "instanceMetadataTags": options["InstanceMetadataTags"],
            },
            "placementGroup": record["Placement"].get("GroupName", ""),
            "primaryNetworkInterfaceId": primary["NetworkInterfaceId"],
            "privateDns": record["PrivateDnsName"],
            "privateIp": record["PrivateIpAddress"],
            "publicDns": record.get("PublicDnsName", ""),
            "publicIp": record.get("PublicIpAddress", ""),
            "subnetId": record["SubnetId"],
            "vpcSecurityGroupIds": [group["GroupId"] for group in primary["Groups"]],
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Terminate the instance and wait until it is, with its interfaces."""
        if self._any_state(target) is None:
            return
        if target.inputs.get("forceDestroy"):
            for name in ("DisableApiStop", "DisableApiTermination"):
                target.ec2.modify_instance_attribute(InstanceId=target.id, **{name: {"Value": False}})
        target.ec2.terminate_instances(InstanceIds=[target.id])
        self._wait(target, "terminated")
