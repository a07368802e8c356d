"""The host keys that were confirmed, in the format of OpenSSH's `known_hosts`: ours, not the user's."""

from __future__ import annotations

from pathlib import Path

from lifecycle import files
from lifecycle.hosts.inventory import Host


class Pins:
    """A file of pinned host keys, private to the user. It is written only by `pin`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def of(self, way: tuple[Host, ...]) -> str:
        """Return the pinned key (`kind base64`) of the last host of a way; the inventory's where it gives one."""
        if way[-1].host_key:
            return way[-1].host_key
        return self._read().get(alias(way), "")

    def pin(self, way: tuple[Host, ...], key: str) -> None:
        """Keep a host's key, in the place of an older one."""
        files.make_private_folder(self.path.parent)
        known = {**self._read(), alias(way): key}
        files.write(self.path, "".join(f"{name} {known[name]}\n" for name in sorted(known)))

    def _read(self) -> dict[str, str]:
        if not self.path.is_file():
            return {}
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return dict(line.split(" ", 1) for line in lines if " " in line)


def alias(way: tuple[Host, ...]) -> str:
    """Return the name under which a host's key is kept: the same address behind another jump host is another host."""
    return "-via-".join(f"{host.address}-{host.port}" for host in reversed(way)).replace(":", ".")
