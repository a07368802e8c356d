"""Clients that only write down what they are asked, and check it against AWS's own models."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

ANSWERS: dict[str, Any] = {
    "allocate_address": {"AllocationId": "eipalloc-1"},
    "authorize_security_group_egress": {"SecurityGroupRules": [{"SecurityGroupRuleId": "sgr-1"}]},
    "authorize_security_group_ingress": {"SecurityGroupRules": [{"SecurityGroupRuleId": "sgr-1"}]},
    "create_capacity_reservation": {"CapacityReservation": {"CapacityReservationId": "cr-1"}},
    "create_flow_logs": {"FlowLogIds": ["fl-1"]},
    "create_instance_connect_endpoint": {"InstanceConnectEndpoint": {"InstanceConnectEndpointId": "eice-1"}},
    "create_listener": {"Listeners": [{"ListenerArn": "listener-1"}]},
    "create_load_balancer": {"LoadBalancers": [{"LoadBalancerArn": "balancer-1"}]},
    "create_target_group": {"TargetGroups": [{"TargetGroupArn": "group-1"}]},
    "create_transit_gateway_vpc_attachment": {
        "TransitGatewayVpcAttachment": {"TransitGatewayAttachmentId": "tgw-attach-1"}
    },
    "create_key": {"KeyMetadata": {"KeyId": "key-1"}},
    "create_launch_template": {"LaunchTemplate": {"LaunchTemplateId": "lt-1"}},
    "create_secret": {"ARN": "arn:aws:secretsmanager:us-east-2:123456789012:secret:one-AbCdEf"},
    "create_security_group": {"GroupId": "sg-1"},
    "create_subnet": {"Subnet": {"SubnetId": "subnet-1"}},
    "create_vpc_endpoint_service_configuration": {"ServiceConfiguration": {"ServiceId": "vpce-svc-1"}},
    "create_vpc_peering_connection": {"VpcPeeringConnection": {"VpcPeeringConnectionId": "pcx-1"}},
    "describe_vpc_endpoint_connections": {
        "VpcEndpointConnections": [
            {"VpcEndpointId": "vpce-1", "VpcEndpointState": "available"},
            {"VpcEndpointId": "vpce-2", "VpcEndpointState": "pendingAcceptance"},
            {"VpcEndpointId": "vpce-3", "VpcEndpointState": "rejected"},
        ]
    },
    "create_vpc_endpoint": {"VpcEndpoint": {"VpcEndpointId": "vpce-1"}},
    "describe_images": {"Images": [{"RootDeviceName": "/dev/sda1"}]},
    "get_caller_identity": {"Account": "123456789012"},
    "run_instances": {"Instances": [{"InstanceId": "i-1"}]},
}
"""What the few calls are answered whose answer matters."""


@functools.cache
def _operations(service: str) -> tuple[ServiceModel, dict[str, str]]:
    model = botocore.session.Session().get_service_model(service)
    return model, {xform_name(name): name for name in model.operation_names}


class RecordingClients:
    """Fits `Clients`; `calls` holds (operation, parameters)."""

    region = "us-east-2"

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def client(self, service: str) -> Any:
        return _Client(service, self.calls)


class _Client:
    def __init__(self, service: str, calls: list[tuple[str, dict[str, Any]]]) -> None:
        self._service = service
        self._calls = calls

    def __getattr__(self, method: str) -> Callable[..., Any]:
        model, names = _operations(self._service)
        shape = model.operation_model(names[method]).input_shape

        def call(**parameters: Any) -> Any:
            assert shape is not None
            report = ParamValidator().validate(parameters, shape)
            assert not report.has_errors(), f"{method}: {report.generate_report()}"
            self._calls.append((method, parameters))
            return ANSWERS.get(method, {})

        return call
