"""What the role `log_shipping` and the firewall are told, so that records leave a host for their receiver alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from planner.errors import DeployError
from planner.plan import LogShippingPlan, LogsPlan


class LogShippingFileError(DeployError):
    """A file that the profile names for the shipping of records cannot be used."""

    code = "log_shipping_file"


def log_shipping_variables(logs: LogsPlan) -> dict[str, Any]:
    """Return the role's variables: a private key may be among them. Without a receiver, they take its service away.

    Raises:
        LogShippingFileError: a file cannot be read, or holds no PEM.

    """
    plan = logs.shipping
    if plan is None:
        return {"log_shipping_address": ""}
    return {
        "log_shipping_address": plan.address,
        "log_shipping_port": plan.port,
        "log_shipping_server_name": plan.server_name,
        "log_shipping_ca": _pem("ca", plan.ca),
        "log_shipping_certificate": _pem("certificate", plan.certificate),
        "log_shipping_key": _pem("key", plan.key),
        "log_shipping_disk_mib": plan.disk_mib,
        "log_shipping_sources": msgspec.to_builtins(logs.sources),
    }


def log_shipping_ways_out(plan: LogShippingPlan | None) -> list[dict[str, Any]]:
    """Return what must be among the role `firewall`'s `firewall_out`: the receiver's port, and nothing else."""
    if plan is None:
        return []
    return [{"name": "shipping of records", "protocol": "tcp", "port": plan.port, "networks": [plan.address]}]


def _pem(field: str, path: str) -> str:
    if not path:
        return ""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LogShippingFileError(
            f"`log_shipping.{field}`: {path} cannot be read ({error}), so the receiver cannot be verified",
            hint="Name a PEM file that exists on this machine, or take the section out of the profile.",
        ) from None
    if "-----BEGIN " not in text:
        raise LogShippingFileError(
            f"`log_shipping.{field}`: {path} holds no PEM",
            hint="It begins with `-----BEGIN`; `openssl x509 -inform der -in FILE` turns DER into it.",
        )
    return text
