"""Rendered files, each read once as the program that gets it would read it."""

from __future__ import annotations

import configparser
import re
import tomllib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import yaml

from policies.watch import Watch

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where PyYAML was built with it: ten times as fast, and with the same result."""
CONTINUED = re.compile(r"[ \t]*\\\n\s*")
"""A line of a unit that goes on in the next one (systemd.syntax(7))."""


EMPTIED = "\0"
"""Stands for an empty value, which configparser would drop at the end of several."""


class UnreadableError(ValueError):
    """A file is not what its name says; the message names it."""


class Unit:
    """A systemd unit. A setting may stand several times; an empty one takes back those before it."""

    def __init__(self, path: str, sections: Mapping[str, Mapping[str, tuple[str, ...]]]) -> None:
        self.path = path
        self.name = PurePosixPath(path).name
        self._sections = sections

    def values(self, name: str, section: str = "Service") -> tuple[str, ...]:
        """Return every value of a setting, in order."""
        return self._sections.get(section, {}).get(name, ())

    def value(self, name: str, section: str = "Service") -> str | None:
        """Return the value that holds, the last one; None where the setting is absent."""
        values = self._sections.get(section, {}).get(name)
        if values is None:
            return None
        return values[-1] if values else ""

    def names(self, section: str) -> tuple[str, ...]:
        """Return the settings of a section that are there."""
        return tuple(self._sections.get(section, {}))

    @property
    def is_container(self) -> bool:
        """Whether it is a Quadlet, of which Podman makes a unit."""
        return self.name.endswith(".container")

    @property
    def command_lines(self) -> tuple[str, ...]:
        """What it starts, on the host or in a container."""
        return (*self.values("ExecStart"), *self.values("Exec", "Container"))

    def words(self, name: str, section: str = "Service") -> tuple[str, ...] | None:
        """Return the words of all values of a list setting; None where it is absent, none where it is emptied."""
        values = self._sections.get(section, {}).get(name)
        return None if values is None else tuple(word for value in values for word in value.split())


class Files:
    """All rendered files of a stack: path -> text, parsed when first asked for and kept."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.watch = Watch()
        self._texts = texts
        self._parsed: dict[tuple[str, str], Any] = {}

    @property
    def texts(self) -> Mapping[str, str]:
        """Every file, path -> text."""
        self.watch.handed |= bool(self._texts)
        return self._texts

    def find(self, name: str) -> str | None:
        """Return the path of a file by its end, `traefik/traefik.yml`; None where there is none."""
        for path in self._texts:
            if path == name or path.endswith("/" + name):
                self.watch.handed = True
                return path
        return None

    def named(self, *names: str) -> Iterator[tuple[str, str]]:
        """Yield path and text of every file of these names, in whatever folder."""
        for path, text in self._texts.items():
            if path.rpartition("/")[2] in names:
                self.watch.handed = True
                yield path, text

    def yaml(self, path: str) -> Any:
        """Return the content of a YAML file.

        Raises:
            UnreadableError: it is none.

        """
        return self._once("YAML", path, lambda text: yaml.load(text, Loader=Loader))  # noqa: S506 - a safe loader

    def toml(self, path: str) -> Any:
        """Return the content of a TOML file.

        Raises:
            UnreadableError: it is none.

        """
        return self._once("TOML", path, tomllib.loads)

    def units(self, beginning: str = "") -> Iterator[Unit]:
        """Yield every systemd service among the files.

        Args:
            beginning: of their names; empty for all.

        Raises:
            UnreadableError: one is no unit.

        """
        for path in self._texts:
            if path.endswith(".service") and path.rpartition("/")[2].startswith(beginning):
                yield self._once("a systemd unit", path, partial(_unit, path))

    def containers(self) -> Iterator[Unit]:
        """Yield every Quadlet of a container among the files.

        Raises:
            UnreadableError: one is none.

        """
        for path in self._texts:
            if path.endswith(".container"):
                yield self._once("a Quadlet", path, partial(_unit, path))

    def _once(self, kind: str, path: str, parse: Callable[[str], Any]) -> Any:
        self.watch.handed = True
        if (kind, path) not in self._parsed:
            try:
                self._parsed[kind, path] = parse(self._texts[path])
            except (ValueError, yaml.YAMLError, configparser.Error, RecursionError) as error:
                raise UnreadableError(f"{path} cannot be read as {kind}: {error}") from None
        return self._parsed[kind, path]


class _Repeated(OrderedDict[str, Any]):
    """Keeps all values of a key that configparser reads several times; it hands over each as a list of lines."""

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, list):
            value = [line or EMPTIED for line in value]
            if key in self:
                self[key].extend(value)
                return
        super().__setitem__(key, value)


def _unit(path: str, text: str) -> Unit:
    parser = configparser.RawConfigParser(
        dict_type=_Repeated, strict=False, delimiters=("=",), comment_prefixes=("#", ";"), empty_lines_in_values=False
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep upper case
    parser.read_string(CONTINUED.sub(" ", text))
    return Unit(path, {name: {key: _held(parser[name][key]) for key in parser[name]} for name in parser.sections()})


def _held(lines: str) -> tuple[str, ...]:
    """Return the values that hold: those after the last empty one."""
    held: list[str] = []
    for line in lines.split("\n"):
        held = [] if line == EMPTIED else [*held, line.strip()]
    return tuple(held)
