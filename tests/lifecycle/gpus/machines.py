"""Machines of `machines.toml`: what each of their programs would print."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from planner.acceptance import Expected, expected_of
from planner.catalogue import load_catalogue

DRIVER = "595.71.05"
BUSES = ("18", "2a", "3a", "5d", "9a", "ab", "ba", "db")
AT = "2026-11-21T12:00:00Z"
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA "
    "driver is installed and running."
)


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    like: str = ""
    gpu: str = ""
    product: str = ""
    gpus: int = 0
    memory_mib: int = 0
    link: str = ""
    links: dict[str, str] = {}
    nvswitch: bool = False
    bus_gb_s: float = 0.0
    wrong_sums: int = 0
    driver: str = DRIVER
    loaded: str = DRIVER
    fabric_manager: str = f"{DRIVER} active"
    kernel: tuple[str, ...] = ()
    lost: int = 0
    lost_after: int = 0
    broken: str = ""
    diagnosis: str = "Pass"
    dcgm3: bool = False
    busy: str = ""
    set: dict[str, str] = {}
    """Elements of the first GPU's XML."""
    set_after: dict[str, str] = {}
    no: tuple[str, ...] = ()
    note: tuple[str, ...] = ()
    says: str = ""

    @property
    def expected(self) -> Expected:
        """What a plan for such a machine, in good order, holds it against."""
        return expected_of(self.gpu, load_catalogue(), gpus=self.gpus, exactly=self.gpus)


def machines() -> dict[str, Machine]:
    rows = msgspec.toml.decode((Path(__file__).parent / "machines.toml").read_bytes())["machine"]
    by_name: dict[str, dict[str, Any]] = {}
    for row in rows:
        like = by_name.get(row.get("like", ""), {})
        by_name[row["name"]] = {**{k: v for k, v in like.items() if k not in {"no", "note", "says"}}, **row}
    return {name: msgspec.convert(row, Machine) for name, row in by_name.items()}


def printed(machine: Machine) -> dict[str, tuple[int, str]]:
    """Return exit code and text of each output that the role's script brings."""
    left = machine.gpus - machine.lost
    smi = (9, NO_DRIVER) if machine.broken == "no-driver" else (0, smi_xml(machine, left, machine.set))
    found = {
        "at": (0, f"{AT}\n"),
        "state": (0, f"{hashlib.sha256(machine.name.encode()).hexdigest()}\n"),
        "smi": smi,
        "topo": (0, topology(machine, left)),
        "driver": (0, f"{machine.loaded}\n"),
        "kernel": (0, "".join(f"2026-11-21T11:59:00+00:00 h kernel: {line}\n" for line in machine.kernel)),
    }
    if machine.fabric_manager and machine.nvswitch:
        found["fabric"] = (0, f"{machine.fabric_manager}\n")
    if machine.busy:
        return {**found, "busy": (0, f"{machine.busy}\n")}
    found["diagnosis"] = (0 if machine.diagnosis == "Pass" else 226, diagnosis(machine))
    if left > 1:
        found["all_reduce"] = (0, all_reduce(machine))
    found["smi_after"] = (0, smi_xml(machine, left - machine.lost_after, {**machine.set, **machine.set_after}))
    return found


def collected(outputs: Mapping[str, tuple[int, str]]) -> str:
    """Write outputs as the role's script does."""
    lines = []
    for name, (code, text) in {**outputs, "end": (0, "")}.items():
        content = text.encode()
        lines.append(f"{name} {code} {hashlib.sha256(content).hexdigest()} {base64.b64encode(content).decode()}")
    return "\n".join(lines) + "\n"


def smi_xml(machine: Machine, gpus: int, changed: Mapping[str, str]) -> str:
    parts = "".join(_gpu_xml(machine, index, changed if index == 0 else {}) for index in range(gpus))
    return (
        '<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v13.dtd">\n<nvidia_smi_log>\n'
        f"\t<driver_version>{machine.driver}</driver_version>\n\t<attached_gpus>{gpus}</attached_gpus>\n{parts}"
        "</nvidia_smi_log>\n"
    )


def _gpu_xml(machine: Machine, index: int, changed: Mapping[str, str]) -> str:
    fabric = ("Completed", "Success") if machine.nvswitch else ("N/A", "N/A")
    ecc = {"sram_uncorrectable_parity": "0", "sram_uncorrectable_secded": "0", "dram_uncorrectable": "0"}
    reasons = ("gpu_idle", "sw_power_cap", "hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown")
    tree: dict[str, Any] = {
        "product_name": machine.product,
        "persistence_mode": "Enabled",
        "mig_mode": {"current_mig": "Disabled", "pending_mig": "Disabled"},
        "uuid": f"GPU-00000000-0000-0000-0000-00000000000{index}",
        "fb_memory_usage": {"total": f"{machine.memory_mib} MiB", "used": "1 MiB"},
        "ecc_errors": {"volatile": dict(ecc), "aggregate": dict(ecc)},
        "retired_pages": {"pending_retirement": "N/A"},
        "remapped_rows": {"remapped_row_pending": "No", "remapped_row_failure": "No"},
        "clocks_event_reasons": {
            f"clocks_event_reason_{name}": "Active" if name == "gpu_idle" else "Not Active" for name in reasons
        },
        "gpu_power_readings": {"current_power_limit": "700.00 W", "default_power_limit": "700.00 W"},
        "fabric": {"state": fabric[0], "status": fabric[1]},
    }
    return f'\t<gpu id="00000000:{BUSES[index].upper()}:00.0">\n{_elements(tree, changed)}\t</gpu>\n'


def _elements(tree: Mapping[str, Any], changed: Mapping[str, str]) -> str:
    text = ""
    for name, value in tree.items():
        inner = "\n" + _elements(value, changed) if isinstance(value, dict) else changed.get(name, value)
        text += f"<{name}>{inner}</{name}>\n"
    return text


def topology(machine: Machine, gpus: int) -> str:
    names = [f"GPU{index}" for index in range(gpus)]
    head = "\t" + "\t".join([*names, "NIC0", "CPU Affinity", "NUMA Affinity", "GPU NUMA ID"])
    rows = [f"\033[4m{head}\033[0m"]
    for a in range(gpus):
        words = [" X " if a == b else machine.links.get(f"{min(a, b)}-{max(a, b)}", machine.link) for b in range(gpus)]
        rows.append("\t".join([names[a], *words, "NODE", "0-95", "0", "N/A"]))
    rows.append("\t".join(["NIC0", *(["NODE"] * gpus), " X "]))
    return "\n".join(
        [*rows, "", "Legend:", "", "  X    = Self", "  NV#  = Connection traversing a set of # NVLinks", ""]
    )


def diagnosis(machine: Machine) -> str:
    passed = "PASS" if machine.dcgm3 else "Pass"
    said = machine.diagnosis.upper() if machine.dcgm3 else machine.diagnosis
    warnings = "Detected 9 PCIe replays" if machine.dcgm3 else [{"error_id": 5, "warning": "Detected 9 PCIe replays"}]
    one = {"status": said, **({"warnings": warnings} if machine.diagnosis != "Pass" else {})}
    who = {"gpu_ids": "0"} if machine.dcgm3 else {"entity_group": "GPU", "entity_group_id": 1, "entity_id": 0}
    tests = [
        {"category": "Deployment", "tests": [_test(machine, "software", {"status": passed})]},
        {"category": "Integration", "tests": [_test(machine, "pcie", {**who, **one})]},
        {"category": "Stress", "tests": [_test(machine, "targeted_power", {**who, "status": "Skip"})]},
    ]
    root = "DCGM GPU Diagnostic" if machine.dcgm3 else "DCGM Diagnostic"
    return json.dumps({root: {"test_categories": tests}}, indent=2) + "\n"


def _test(machine: Machine, name: str, result: dict[str, Any]) -> dict[str, Any]:
    summary = {} if machine.dcgm3 else {"test_summary": {"status": result["status"]}}
    return {"name": name, "results": [result], **summary}


def all_reduce(machine: Machine) -> str:
    gpus = machine.gpus - machine.lost
    return (
        f"# nThread 1 nGpus {gpus} minBytes 17179869184 maxBytes 17179869184 step: 2(factor) warmup iters: 5\n"
        "#       size         count      type   redop    root     time   algbw   busbw #wrong\n"
        f" 17179869184    4294967296     float     sum      -1    62861  273.30  {machine.bus_gb_s:.2f}      0\n"
        f"# Out of bounds values : {machine.wrong_sums} {'OK' if not machine.wrong_sums else 'FAILED'}\n"
        f"# Avg bus bandwidth    : {machine.bus_gb_s:g} \n#\n"
    )
