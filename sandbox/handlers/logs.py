"""Where a network's records go: log groups and flow logs."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from sandbox.handlers.base import Clients, Properties
from sandbox.handlers.ec2 import Ec2Resource, account_id
from sandbox.handlers.resource import Change, Record, Resource, Target, own_tags, tag_outputs
from sandbox.handlers.waiting import remove_when_free


class LogGroup(Resource):
    """`aws:cloudwatch/logGroup:LogGroup`. Its id is its name."""

    type = "aws:cloudwatch/logGroup:LogGroup"
    fixed = frozenset({"logGroupClass", "name"})
    in_place = frozenset({"kmsKeyId", "retentionInDays", "skipDestroy", "tags"})
    required = frozenset({"name"})

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the log group."""
        names = {"kmsKeyId": "kmsKeyId", "logGroupClass": "logGroupClass", "tags": "tags"}
        arguments: dict[str, Any] = {api_name: inputs[name] for name, api_name in names.items() if inputs.get(name)}
        clients.client("logs").create_log_group(logGroupName=inputs["name"], **arguments)
        return str(inputs["name"])

    def complete(self, target: Target) -> None:
        """Say how long records are kept; 0 days mean for ever."""
        logs, days = target.clients.client("logs"), target.inputs.get("retentionInDays")
        if days:
            logs.put_retention_policy(logGroupName=target.id, retentionInDays=days)

    def change(self, change: Change) -> None:
        """Change how long records are kept, and the key they are encrypted with."""
        logs, new = change.clients.client("logs"), change.inputs
        if "retentionInDays" in change.names:
            if new.get("retentionInDays"):
                self.complete(change)
            else:
                logs.delete_retention_policy(logGroupName=change.id)
        if "kmsKeyId" in change.names:
            if new.get("kmsKeyId"):
                logs.associate_kms_key(logGroupName=change.id, kmsKeyId=new["kmsKeyId"])
            else:
                logs.disassociate_kms_key(logGroupName=change.id)

    @staticmethod
    def _arn(record: Record) -> str:
        return str(record["arn"]).removesuffix(":*")

    def retag(self, change: Change) -> None:
        """Change the tags."""
        record = self.describe(change)
        if record is None:
            return
        logs, arn = change.clients.client("logs"), self._arn(record)
        old, new = change.old.get("tags") or {}, change.inputs.get("tags") or {}
        dropped = [key for key in old if key not in new]
        if dropped:
            logs.untag_resource(resourceArn=arn, tagKeys=dropped)
        if new:
            logs.tag_resource(resourceArn=arn, tags=new)

    def describe(self, target: Target) -> Record | None:
        """Return the log group; None when it is gone."""
        groups = target.clients.client("logs").describe_log_groups(logGroupNamePrefix=target.id)["logGroups"]
        return next((group for group in groups if group["logGroupName"] == target.id), None)

    def candidates(self, clients: Clients, inputs: Properties) -> Iterable[tuple[str, Record]]:
        """Return the log group of that name, if it carries the resource's own tags."""
        target, mine = Target(clients, inputs["name"], inputs), own_tags(inputs)
        record = self.describe(target)
        if record is not None and mine and mine.items() <= self._tags(target, record).items():
            yield target.id, record

    def _tags(self, target: Target, record: Record) -> dict[str, str]:
        logs = target.clients.client("logs")
        return dict(logs.list_tags_for_resource(resourceArn=self._arn(record))["tags"])

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        tags = self._tags(target, record)
        return {
            "arn": self._arn(record),
            "name": target.id,
            "retentionInDays": record.get("retentionInDays", 0),
            "kmsKeyId": record.get("kmsKeyId", ""),
            "tags": tags,
            "tagsAll": tags,
        }

    def remove(self, target: Target) -> None:
        """Delete the log group, unless it is to be kept."""
        if not target.inputs.get("skipDestroy"):
            logs = target.clients.client("logs")
            remove_when_free(lambda: logs.delete_log_group(logGroupName=target.id), target.id)


_WATCHED = {"vpcId": "VPC", "subnetId": "Subnet", "eniId": "NetworkInterface"}
_FLOW_LOG = {
    "iamRoleArn": "DeliverLogsPermissionArn",
    "logDestination": "LogDestination",
    "logDestinationType": "LogDestinationType",
    "logFormat": "LogFormat",
    "maxAggregationInterval": "MaxAggregationInterval",
    "trafficType": "TrafficType",
}


class FlowLog(Ec2Resource):
    """`aws:ec2/flowLog:FlowLog`."""

    type = "aws:ec2/flowLog:FlowLog"
    fixed = frozenset({*_WATCHED, *_FLOW_LOG})
    in_place = frozenset({"tags"})
    kind = "vpc-flow-log"
    describe_call, records_key, ids_argument, id_key = "describe_flow_logs", "FlowLogs", "FlowLogIds", "FlowLogId"
    filters_argument = "Filter"

    def make(self, clients: Clients, inputs: Properties) -> str:
        """Make the flow log."""
        name = next(name for name in _WATCHED if inputs.get(name))
        arguments: dict[str, Any] = {api_name: inputs[one] for one, api_name in _FLOW_LOG.items() if inputs.get(one)}
        made = clients.client("ec2").create_flow_logs(
            ResourceIds=[inputs[name]],
            ResourceType=_WATCHED[name],
            ClientToken=str(uuid.uuid4()),
            **{"TrafficType": "ALL", **arguments},
            **self.tagged(inputs),
        )
        if made.get("Unsuccessful"):
            raise RuntimeError(f"no flow log for {inputs[name]}: {made['Unsuccessful'][0]['Error']['Message']}")
        return str(made["FlowLogIds"][0])

    def outputs(self, target: Target, record: Record) -> Properties:
        """Return what the account says."""
        same = {name: record[api_name] for name, api_name in _FLOW_LOG.items() if record.get(api_name)}
        return {"arn": self.arn(target, account_id(target.clients)), **same, **tag_outputs(record.get("Tags"))}

    def remove(self, target: Target) -> None:
        """Delete the flow log."""
        remove_when_free(lambda: target.ec2.delete_flow_logs(FlowLogIds=[target.id]), target.id)
