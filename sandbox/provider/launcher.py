"""The executable that the engine looks for on PATH; made when it is needed, in a folder of the stack's own."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

NAME = "pulumi-resource-aws"
"""The engine takes `pulumi-resource-NAME` from PATH before any plugin that is installed, whatever the version."""
MODE = 0o700
_ROOT = Path(__file__).resolve().parents[2]


def script(python: str = sys.executable, root: Path = _ROOT) -> str:
    """Return a script that runs the provider, whatever the working folder and PYTHONPATH of who starts it."""
    return f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(root))} exec {shlex.quote(python)} -P -m sandbox.provider "$@"\n'
