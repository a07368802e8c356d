"""The policy pack that the Pulumi engine starts: `pulumi preview --policy-pack policies`."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path


def read(folder: str) -> dict[str, str] | None:
    """Return the Python files of a folder, name -> text; None where there is no such folder."""
    place = Path(folder)
    return {one.name: one.read_text(encoding="utf-8") for one in place.glob("*.py")} if place.is_dir() else None


def today() -> date:
    """Return the day by which waivers end and models age: UTC's."""
    return datetime.now(UTC).date()


if __name__ == "__main__":
    # The engine runs this folder as a program, so that the folder itself is on the path and its parent is not.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

    from pulumi_policy import PolicyPack

    from policies.pack import NAME, Pack

    PolicyPack(NAME, Pack(read, today).policies())  # serves, and does not return
