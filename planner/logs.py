"""Which of a host's records leave it as they are written, so that they outlive it."""

from __future__ import annotations

import ipaddress

import msgspec

from planner.errors import PlanError
from planner.plan import LogShippingPlan, LogSource, LogsPlan
from planner.profile import LogShippingSection

SOURCES = (
    LogSource(name="audit", file="/var/log/audit/audit.log"),
    LogSource(name="sshd", journal=("_SYSTEMD_UNIT=ssh.service", "_SYSTEMD_UNIT=sshd.service")),
    LogSource(name="gateway", journal=("_SYSTEMD_UNIT=cloister-gateway.service",)),
    LogSource(name="admin", journal=("_COMM=sudo", "_COMM=su", "_PID=1", "_SYSTEMD_UNIT=systemd-logind.service")),
)
"""The kernel's audit trail, who logs in, whose tokens pass, and who starts, stops and changes what.

Journal fields with a leading `_` are set by the journal and cannot be forged by whoever writes to it (systemd,
`systemd.journal-fields`). The engine's own output is not among them: it may hold prompts.
"""


def plan_logs(retention_days: int, section: LogShippingSection | None = None) -> LogsPlan:
    """Settle what is sent, to whom, and for how long it is kept.

    Raises:
        PlanError: the receiver's address is none, or half a pair of files is given.

    """
    return LogsPlan(retention_days=retention_days, sources=SOURCES, shipping=_shipping(section) if section else None)


def _shipping(section: LogShippingSection) -> LogShippingPlan:
    try:
        ipaddress.ip_address(section.address)
    except ValueError as error:
        raise PlanError(
            f"`log_shipping.address`: {error}", hint="Give the receiver's IPv4 or IPv6 address, not its name."
        ) from None
    if bool(section.certificate) != bool(section.key):
        raise PlanError("`log_shipping.certificate` and `log_shipping.key` go together", hint="Give both, or neither.")
    return msgspec.convert(section, LogShippingPlan, from_attributes=True)


def log_group(stack: str, source: str) -> str:
    """Return the name of a log group of the stack."""
    return f"/cloister/{stack}/{source}"
