"""Which account it is: from the provider's configuration, else from the environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sandbox.aws.isolation import is_loopback

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
"""As every AWS SDK reads them."""


class SettingsError(ValueError):
    """The account is not named, or is not an emulated one."""

    def __init__(self, name: str, message: str) -> None:
        """Name the setting that is wrong."""
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class Settings:
    """Where the emulated account is, and the region that is worked in."""

    endpoint: str
    region: str

    @classmethod
    def of(cls, configured: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
        """Return the settings.

        Args:
            configured: `endpoints` (a list of {service: URL}, or its JSON) and `region`, as pulumi-aws has them.
            environment: of the process.

        Raises:
            SettingsError: no endpoint, several, one of another machine, or no region.

        """
        endpoint = _endpoint(configured.get("endpoints")) or environment.get(ENDPOINT_VARIABLE, "")
        if not endpoint:
            raise SettingsError(
                "endpoints",
                "this provider works on an emulated account, and none is named: set aws:endpoints or "
                f"{ENDPOINT_VARIABLE}. For a real account, take its folder from PATH and install the plugin pulumi-aws",
            )
        url = urlsplit(endpoint)
        if url.scheme != "http" or url.hostname is None or not is_loopback(url.hostname):
            raise SettingsError(
                "endpoints", f"{endpoint}: the emulated account is on this machine, at http://127.0.0.1"
            )
        region = configured.get("region") or next((environment[v] for v in REGION_VARIABLES if environment.get(v)), "")
        if not region:
            raise SettingsError("region", f"no region: set aws:region or {REGION_VARIABLES[0]}")
        return cls(endpoint=endpoint, region=str(region))


def _endpoint(configured: Any) -> str:
    """Return the one URL that all services have."""
    if isinstance(configured, str):  # of a stack's configuration, every value comes as text
        configured = json.loads(configured)
    urls = {str(url) for services in configured or [] for url in services.values() if url}
    if len(urls) > 1:
        raise SettingsError("endpoints", f"all services of the emulated account have one URL, not {len(urls)}")
    return next(iter(urls), "")
