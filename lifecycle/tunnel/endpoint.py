"""The EC2 Instance Connect Endpoint, and the signed address of a tunnel through it."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from lifecycle.aws.errors import told
from lifecycle.aws.session import AwsSession
from planner.errors import DeployError

SSH_PORT = 22
LONGEST_S = 3600
"""Seconds after which AWS ends a tunnel (EC2 user guide, EC2 Instance Connect Endpoint)."""
MOST_TUNNELS = 20
"""Tunnels that one endpoint carries at a time (as above)."""
SIGNED_FOR_S = 60
"""Seconds for which a signed address may be used: it is made right before."""
_SERVICE = "ec2-instance-connect"
_USABLE = ["create-complete", "update-in-progress", "update-complete", "update-failed"]
"""States of an endpoint that carries tunnels (API Ec2InstanceConnectEndpointState)."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that can be used.

    Attributes:
        host: its name on the internet.

    """

    id: str
    host: str


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a tunnel leads to.

    Attributes:
        address: private address of the instance.
        duration_s: how long the tunnel may be open, in seconds.

    """

    endpoint: Endpoint
    region: str
    address: str
    port: int = SSH_PORT
    duration_s: int = LONGEST_S


def find_endpoint(session: AwsSession, endpoint_id: str) -> Endpoint:
    """Return an endpoint by its id.

    Raises:
        DeployError: it is gone, or not ready, or AWS refuses.

    """
    with told("ec2:DescribeInstanceConnectEndpoints", session.region):
        # Not by its id as such: an id that is unknown would be an error of its own.
        found = session.ec2.describe_instance_connect_endpoints(
            Filters=[
                {"Name": "instance-connect-endpoint-id", "Values": [endpoint_id]},
                {"Name": "state", "Values": _USABLE},
            ]
        )["InstanceConnectEndpoints"]
    if not found:
        raise DeployError(
            f"the endpoint {endpoint_id} is not ready in {session.region}, or gone",
            hint="A new one takes some minutes. `deploy up` makes it anew where it was deleted by hand.",
            code="no_tunnel_endpoint",
        )
    fips = session.setting("use_fips_endpoint")
    host = (found[0].get("FipsDnsName") if fips else found[0].get("DnsName")) or ""
    if not host:
        raise DeployError(
            f"the endpoint {endpoint_id} has no FIPS address in {session.region}",
            hint="Unset AWS_USE_FIPS_ENDPOINT, or use a region that has one.",
            code="no_tunnel_endpoint",
        )
    return Endpoint(id=endpoint_id, host=host)


def signed_url(session: AwsSession, target: Target) -> str:
    """Return the address that opens one tunnel within a minute. Whoever holds it may open it: it is a secret.

    Signature Version 4 in the query, over `host` alone, as AWS's own command line signs it.

    Raises:
        DeployError: there are no credentials.

    """
    from botocore.auth import SigV4QueryAuth  # noqa: PLC0415 - takes a third of a second to load
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - as above

    query = {
        "instanceConnectEndpointId": target.endpoint.id,
        "remotePort": target.port,
        "privateIpAddress": target.address,
        "maxTunnelDuration": target.duration_s,
    }
    url = f"wss://{target.endpoint.host}/openTunnel?{urlencode(query)}"
    request = AWSRequest(method="GET", url=url, headers={"host": target.endpoint.host})
    with told("ec2-instance-connect:OpenTunnel", target.region):
        frozen = session.credentials().get_frozen_credentials()
        SigV4QueryAuth(frozen, _SERVICE, target.region, expires=SIGNED_FOR_S).add_auth(request)
    return str(request.url)
