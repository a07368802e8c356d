"""Command lines and environments of inference engines, as a plan or a unit has them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from planner.plan import Plan, Service
from policies.files import Unit

ENGINE = "vllm"
"""The artefact that is the engine itself; its stand-in takes none of its options."""

Words = tuple[str, ...]


def engines(plan: Plan) -> Iterator[Service]:
    """Yield the services that are the engine itself."""
    return (service for service in plan.services if service.artefact == ENGINE)


def command_lines(plan: Plan) -> Iterator[tuple[str, Words]]:
    """Yield every command line of the engine, and whose it is; the first is what the plan decided."""
    yield "the engine", plan.engine.args
    for number, args in enumerate(plan.engine.worker_args, 1):
        yield f"the engine's node {number}", args
    yield from ((service.name, service.args) for service in engines(plan))


def unit_command(unit: Unit) -> Words:
    """Return the words of a unit's commands, if it starts the engine; none if it does not."""
    words = tuple(word for line in unit.command_lines for word in shlex.split(line))
    return words if any(word.rpartition("/")[2] == ENGINE for word in words) else ()


def unit_environment(unit: Unit) -> dict[str, str]:
    """Return the variables that a unit sets, for its container where it has one."""
    lines = (*unit.values("Environment"), *unit.values("Environment", "Container"))
    pairs = (pair.partition("=") for line in lines for pair in shlex.split(line))
    return {name: value for name, _, value in pairs}


def flags(words: Words) -> Iterator[str]:
    """Yield the options of a command line under their own names: dashes for underscores, and no value."""
    return (word.partition("=")[0].replace("_", "-") for word in words if word.startswith("--"))


def forbidden(words: Words, reasons: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (option as written, reason) of each option that must not be there.

    argparse takes an unmistakable beginning of an option for the whole.
    """
    for flag in flags(words):
        for option, reason in reasons.items():
            if len(flag) > 6 and option.startswith(flag):
                yield flag, reason


def option(words: Words, name: str) -> str | None:
    """Return the last value of an option; None where it is absent, empty where it has none."""
    found: str | None = None
    for place, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag.replace("_", "-") == name:
            following = words[place + 1] if place + 1 < len(words) else ""
            found = value if equals else "" if following.startswith("--") else following
    return found
