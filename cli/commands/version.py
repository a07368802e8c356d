"""`deploy version`."""

from __future__ import annotations

from cli.options import Json


def version(as_json: Json = False) -> None:
    """Print the versions of the toolkit and of what it runs.

    \b
    Example:
      deploy version --json
    """
    import platform
    from importlib.metadata import version as installed

    from cli.show import emit_json, emit_text
    from planner.catalogue import load_catalogue

    artefacts = {artefact.name: artefact.version for artefact in load_catalogue().artefacts.values()}
    mine = installed("cloister")
    if as_json:
        emit_json({"cloister": mine, "python": platform.python_version(), "artefacts": artefacts})
    else:
        emit_text(f"cloister {mine} (Python {platform.python_version()})")
        emit_text("\n".join(f"  {name:<13} {number}" for name, number in artefacts.items()))
