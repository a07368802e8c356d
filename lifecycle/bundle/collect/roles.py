"""Which packages of the distribution the roles install: read from the roles themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ANSIBLE = Path(__file__).resolve().parents[3] / "ansible"
PLAYBOOKS = ("prepare", "install", "serve")
"""What runs on every host. What comes from a vendor's own archive (drivers) is in none of them."""
FOR_ANSIBLE = ("python3", "python3-apt")
"""What Ansible itself needs of a host."""
_INSTALL = ("ansible.builtin.apt", "ansible.builtin.package")
_VARIABLE = re.compile(r"\{\{\s*([a-z0-9_]+)\s*\}\}\Z")


def packages_of_roles() -> tuple[str, ...]:
    """Return the packages that the playbooks' roles install, and those that Ansible needs.

    Raises:
        ValueError: a task names its packages in a way that cannot be known before it runs.

    """
    roles = {
        str(role["role"])
        for name in PLAYBOOKS
        if (ANSIBLE / f"{name}.yml").is_file()
        for play in _read(ANSIBLE / f"{name}.yml")
        for role in play.get("roles", [])
    }
    return tuple(sorted({*FOR_ANSIBLE, *(name for role in roles for name in _packages(ANSIBLE / "roles" / role))}))


def _packages(role: Path) -> Iterator[str]:
    defaults_file = role / "defaults" / "main.yml"
    defaults = _read(defaults_file) if defaults_file.is_file() else {}
    for file in sorted((role / "tasks").glob("*.yml")):
        for task in _tasks(_read(file) or []):
            for module in _INSTALL:
                if module in task and task[module].get("state") != "absent" and "name" in task[module]:
                    yield from _names(task[module]["name"], defaults, f"{role.name}/{file.name}")


def _tasks(tasks: Any) -> Iterator[Mapping[str, Any]]:
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from _tasks(task.get(part, []))


def _names(named: Any, defaults: Mapping[str, Any], where: str) -> list[str]:
    if isinstance(named, str) and (variable := _VARIABLE.match(named)):
        named = defaults.get(variable[1], [])
    names = [named] if isinstance(named, str) else list(named)
    if unknown := [name for name in names if "{" in name]:
        raise ValueError(f"{where}: which package {unknown[0]!r} is cannot be known before the task runs")
    return names


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
