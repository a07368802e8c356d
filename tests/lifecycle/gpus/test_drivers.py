"""Driver and fabric manager go together, and what is there stays unless somebody says otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle.hosts.gpus.drivers import steps_for_role
from planner.catalogue import load_catalogue
from planner.catalogue.rows import DriverSet

ROW = load_catalogue().driver_sets["r595"]
FILES = {
    "driver": ("nvidia-open_{}-1_amd64.deb", "libnvidia-compute_1%3a{}-1_amd64.deb"),
    "fabric_manager": ("nvidia-fabricmanager_{}-1_amd64.deb",),
    "container_toolkit": ("nvidia-container-toolkit_1.20.1-1_amd64.deb",),
}
ALWAYS = ("chrony_4.3-2_amd64.deb", "dkms_3.0.10-8_all.deb")
INSTALLED = (
    "kernel=linux-image-6.1.0-30-amd64",
    "package=libnvidia-cfg1",
    "package=nvidia-container-toolkit-base",
)
EMPTY = {"driver": "", "library": "", "fabric_manager": "", "fabric_manager_state": "", "container_toolkit": ""}


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    has: dict[str, Any]
    bundle: tuple[str, ...] = ()
    other: str = ROW.driver
    replace: bool = False
    images: bool = False
    installs: tuple[str, ...] = ()
    loads: bool = False
    manager: bool = False
    notes: str = ""
    refused: str = ""


class Cases(msgspec.Struct, frozen=True):
    case: tuple[Case, ...]


CASES = msgspec.toml.decode((Path(__file__).parent / "drivers.toml").read_bytes(), type=Cases).case


def looked(case: Case) -> str:
    files = [file.format(case.other) for kind in case.bundle for file in FILES[kind]]
    has = {**EMPTY, "nvswitches": 0, "gpus": 0, "nouveau": "false"}
    has |= {name: str(value).lower() for name, value in case.has.items()}
    lines = [f"{name}={value}" for name, value in has.items()]
    return "\n".join([*lines, *(f"file={file}" for file in (*files, *ALWAYS)), *INSTALLED])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_done_to_a_host(case: Case) -> None:
    wanted = {
        "driver": ROW.driver,
        "least_driver": ROW.least_driver,
        "packages": ROW.packages,
        "images": case.images,
        "replace_driver": case.replace,
    }
    steps = steps_for_role(looked(case), wanted)
    said = " | ".join(steps["refusals"])
    assert case.refused in said
    assert bool(said) == bool(case.refused)
    names = [file.partition("_")[0] for file in steps["files"]]
    assert sorted(names) == sorted(case.installs)
    # Kernel and driver stay as they are, whoever brought them.
    kept = {"linux-image-6.1.0-30-amd64", "libnvidia-cfg1"}
    assert set(steps["hold"]) & {*kept, "nvidia-container-toolkit-base"} == (set() if case.refused else kept)
    assert steps["load"] == case.loads
    assert set(case.installs) <= set(steps["hold"])
    assert steps["fabric_manager"] == case.manager
    assert case.notes in " ".join(steps["notes"])
    assert bool(steps["notes"]) == bool(case.notes)


def test_a_row_whose_versions_differ_is_none() -> None:
    row = msgspec.to_builtins(ROW)
    with pytest.raises(msgspec.ValidationError, match="exactly the driver's version"):
        msgspec.convert({**row, "fabric_manager": "580.126.20"}, DriverSet)
