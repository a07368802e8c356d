"""Settings of systemd units that rules ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from policies.files import Unit
from policies.rule import Answer, Violated

ON = ("yes", "true", "on", "1")


def is_engine(unit: Unit) -> bool:
    """Tell whether a unit is the engine's, which needs GPUs and compiles code as it runs."""
    return unit.name.startswith("cloister-engine")


def is_proxy(unit: Unit) -> bool:
    """Tell whether a unit is the one that clients reach."""
    return unit.name.startswith("cloister-traefik")


def must_be_on(unit: Unit, settings: Mapping[str, str]) -> Iterator[Answer]:
    """Yield a violation for each switch that is not on: setting -> what is open without it."""
    for name, otherwise in settings.items():
        value = unit.value(name)
        if (value or "").lower() not in ON:
            yield Violated(f"{otherwise} (`{name}` is {value or 'missing'})")
