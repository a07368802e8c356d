"""What the other tools print: links, diagnosis, kernel log, all-reduce, fabric between nodes."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
XID = re.compile(r"NVRM: Xid \((?:PCI:)?(?P<where>[^)]*)\): (?P<number>\d+)(?:, (?P<rest>.*))?")
BAD = ("fail", "error")
DID_NOT_RUN = ("", "skip", "not run")
DCGM_ROOTS = ("DCGM Diagnostic", "DCGM GPU Diagnostic")
"""Since version 4, and before."""


class ToolError(ValueError):
    """A tool's output cannot be read."""


class Xid(msgspec.Struct, frozen=True, kw_only=True):
    """An error that the driver wrote to the kernel's log."""

    number: int
    where: str
    """PCI address of the GPU."""
    text: str


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What `dcgmi diag` came to."""

    tests: int
    """Tests that ran."""
    failed: tuple[str, ...]
    """Each with what it says."""


def read_links(text: str) -> dict[tuple[int, int], str]:
    """Read `nvidia-smi topo -m`: the word between each two GPUs.

    Raises:
        ToolError: it holds no such table.

    """
    lines = [ESCAPES.sub("", line).split() for line in text.splitlines()]
    heads = [words for words in lines if words[:1] == ["GPU0"] and (len(words) < 2 or words[1] != "X")]
    if not heads:
        raise ToolError("no table of links")
    columns = [int(word[3:]) for word in heads[0] if re.fullmatch(r"GPU\d+", word)]
    rows = {
        int(words[0][3:]): words[1:] for words in lines if words and re.fullmatch(r"GPU\d+", words[0]) and "X" in words
    }
    if sorted(rows) != columns or any(len(words) < len(columns) for words in rows.values()):
        raise ToolError("a table of links that is cut off")
    return {(a, b): rows[a][place] for a in columns for place, b in enumerate(columns) if a != b}


def read_diagnosis(text: str) -> Diagnosis:
    """Read `dcgmi diag -j`, of version 3 or 4.

    Raises:
        ToolError: it is something else.

    """
    start = text.find("{")
    try:
        document = json.JSONDecoder().raw_decode(text[start:])[0] if start >= 0 else {}
        root = next(document[name] for name in DCGM_ROOTS if name in document)
        tests = [test for category in root["test_categories"] for test in category["tests"]]
        read = [(test["name"], _results(test)) for test in tests]
    except (ValueError, KeyError, TypeError, StopIteration):
        raise ToolError((text.strip().splitlines() or ["nothing was printed"])[-1][:200]) from None
    ran = [name for name, results in read if any(_status(result) not in DID_NOT_RUN for result in results)]
    failed = [_failure(name, result) for name, results in read for result in results if _status(result) in BAD]
    return Diagnosis(tests=len(ran), failed=tuple(failed))


def _results(test: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a test's results by GPU, or where none of them speaks against it, version 4's summary as well."""
    results: list[dict[str, Any]] = list(test["results"])
    summary = test.get("test_summary")
    return results if not summary or any(_status(one) in BAD for one in results) else [*results, summary]


def _status(result: dict[str, Any]) -> str:
    return str(result.get("status", "")).lower()


def _failure(name: str, result: dict[str, Any]) -> str:
    warnings = result.get("warnings") or result.get("info") or ""
    first = warnings[0] if isinstance(warnings, list) and warnings else warnings
    said = first.get("warning", "") if isinstance(first, dict) else str(first)
    where = result.get("entity_id", result.get("gpu_ids", result.get("gpu_id", "")))
    return " ".join(
        part for part in (name, f"of GPU {where}" if where != "" else "", f"({said})" if said else "") if part
    )


def read_xids(text: str) -> tuple[Xid, ...]:
    """Find the driver's errors in the kernel's log."""
    return tuple(
        Xid(number=int(found["number"]), where=found["where"], text=(found["rest"] or "").strip())
        for found in XID.finditer(text)
    )


def read_bus_bandwidth(text: str) -> float:
    """Read the average bus bandwidth of nccl-tests, in GB/s.

    Raises:
        ToolError: it did not come to a result, or a result was wrong.

    """
    wrong = re.search(r"# Out of bounds values\s*:\s*(\d+)", text)
    found = re.search(r"# Avg bus bandwidth\s*:\s*([0-9.]+)", text)
    if wrong is None or found is None:
        raise ToolError((text.strip().splitlines() or ["nothing was printed"])[-1][:200])
    if wrong[1] != "0":
        raise ToolError(f"{wrong[1]} sums are wrong")
    return float(found[1])


def read_ports(text: str) -> tuple[tuple[str, str], ...]:
    """Read device and state of each port, as the script lists `/sys/class/infiniband`."""
    return tuple((words[0], words[1]) for line in text.splitlines() if len(words := line.split()) >= 2)
