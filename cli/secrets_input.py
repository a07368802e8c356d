"""Secrets from a person: asked for on the terminal, or taken from a named variable; never from the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

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


def sudo_password(path: Path | None) -> str:
    """Return the password that sudo wants on hosts: of a file, or asked for where `-` stands in its place.

    Raises:
        UsageError: there is no terminal to ask on.
        DeployError: the file cannot be used.

    """
    if path is None:
        return ""
    if str(path) != "-":
        from lifecycle.hosts.sudo import password_in

        return password_in(path)
    if not sys.stdin.isatty():
        raise UsageError(
            "no terminal to ask for the sudo password on", hint="Name a file that holds it, readable by you alone."
        )
    import typer

    return str(typer.prompt("Password for sudo on the hosts", hide_input=True, err=True))
