"""Whether a host's GPUs are what a plan counts on: pure, one verdict per thing that was looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeVar

from lifecycle.hosts.fit import Verdict
from lifecycle.hosts.gpus import tools
from lifecycle.hosts.gpus.outputs import Output
from lifecycle.hosts.gpus.smi import Gpu, Smi, SmiError, read_smi
from lifecycle.hosts.gpus.tools import ToolError
from planner.acceptance import Expected, Product

Value = TypeVar("Value")

FABRIC_DONE = ("Completed", "Success")
"""State and status of a GPU that the fabric manager has joined to the others."""
POWER_TOLERANCE_W = 1.0


def judge(outputs: Mapping[str, Output], expected: Expected) -> tuple[Verdict, ...]:
    """Judge what the host's programs printed. Outputs that are not there are missing programs.

    Args:
        outputs: `smi topo driver fabric kernel ports provider`, and `diagnosis all_reduce smi_after` or `busy`, by
            name.
        expected: what the GPUs are held against.

    """
    try:
        smi = read_smi(_text(outputs, "smi"))
    except SmiError:
        return (
            _no("GPUs", _said(outputs, "smi"), "The driver does not answer: look at `dmesg`, then reboot the host."),
        )
    product = next((row for row in expected.products if smi.gpus and row.name == smi.gpus[0].name), None)
    verdicts = [*_present(smi, expected), *_drivers(outputs, smi, expected, product), *_each(smi.gpus, product)]
    verdicts += [*_kernel(outputs, expected), *_links(outputs, smi, product), *_between_nodes(outputs, expected)]
    return (*verdicts, *_under_load(outputs, smi, expected))


def _present(smi: Smi, expected: Expected) -> Iterator[Verdict]:
    names = Counter(gpu.name for gpu in smi.gpus)
    found = ", ".join(f"{count} x {name}" for name, count in sorted(names.items())) or "none"
    wanted = " or ".join(row.name for row in expected.products)
    alike = len(names) == 1 and set(names) <= {row.name for row in expected.products}
    yield _verdict(
        "GPU model", alike, found, f"The plan counts on {wanted}, all alike: another host, or another profile."
    )
    enough = len(smi.gpus) >= expected.gpus
    if expected.exactly is not None:
        enough = enough and len(smi.gpus) == expected.exactly
    number = expected.exactly or expected.gpus
    remedy = f"{number} were expected: one may have fallen off the bus. Look at `dmesg`, and restart the host cold."
    yield _verdict("GPUs", enough, f"{len(smi.gpus)} of {number}", remedy)


def _drivers(outputs: Mapping[str, Output], smi: Smi, expected: Expected, product: Product | None) -> Iterator[Verdict]:
    loaded = _text(outputs, "driver").strip()
    versions = sorted({smi.driver, loaded} - {""})
    yield _verdict(
        "driver", len(versions) == 1, " and ".join(versions), "Kernel module and library differ: reboot the host."
    )
    old = _numbers(smi.driver) < _numbers(expected.least_driver)
    remedy = f"The engine needs {expected.least_driver} or later: install {expected.driver}."
    yield _verdict("driver's age", not old, smi.driver, remedy)
    if product is None or not product.nvswitch or len(smi.gpus) < 2:
        return
    words = _text(outputs, "fabric").split()
    version, state = (*words, "", "")[:2]
    good = (version, state) == (smi.driver, "active")
    remedy = f"It must be active and of exactly the driver's version, {smi.driver}: nothing may serve until it is."
    yield _verdict("fabric manager", good, f"{version} {state}".strip() or "none", remedy)
    apart = [gpu.bus for gpu in smi.gpus if (gpu.fabric_state, gpu.fabric_status) != FABRIC_DONE]
    found = f"not joined: {', '.join(apart)}" if apart else "all GPUs are joined"
    yield _verdict(
        "fabric", not apart, found, "`journalctl -u nvidia-fabricmanager` says why a GPU is not in the fabric."
    )


def _each(gpus: tuple[Gpu, ...], product: Product | None) -> Iterator[Verdict]:
    """Judge what each GPU says of itself; a verdict names those it is about by their PCI addresses."""
    least = product.memory_mib if product else 0
    small = [gpu.bus for gpu in gpus if gpu.memory_mib < least]
    yield _of(
        "GPU memory", small, f"{least} MiB or more each", "Less than the product has: is it cut into MIG instances?"
    )
    yield _of("MIG", [gpu.bus for gpu in gpus if gpu.mig], "off", "`nvidia-smi -mig 0` on them, then a reset.")
    remedy = "Reset them (`nvidia-smi --gpu-reset`) or reboot: until then faulty memory is in use."
    yield _of("row remapping", [gpu.bus for gpu in gpus if gpu.remap_pending], "none pending", remedy)
    remedy = "No spare rows are left: have them replaced."
    yield _of("spare memory", [gpu.bus for gpu in gpus if gpu.remap_failed], "no failed remapping", remedy)
    remedy = "Reset them; if it comes again, have them replaced."
    yield _of("memory errors", [gpu.bus for gpu in gpus if gpu.uncorrectable], "none uncorrected", remedy)
    lowered = [gpu.bus for gpu in gpus if _is_lowered(gpu)]
    yield _of("power limit", lowered, "as the product has it", "`nvidia-smi -pl` gives them their default back.")
    if not all(gpu.persistence for gpu in gpus):
        remedy = "Start nvidia-persistenced: without it the driver lets go of idle GPUs."
        yield Verdict(what="persistence", state="note", found="off", remedy=remedy)


def _is_lowered(gpu: Gpu) -> bool:
    if gpu.power_limit_w is None or gpu.default_power_w is None:
        return False
    return gpu.power_limit_w < gpu.default_power_w - POWER_TOLERANCE_W


def _kernel(outputs: Mapping[str, Output], expected: Expected) -> Iterator[Verdict]:
    if _missing(outputs, "kernel"):
        yield _no("kernel log", "not readable", "The driver's errors must be read before anything serves.")
        return
    xids = tools.read_xids(_text(outputs, "kernel"))
    bad = [xid for xid in xids if xid.number not in expected.harmless_xids]
    found = "; ".join(sorted({f"XID {xid.number} at {xid.where} ({xid.text or 'no text'})" for xid in bad}))
    remedy = "NVIDIA's XID catalogue says what each means: 79 is a GPU off the bus. Reboot, and have it looked at."
    yield _verdict("kernel log", not bad, found or "no error of the hardware", remedy)
    harmless = sorted({xid.number for xid in xids} & set(expected.harmless_xids))
    if harmless:
        numbers = ", ".join(map(str, harmless))
        yield Verdict(what="programs' errors", state="note", found=f"XID {numbers}", remedy="A program's, not a GPU's.")


def _links(outputs: Mapping[str, Output], smi: Smi, product: Product | None) -> Iterator[Verdict]:
    if product is None or len(smi.gpus) < 2:
        return
    try:
        links = tools.read_links(_text(outputs, "topo"))
    except ToolError as error:
        yield _no("links", str(error), "`nvidia-smi topo -m` on the host must show how its GPUs are joined.")
        return
    wrong = sorted({f"GPU{a}-GPU{b} {word}" for (a, b), word in links.items() if a < b and word not in product.links})
    whole = len({a for a, _ in links}) == len(smi.gpus)
    found = ", ".join(wrong) or f"{', '.join(sorted(set(links.values())))} between all"
    remedy = (
        f"Expected {' or '.join(product.links)} between any two: look at bridges, NVSwitches and the fabric manager."
    )
    yield _verdict("links", whole and not wrong, found, remedy)


def _between_nodes(outputs: Mapping[str, Output], expected: Expected) -> Iterator[Verdict]:
    wanted = expected.fabric
    if wanted is None:
        return
    ports = tools.read_ports(_text(outputs, "ports"))
    up = [device for device, state in ports if state == "ACTIVE"]
    remedy = f"{wanted.ports} ports of {wanted.kind} must be up: cables, or the node's interfaces."
    yield _verdict("ports between nodes", len(up) >= wanted.ports, f"{len(up)} of {len(ports)} up", remedy)
    # An installed library proves nothing: the provider must open the devices, or the adapter answer.
    answered = not _missing(outputs, "provider") and outputs["provider"].exit == 0
    word = "provider: efa" if wanted.kind == "efa" else "State: Active"
    remedy = (
        "`fi_info -p efa -t FI_EP_RDM`, or `ibstat`, must see it: packages of the fabric, or limits on locked memory."
    )
    yield _verdict("fabric in use", answered and word in _text(outputs, "provider"), _said(outputs, "provider"), remedy)


def _under_load(outputs: Mapping[str, Output], smi: Smi, expected: Expected) -> Iterator[Verdict]:
    if "smi_after" not in outputs:
        found = f"in use by {_said(outputs, 'busy')}" if "busy" in outputs else "not run"
        remedy = "They are measured once before anything serves on them: stop what uses them, and run this again."
        yield _no("GPUs under load", found, remedy)
        return
    yield from _diagnosis(outputs)
    yield from _all_reduce(outputs, smi, expected)
    try:
        after = read_smi(_text(outputs, "smi_after"))
    except SmiError:
        yield _no("GPUs after load", _said(outputs, "smi_after"), "The driver no longer answers: look at `dmesg`.")
        return
    yield _verdict(
        "GPUs after load",
        {gpu.uuid for gpu in after.gpus} == {gpu.uuid for gpu in smi.gpus},
        f"{len(after.gpus)} of {len(smi.gpus)}",
        "One was lost under load: look at `dmesg`, power and cooling.",
    )
    slow = sorted({f"{gpu.bus} {why}" for state in (smi, after) for gpu in state.gpus for why in gpu.throttled})
    yield _of("clocks", slow, "not held back", "Look at cooling and power supply: they run slower than they could.")


def _diagnosis(outputs: Mapping[str, Output]) -> Iterator[Verdict]:
    remedy = "`dcgmi diag -r 2` must pass: DCGM comes with the bundle, and its host engine must run."
    try:
        diagnosis = tools.read_diagnosis(_text(outputs, "diagnosis"))
    except ToolError:
        yield _no("diagnosis", _said(outputs, "diagnosis"), remedy)
        return
    found = "; ".join(diagnosis.failed) or f"{diagnosis.tests} tests passed"
    yield _verdict("diagnosis", diagnosis.tests > 0 and not diagnosis.failed, found, remedy)


def _all_reduce(outputs: Mapping[str, Output], smi: Smi, expected: Expected) -> Iterator[Verdict]:
    if len(smi.gpus) < 2:
        return
    floor = next((row for row in expected.floors if (row.product, row.gpus) == (smi.gpus[0].name, len(smi.gpus))), None)
    if floor is None and _missing(outputs, "all_reduce"):
        remedy = "No floor is known for so many of this product, and all_reduce_perf is not on the host."
        yield Verdict(what="all-reduce", state="note", found="not measured", remedy=remedy)
        return
    try:
        reached = tools.read_bus_bandwidth(_text(outputs, "all_reduce"))
    except ToolError:
        remedy = "all_reduce_perf of nccl-tests must run to its end: put it into the bundle."
        yield _no("all-reduce", _said(outputs, "all_reduce"), remedy)
        return
    if floor is None:
        remedy = "No floor is known for so many of this product: compare it with another host of the kind."
        yield Verdict(what="all-reduce", state="note", found=f"{reached:g} GB/s", remedy=remedy)
        return
    remedy = f"At least {floor.bus_gb_s:g} GB/s over {floor.gpus} x {floor.product}: look at links, fabric and clocks."
    yield _verdict("all-reduce", reached >= floor.bus_gb_s, f"{reached:g} GB/s", remedy)


def _text(outputs: Mapping[str, Output], name: str) -> str:
    return outputs[name].text if name in outputs else ""


def _missing(outputs: Mapping[str, Output], name: str) -> bool:
    return name not in outputs or outputs[name].is_missing


def _said(outputs: Mapping[str, Output], name: str) -> str:
    """Return the last line of what a program printed, for somebody to read."""
    if _missing(outputs, name):
        return "not on the host"
    lines = outputs[name].text.strip().splitlines()
    return lines[-1][:200] if lines else f"nothing, and exit code {outputs[name].exit}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _of(what: str, wrong: list[str], good: str, remedy: str) -> Verdict:
    return _verdict(what, not wrong, ", ".join(wrong) or good, remedy)


def _no(what: str, found: str, remedy: str) -> Verdict:
    return Verdict(what=what, state="no", found=found, remedy=remedy)


def _verdict(what: str, good: bool, found: str, remedy: str) -> Verdict:  # noqa: FBT001 - two words at every call
    return Verdict(what=what, state="ok" if good else "no", found=found, remedy="" if good else remedy)
