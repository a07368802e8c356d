"""Settings of an SSH server, as `sshd_config` has them or `sshd -T` tells them."""

from __future__ import annotations

from collections.abc import Mapping


def settings(text: str) -> Mapping[str, str]:
    """Return what holds, by its keyword in lower case: of several values the first (sshd_config(5)).

    What stands in a `Match` block holds for some connections alone; the block itself is the setting `match`.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.strip().replace("=", " ", 1).partition(" ")
        if not name or name.startswith("#"):
            continue
        found.setdefault(name.lower(), value.strip().strip('"'))
        if name.lower() == "match":
            break
    return found
