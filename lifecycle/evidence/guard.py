"""The last look before evidence is written: no secret stands in it, whatever a profile or a waiver says."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from planner.errors import DeployError
from policies.rules.no_secrets_in_clear import SHAPES

SHORTEST = 12
"""Characters of a secret's value that is looked for: shorter ones stand in any text by chance."""
MAX_BYTES = 1024 * 1024
PRIVATE_MEMBERS = frozenset({"d", "k", "p", "q", "dp", "dq", "qi"})
"""Members of a JSON Web Key that are secret (RFC 7518, section 6)."""


def refuse_secrets(contents: Mapping[str, bytes], values: Iterable[str]) -> None:
    """Make sure that no secret is written.

    Args:
        contents: name -> content.
        values: of secrets that this machine knows.

    Raises:
        DeployError: there is one. The message says where, and never which.

    """
    written = {form for value in values for form in _forms(value)}
    for name, content in contents.items():
        text = content.decode("utf-8")
        shapes = [what for what, shape in SHAPES.items() if shape.search(text)]
        if any(form in text for form in written):
            shapes.append("a secret of this stack")
        if shapes:
            raise DeployError(
                f"{name} would hold {', '.join(shapes)}: nothing was written",
                hint="Take it out of the profile, waiver or tag in which it stands, and change it: it was in clear.",
                code="secret_in_evidence",
            )


def secrets_in(*folders: Path) -> Iterator[str]:
    """Yield the values of secrets that lie below folders: whole files, their lines, and the private parts of keys."""
    for folder in folders:
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= MAX_BYTES:
                yield from _values(path.read_text(encoding="utf-8", errors="replace"))


def _values(text: str) -> Iterator[str]:
    lines = (line.strip() for line in text.splitlines())
    found = {text.strip(), *lines, *_members(text)}
    yield from (value for value in found if len(value) >= SHORTEST and not value.startswith(("-----", '"')))


def _members(text: str) -> Iterator[str]:
    try:
        keys = json.loads(text)["keys"]
        yield from (str(key[name]) for key in keys for name in PRIVATE_MEMBERS & set(key))
    except (ValueError, KeyError, TypeError):
        return


def _forms(value: str) -> tuple[str, ...]:
    """Return a value as it may stand in text, in JSON and in HTML."""
    return value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], html.escape(value)
