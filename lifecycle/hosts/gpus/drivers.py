"""What is to be done to a host's NVIDIA software: pure. Versions go together, and a driver that is there stays.

A rented server and a cloud's machine image come with a driver of their own, which the provider tested with the machine:
it is checked, and replaced only where somebody says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from typing import Any

import msgspec

NO_NOUVEAU = "nouveau holds the GPUs: it is kept from loading from now on. Reboot the host, then run this again."


class Looked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a host has, as the role's script tells it. Versions are empty where there is none."""

    driver: str
    """Of the loaded kernel module."""
    library: str
    """Of the user's side, as `nvidia-smi` tells it."""
    fabric_manager: str
    fabric_manager_state: str
    container_toolkit: str
    nvswitches: int
    nouveau: bool
    gpus: int
    """NVIDIA's display controllers on the PCI bus."""
    files: tuple[str, ...] = ()
    """Names of the bundle's packages for this release."""
    kernels: tuple[str, ...] = ()
    """Installed packages of the kernel."""
    installed: tuple[str, ...] = ()
    """Installed packages of NVIDIA's."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the plan wants of it."""

    driver: str
    least_driver: str
    packages: dict[str, tuple[str, ...]]
    """What they are for -> patterns of their names."""
    images: bool = False
    """Something runs from an image, which needs the container toolkit."""
    replace_driver: bool = False


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """What the role does."""

    refusals: tuple[str, ...] = ()
    """Why the host cannot serve as it is; nothing is installed then."""
    files: tuple[str, ...] = ()
    """Packages of the bundle to install."""
    hold: tuple[str, ...] = ()
    """Packages that are not replaced from now on."""
    load: bool = False
    """Whether a driver is among the packages, and so not loaded yet."""
    fabric_manager: bool = False
    """Whether it must run."""
    notes: tuple[str, ...] = ()


def steps(looked: Looked, wanted: Wanted) -> Steps:
    """Decide what is installed and held, or why the host is refused."""
    if not looked.gpus:
        return Steps(refusals=("no NVIDIA GPU is on the PCI bus, and the plan needs some",))
    if looked.driver and looked.library and looked.driver != looked.library:
        why = f"kernel module {looked.driver} and library {looked.library} differ: reboot the host after the update"
        return Steps(refusals=(why,))
    chosen = _Chosen(looked, wanted)
    driver = chosen.driver()
    if looked.nvswitches:
        chosen.fabric_manager(driver)
    if wanted.images and not looked.container_toolkit:
        chosen.take("container_toolkit", "", "the NVIDIA container toolkit, which images need")
    refusals = tuple(chosen.refusals)
    if looked.nouveau:
        refusals = (*refusals, NO_NOUVEAU)
    return Steps(
        refusals=refusals,
        files=() if refusals else tuple(chosen.files),
        hold=() if refusals else tuple(chosen.hold()),
        load=chosen.installs_driver and not refusals,
        fabric_manager=bool(looked.nvswitches),
        notes=tuple(chosen.notes),
    )


class _Chosen:
    """Packages that are taken, and what could not be had."""

    def __init__(self, looked: Looked, wanted: Wanted) -> None:
        self._looked = looked
        self._wanted = wanted
        self.installs_driver = False
        self.files: list[str] = []
        self.refusals: list[str] = []
        self.notes: list[str] = []

    def driver(self) -> str:
        """Choose the driver; return the version that the host has in the end."""
        found, wanted = self._looked.driver or self._looked.library, self._wanted.driver
        if found == wanted:
            return found
        if found and not self._wanted.replace_driver:
            if _numbers(found) < _numbers(self._wanted.least_driver):
                least = self._wanted.least_driver
                self.refusals.append(
                    f"the host's driver is {found}, and the engine needs {least} or later: update it as the provider "
                    f"says, or let this role replace it by {wanted} (`nvidia_replace_driver`)"
                )
            else:
                self.notes.append(f"the host's own driver {found} stays; the toolkit's is {wanted}")
            return found
        self.installs_driver = True
        self.take("driver", wanted, f"the driver {wanted}")
        self.files += _matching(self._looked.files, self._wanted.packages.get("needed_to_build", ()))
        return wanted

    def fabric_manager(self, driver: str) -> None:
        """Take the fabric manager of exactly the driver's version where the host has another, or none."""
        found = self._looked.fabric_manager
        if found == driver:
            return
        before = len(self.refusals)
        self.take("fabric_manager", driver, f"the fabric manager {driver}")
        if len(self.refusals) > before:
            self.refusals[-1] = (
                f"the host has NVSwitches, driver {driver} and fabric manager {found or 'none'}: both need exactly "
                f"one version, or CUDA does not start. {self.refusals[-1]}"
            )

    def take(self, what: str, version: str, title: str) -> None:
        """Take the bundle's packages of a kind, of a version where one is given."""
        files = _matching(self._looked.files, self._wanted.packages.get(what, ()))
        files = [name for name in files if not version or _upstream(name) == version]
        if files:
            self.files += files
        else:
            self.refusals.append(f"the bundle has no package of {title} for this release")

    def hold(self) -> Iterable[str]:
        """Name what is not to be replaced by an update, whoever installed it.

        A kernel for which the driver is not built boots without GPUs, and a library newer than the loaded module
        does not talk to it.
        """
        patterns = (*self._wanted.packages.get("driver", ()), *self._wanted.packages.get("fabric_manager", ()))
        there = _matching(self._looked.installed, patterns)
        return dict.fromkeys([*there, *(name.partition("_")[0] for name in self.files), *self._looked.kernels])


def steps_for_role(looked: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the steps for the role `nvidia`, as JSON has them.

    Args:
        looked: lines `name=value` of its script; `file`, `kernel` and `package` may come again.
        wanted: the fields of `Wanted`.

    Raises:
        msgspec.ValidationError: one of them is not of that form.

    """
    said: dict[str, list[str]] = {}
    for line in looked.splitlines():
        name, _, value = line.partition("=")
        said.setdefault(name, []).append(value.strip())
    lists = {"file": "files", "kernel": "kernels", "package": "installed"}
    values: dict[str, Any] = {name: given[0] for name, given in said.items() if name not in lists}
    values |= {field: said.get(name, []) for name, field in lists.items()}
    found = msgspec.convert(values, Looked, strict=False)
    decided: dict[str, Any] = msgspec.to_builtins(steps(found, msgspec.convert(wanted, Wanted)))
    return decided


def _matching(files: Iterable[str], patterns: Iterable[str]) -> list[str]:
    return [file for file in files if any(fnmatch(file.partition("_")[0], pattern) for pattern in patterns)]


def _upstream(file: str) -> str:
    """Return a package file's version without epoch and revision: `a_1%3a595.71.05-1_amd64.deb` has 595.71.05."""
    version = file.split("_")[1] if "_" in file else ""
    return version.replace("%3a", ":").rpartition(":")[2].partition("-")[0]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
