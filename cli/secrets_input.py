"""Secrets from a person: asked for on the terminal, or taken from a named variable; never from the command line."""

from __future__ import annotations

import os
import sys

from planner.errors import UsageError


def passphrase_from(variable: str, *, confirm: bool) -> str:
    """Return a passphrase.

    Raises:
        UsageError: the variable is empty, or there is no terminal to ask on.

    """
    if variable:
        value = os.environ.get(variable, "")
        if not value:
            raise UsageError(f"the environment variable {variable} is empty", hint="It must hold the passphrase.")
        return value
    if not sys.stdin.isatty():
        raise UsageError(
            "no terminal to ask for the passphrase on",
            hint="Put it into an environment variable and name that with --passphrase-env, or use a key.",
        )
    import typer

    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))
