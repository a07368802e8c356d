"""`nvidia-smi -q -x`: the state of every GPU, as XML."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import msgspec

THROTTLES = {
    "hw_slowdown": "hardware slowdown",
    "hw_thermal_slowdown": "too hot (hardware)",
    "hw_power_brake_slowdown": "power brake",
    "sw_thermal_slowdown": "too hot (software)",
}
"""End of an element's name -> what slows the clocks down. A power cap under load is none: GPUs run at it."""
UNCORRECTABLE = ("dram_uncorrectable", "sram_uncorrectable", "sram_uncorrectable_parity", "sram_uncorrectable_secded")


class SmiError(ValueError):
    """It is not such a document."""


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU. Memory in MiB, power in W; None where the tool says N/A."""

    bus: str
    """PCI address, for example `00000000:18:00.0`."""
    name: str
    uuid: str
    memory_mib: int
    persistence: bool
    mig: bool
    remap_pending: bool
    """Rows of memory (before Ampere: pages) wait for a reset to be replaced."""
    remap_failed: bool
    uncorrectable: int
    """Memory errors since the driver was loaded that ECC could not correct."""
    throttled: tuple[str, ...]
    power_limit_w: float | None
    default_power_w: float | None
    fabric_state: str
    """How far the fabric manager got; empty where the GPU is in none."""
    fabric_status: str


class Smi(msgspec.Struct, frozen=True, kw_only=True):
    """All GPUs, and the driver that tells of them."""

    driver: str
    gpus: tuple[Gpu, ...]


def read_smi(text: str) -> Smi:
    """Read the document.

    Raises:
        SmiError: it is not one.

    """
    # The document comes with a DOCTYPE and needs no entity; a host that sends some is not talking of GPUs.
    if "<!ENTITY" in text:
        raise SmiError("it defines entities")
    try:
        root = ET.fromstring(text)  # noqa: S314 - entities are refused above, and nothing external is read
    except ET.ParseError as error:
        raise SmiError(str(error)) from None
    if root.tag != "nvidia_smi_log":
        raise SmiError(f"it is a {root.tag}")
    return Smi(driver=_text(root, "driver_version"), gpus=tuple(_gpu(gpu) for gpu in root.findall("gpu")))


def _gpu(gpu: ET.Element) -> Gpu:
    return Gpu(
        bus=gpu.get("id", ""),
        name=_text(gpu, "product_name"),
        uuid=_text(gpu, "uuid"),
        memory_mib=int(_number(gpu, "fb_memory_usage/total") or 0),
        persistence=_text(gpu, "persistence_mode") == "Enabled",
        mig=_text(gpu, "mig_mode/current_mig") == "Enabled",
        remap_pending="Yes"
        in (_text(gpu, "remapped_rows/remapped_row_pending"), _text(gpu, "retired_pages/pending_retirement")),
        remap_failed=_text(gpu, "remapped_rows/remapped_row_failure") == "Yes",
        uncorrectable=sum(int(_number(gpu, f"ecc_errors/volatile/{name}") or 0) for name in UNCORRECTABLE),
        throttled=_throttled(gpu),
        power_limit_w=_power(gpu, "current_power_limit", "power_limit"),
        default_power_w=_power(gpu, "default_power_limit"),
        fabric_state=_text(gpu, "fabric/state"),
        fabric_status=_text(gpu, "fabric/status"),
    )


def _throttled(gpu: ET.Element) -> tuple[str, ...]:
    """Read the reasons, which older drivers call `clocks_throttle_reasons`."""
    found = [
        reason
        for parent in ("clocks_event_reasons", "clocks_throttle_reasons")
        for reason in gpu.findall(f"{parent}/*")
    ]
    active = {reason.tag for reason in found if (reason.text or "").strip() == "Active"}
    return tuple(
        title
        for end, title in THROTTLES.items()
        if any(re.fullmatch(f"clocks_\\w+_reason_{end}", tag) for tag in active)
    )


def _power(gpu: ET.Element, *names: str) -> float | None:
    """Read a limit, which older drivers have below `power_readings`."""
    for parent in ("gpu_power_readings", "power_readings"):
        for name in names:
            value = _number(gpu, f"{parent}/{name}")
            if value is not None:
                return value
    return None


def _text(element: ET.Element, path: str) -> str:
    value = (element.findtext(path) or "").strip()
    return "" if value in {"N/A", "[N/A]"} else value


def _number(element: ET.Element, path: str) -> float | None:
    found = re.match(r"[0-9]+(\.[0-9]+)?", _text(element, path))
    return float(found[0]) if found else None
