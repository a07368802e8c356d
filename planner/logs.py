"""Which of a host's records leave it as they are written, so that they outlive it."""

from __future__ import annotations

from planner.plan import LogSource, LogsPlan

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


def plan_logs(retention_days: int) -> LogsPlan:
    """Settle what is sent, and for how long it is kept."""
    return LogsPlan(retention_days=retention_days, sources=SOURCES)


def log_group(stack: str, source: str) -> str:
    """Return the name of a log group of the stack."""
    return f"/cloister/{stack}/{source}"
