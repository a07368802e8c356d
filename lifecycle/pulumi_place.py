"""Where Pulumi's engine keeps the state of a stack on AWS: a folder of its own, or a bucket that a team shares."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from lifecycle import files
from lifecycle.home import StackHome
from planner.errors import DeployError, UsageError


class StateChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Where the state is, and what seals the secrets in it. Empty: a folder, and a passphrase in a file beside it.

    Attributes:
        backend: for example `s3://bucket/path?region=us-east-2`.
        secrets_provider: for example `awskms://alias/pulumi?region=us-east-2`.

    """

    backend: str = ""
    secrets_provider: str = ""


def state_choice(backend: str, secrets_provider: str) -> StateChoice | None:
    """Return what is asked for; None where nothing is.

    Raises:
        UsageError: no bucket, no KMS key, or one without the other.

    """
    if not backend and not secrets_provider:
        return None
    if urlsplit(backend).scheme != "s3" or not urlsplit(backend).netloc:
        raise UsageError(
            f"--backend {backend!r} names no bucket" if backend else "--secrets-provider goes with --backend",
            hint="Write it as s3://BUCKET/PATH?region=REGION; without it the state is in the stack's folder.",
        )
    if urlsplit(secrets_provider).scheme != "awskms":
        raise UsageError(
            "--backend needs --secrets-provider awskms://...: whoever reads the bucket must not read its secrets",
            hint="Name a key of the team: awskms://alias/NAME?region=REGION.",
        )
    return StateChoice(backend=backend, secrets_provider=secrets_provider)


def engine_folder(home: StackHome) -> Path:
    """Return the folder in which Pulumi's engine works for a stack."""
    return home.folder / "pulumi"


def known_choice(home: StackHome) -> StateChoice:
    """Return where the stack's state is.

    Raises:
        DeployError: it was chosen, and the choice cannot be read: another place would seem to hold no stack.

    """
    try:
        return msgspec.json.decode(_file(home).read_bytes(), type=StateChoice)
    except FileNotFoundError:
        return StateChoice()
    except (OSError, msgspec.MsgspecError) as error:
        raise DeployError(
            f"{_file(home)}, which says where the state of {home.name!r} is, cannot be read: {error}",
            hint='Write it anew: {"backend": "s3://...", "secrets_provider": "awskms://..."}.',
            code="state_unknown",
        ) from error


def keep_choice(home: StackHome, choice: StateChoice | None) -> None:
    """Settle where the state is, once.

    Raises:
        UsageError: the stack has its state elsewhere already.

    """
    if choice is None or choice == known_choice(home):
        return
    if engine_folder(home).exists():
        raise UsageError(
            f"the state of {home.name!r} is in {known_choice(home).backend or 'its folder'} already",
            hint="Leave --backend out, or take the stack down first.",
            code="other_backend",
        )
    files.write(_file(home), msgspec.json.encode(choice))


def _file(home: StackHome) -> Path:
    return home.folder / "state.json"
