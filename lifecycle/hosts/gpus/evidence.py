"""What was seen of a host's GPUs, and what it was held against: kept on the host, checked again wherever it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from lifecycle.hosts.fit import Verdict
from lifecycle.hosts.gpus.judge import judge
from lifecycle.hosts.gpus.outputs import Output, OutputsError, read_outputs, sha256_of
from planner.acceptance import Expected
from planner.errors import DeployError

LOAD = ("diagnosis", "all_reduce", "smi_after")
"""Outputs of programs that keep the GPUs busy: they are run on a host that nothing serves on."""


class EvidenceError(DeployError):
    """A file is no evidence, or not what was written."""

    code = "evidence_refused"


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that one look at a host's GPUs brought."""

    schema: Literal[1] = 1
    host: str
    at: str
    """By the host's clock, in UTC."""
    state: str
    """Hash of the GPUs' ids, the driver and `expected`: while it is the same, what was measured under load holds."""
    accepted: bool
    waived: tuple[str, ...]
    """Verdicts that somebody let pass, by name."""
    loaded_at: str
    """When the GPUs were last measured under load; an earlier look's where they were in use this time."""
    expected: Expected
    verdicts: tuple[Verdict, ...]
    outputs: tuple[Output, ...]


def make_evidence(
    collected: str, expected: Expected, *, host: str, waived: Iterable[str] = (), before: str = ""
) -> Evidence:
    """Judge what a host's programs printed.

    Args:
        collected: what the role's script brought.
        expected: what the GPUs are held against.
        host: its name.
        waived: names of verdicts that may speak against it; they become notes.
        before: the evidence of an earlier look, as JSON; empty for none. It stands for what was not run this time.

    Raises:
        OutputsError: the script's answer cannot be read.

    """
    outputs = read_outputs(collected)
    if not {"at", "state"} <= set(outputs):
        raise OutputsError("it says neither when it was made nor of which GPUs")
    at, state = (outputs.pop(name).text.strip() for name in ("at", "state"))
    passed = tuple(sorted(set(waived)))
    earlier = _earlier(before, state)
    loaded_at = at
    if earlier and not set(LOAD) & set(outputs):
        outputs |= {output.name: output for output in earlier.outputs if output.name in LOAD}
        loaded_at = earlier.loaded_at
    verdicts = _waive(judge(outputs, expected), passed)
    return Evidence(
        host=host,
        at=at,
        state=state,
        accepted=all(verdict.state != "no" for verdict in verdicts),
        waived=passed,
        loaded_at=loaded_at,
        expected=expected,
        verdicts=verdicts,
        outputs=tuple(outputs.values()),
    )


def refusals(evidence: Evidence) -> tuple[str, ...]:
    """Return what speaks against the host, one sentence each."""
    return tuple(f"{one.what}: {one.found}. {one.remedy}" for one in evidence.verdicts if one.state == "no")


def state_before(before: str) -> str:
    """Return the state that an earlier look accepted; empty where there was none, or it was refused."""
    evidence = _read(before)
    return evidence.state if evidence and evidence.accepted else ""


def read_evidence(path: Path) -> Evidence:
    """Read a file of evidence, and judge again what stands in it.

    Raises:
        EvidenceError: it is no evidence, an output is not what its hash says, or the verdicts are not what follows.

    """
    try:
        evidence = msgspec.json.decode(path.read_bytes(), type=Evidence)
    except (OSError, msgspec.MsgspecError) as error:
        raise EvidenceError(f"{path}: {error}", hint="Run the acceptance again.") from None
    hint = "It was changed after it was written: run the acceptance again, and find out who did."
    changed = [output.name for output in evidence.outputs if sha256_of(output.text) != output.sha256]
    if changed:
        raise EvidenceError(f"{path}: {', '.join(changed)}: not what its hash says", hint=hint)
    outputs = {output.name: output for output in evidence.outputs}
    verdicts = _waive(judge(outputs, evidence.expected), evidence.waived)
    accepted = all(verdict.state != "no" for verdict in verdicts)
    if (verdicts, accepted) != (evidence.verdicts, evidence.accepted):
        raise EvidenceError(f"{path}: its verdicts are not what its outputs come to", hint=hint)
    return evidence


def evidence_for_role(collected: str, how: Mapping[str, Any]) -> dict[str, Any]:
    """Return the evidence as text, and what speaks against the host, for the role `gpu_acceptance`.

    Args:
        collected: what its script brought.
        how: the arguments of `make_evidence`, as JSON has them.

    Raises:
        msgspec.ValidationError: `expected` is not what the planner makes.
        OutputsError: the script's answer cannot be read.

    """
    expected = msgspec.convert(how["expected"], Expected)
    evidence = make_evidence(
        collected, expected, host=how["host"], waived=how.get("waived", ()), before=how.get("before", "")
    )
    text = msgspec.json.format(msgspec.json.encode(evidence), indent=1).decode() + "\n"
    return {"text": text, "refusals": list(refusals(evidence))}


def _earlier(before: str, state: str) -> Evidence | None:
    evidence = _read(before)
    return evidence if evidence and evidence.accepted and evidence.state == state else None


def _read(before: str) -> Evidence | None:
    """Read an earlier look's file; one that cannot be read is none."""
    try:
        return msgspec.json.decode(before, type=Evidence)
    except msgspec.MsgspecError:
        return None


def _waive(verdicts: tuple[Verdict, ...], waived: tuple[str, ...]) -> tuple[Verdict, ...]:
    return tuple(
        msgspec.structs.replace(one, state="note") if one.state == "no" and one.what in waived else one
        for one in verdicts
    )
