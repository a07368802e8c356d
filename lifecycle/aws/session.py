"""Clients of AWS, with whatever credentials the person's own settings lead to.

The standard chain is boto3's: environment, profiles, single sign-on, assumed roles with or without MFA, the machine's
own role. Nothing of it is stored. `AWS_ENDPOINT_URL` leads to another account, for example the emulated one, as for
every program that uses boto3.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2_instance_connect import EC2InstanceConnectClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_sts import STSClient

_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 10, 60
_ATTEMPTS = 5
_CONNECTIONS = 32


class AwsSession:
    """Clients of one region, made when first asked for.

    Args:
        region: from the plan or profile; the one in the person's settings has no say.

    """

    def __init__(self, region: str) -> None:
        self.region = region
        self._lock = Lock()  # a session makes one client at a time
        self._session: Any = None
        self._clients: dict[tuple[str, bool], Any] = {}

    @property
    def ec2(self) -> EC2Client:
        """Return the client of EC2; throttling and lost connections are tried again."""
        client: EC2Client = self._client("ec2")
        return client

    @property
    def ec2_once(self) -> EC2Client:
        """Return a client that asks once: for purchases, which a second attempt would make twice."""
        client: EC2Client = self._client("ec2", once=True)
        return client

    @property
    def quotas(self) -> ServiceQuotasClient:
        """Return the client of Service Quotas."""
        client: ServiceQuotasClient = self._client("service-quotas")
        return client

    @property
    def sts(self) -> STSClient:
        """Return the client of the Security Token Service, at its address in the region."""
        client: STSClient = self._client("sts")
        return client

    @property
    def instance_connect(self) -> EC2InstanceConnectClient:
        """Return the client of EC2 Instance Connect, which lets a public key in for a minute."""
        client: EC2InstanceConnectClient = self._client("ec2-instance-connect")
        return client

    def credentials(self) -> Credentials:
        """Return what requests are signed with; temporary ones are renewed before they end.

        Raises:
            botocore.exceptions.BotoCoreError: there are none, or they cannot be renewed.

        """
        from botocore.exceptions import NoCredentialsError  # noqa: PLC0415 - as boto3

        found: Credentials | None = self._boto().get_credentials()
        if found is None:
            raise NoCredentialsError
        return found

    def setting(self, name: str) -> Any:
        """Return a setting of the person's AWS configuration: `ca_bundle`, `use_fips_endpoint`, ..."""
        return self._boto()._session.get_config_variable(name)  # noqa: SLF001 - boto3 shows no other way to it

    def client(self, service: str) -> Any:
        """Return the client of any service, for example `iam`; safe to share between threads."""
        return self._client(service)

    def _client(self, service: str, *, once: bool = False) -> Any:
        with self._lock:
            if (service, once) not in self._clients:
                self._clients[service, once] = self._make(service, 1 if once else _ATTEMPTS)
            return self._clients[service, once]

    def _make(self, service: str, attempts: int) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - takes a third of a second, as boto3

        config = Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            max_pool_connections=_CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": attempts},
        )
        return self._boto().client(service, config=config)

    def _boto(self) -> Any:
        import boto3.session  # noqa: PLC0415 - takes a third of a second, which most commands can do without

        if self._session is None:
            self._session = boto3.session.Session(region_name=self.region)
        return self._session
