"""Launch templates."""

from __future__ import annotations

import uuid
from typing import Any

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import Ec2Resource, account_id
from sandbox.handlers.names import to_api
from sandbox.handlers.resource import Change, Record, Target, tag_outputs
from sandbox.handlers.waiting import remove_when_free

_DATA = frozenset(
    {
        "blockDeviceMappings",
        "capacityReservationSpecification",
        "cpuOptions",
        "disableApiStop",
        "disableApiTermination",
        "ebsOptimized",
        "enclaveOptions",
        "iamInstanceProfile",
        "imageId",
        "instanceInitiatedShutdownBehavior",
        "instanceMarketOptions",
        "instanceType",
        "keyName",
        "maintenanceOptions",
        "metadataOptions",
        "monitoring",
        "networkInterfaces",
        "placement",
        "privateDnsNameOptions",
        "tagSpecifications",
        "userData",
        "vpcSecurityGroupIds",
    }
)
"""What a version of a template says about the instances."""


def _data(inputs: Properties) -> dict[str, Any]:
    data: dict[str, Any] = to_api({name: inputs[name] for name in sorted(_DATA & inputs.keys())})
    return data


class LaunchTemplate(Ec2Resource):
    """`aws:ec2/launchTemplate:LaunchTemplate`. A change of what it says is a new version."""

    type = "aws:ec2/launchTemplate:LaunchTemplate"
    fixed = frozenset({"name"})
    in_place = _DATA | {"defaultVersion", "description", "tags", "updateDefaultVersion"}
    required = frozenset({"name"})
    unordered = frozenset({"vpcSecurityGroupIds"})
    kind = "launch-template"
    describe_call, records_key = "describe_launch_templates", "LaunchTemplates"
    ids_argument, id_key = "LaunchTemplateIds", "LaunchTemplateId"

    @staticmethod
    def _version(inputs: Properties) -> dict[str, Any]:
        said = {"VersionDescription": inputs["description"]} if inputs.get("description") else {}
        return {"LaunchTemplateData": _data(inputs), "ClientToken": str(uuid.uuid4()), **said}

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the template with its first version."""
        made = clients.client("ec2").create_launch_template(
            LaunchTemplateName=inputs["name"], **self._version(inputs), **self.tagged(inputs)
        )
        return str(made["LaunchTemplate"]["LaunchTemplateId"])

    def change(self, change: Change) -> None:
        """Add a version if the template says something else; say which version is the default."""
        default = change.inputs.get("defaultVersion") if "defaultVersion" in change.names else None
        if change.names & (_DATA | {"description"}):
            made = change.ec2.create_launch_template_version(LaunchTemplateId=change.id, **self._version(change.inputs))
            if change.inputs.get("updateDefaultVersion"):
                default = made["LaunchTemplateVersion"]["VersionNumber"]
        if default:
            change.ec2.modify_launch_template(LaunchTemplateId=change.id, DefaultVersion=str(default))

    def renews(self, names: frozenset[str]) -> frozenset[str]:
        """Return the outputs that change: a new version is the latest, and may be the default."""
        version = {"latestVersion", "defaultVersion"} if names & (_DATA | {"description"}) else set()
        return super().renews(names) | version

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        return {
            "arn": self.arn(target, account_id(target.clients)),
            "name": record["LaunchTemplateName"],
            "defaultVersion": record["DefaultVersionNumber"],
            "latestVersion": record["LatestVersionNumber"],
            **tag_outputs(record.get("Tags")),
        }

    def remove(self, target: Target) -> None:
        """Delete the template with all its versions."""
        remove_when_free(lambda: target.ec2.delete_launch_template(LaunchTemplateId=target.id), target.id)
