# noqa: INP001 - Ansible loads this file by its folder; a package here would shadow Ansible's own
"""Filters of the GPU roles: thin, for what they judge by is Python of the toolkit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def gpu_state(before: str) -> str:
    """Return the state that an earlier look accepted, or nothing."""
    from lifecycle.hosts.gpus.evidence import state_before  # noqa: PLC0415 - Ansible reads this file with any play

    return state_before(str(before))


def gpu_evidence(collected: str, expected: dict[str, Any], **how: Any) -> dict[str, Any]:
    """Judge what a host's programs printed: the evidence as text, and what speaks against the host."""
    from lifecycle.hosts.gpus.evidence import evidence_for_role  # noqa: PLC0415 - as above

    return evidence_for_role(str(collected), _plain({"expected": expected, **how}))


def nvidia_steps(looked: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Decide what is to be done to a host's driver: packages to install, or why nothing can be done."""
    from lifecycle.hosts.gpus.drivers import steps_for_role  # noqa: PLC0415 - as above

    return steps_for_role(str(looked), _plain(wanted))


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """Turn Ansible's own kinds of text and lists into plain ones."""
    plain: dict[str, Any] = json.loads(json.dumps(value))
    return plain


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them."""
        return {"gpu_state": gpu_state, "gpu_evidence": gpu_evidence, "nvidia_steps": nvidia_steps}
