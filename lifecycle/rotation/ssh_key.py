"""`rotate ssh-key`: the key that logs in on hosts. None is taken away before the next has been proven everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from paramiko.pkey import UnknownKeyType

from lifecycle import files
from lifecycle.home import StackHome
from lifecycle.hosts.authorized import authorized_files, beside, lets_in, replace, without
from lifecycle.hosts.inventory import Host
from lifecycle.hosts.kept import KeptHosts, login_of
from lifecycle.hosts.session import HostSession
from lifecycle.hosts.ssh import Connection, Login, LoginRefusedError, connect, fingerprint
from lifecycle.planning import hosts_of, keep_key
from lifecycle.rotation.notes import KeyChange, clear, keep, noted
from lifecycle.rotation.report import RotationReport
from lifecycle.rotation.turn import VERB, Turn, nothing_under_way
from planner.errors import DeployError, UsageError
from planner.progress import Progress

COMMENT = "cloister"
"""Stands behind a key in `authorized_keys`, for whoever reads it."""


class NewKeyRefusedError(DeployError):
    """A host does not let the new key in."""

    code = "new_key_refused"


def rotate_ssh_key(home: StackHome, progress: Progress, to: Path | None = None) -> RotationReport:
    """Let a new key log in on every host, jump hosts too, and then the old one no more.

    The new key must have logged in on every host before the old one is removed from any. Killed on the way, the same
    call goes on. A host that does not take the new key ends it: the new key is removed again, and the old one stays.

    Args:
        home: the stack.
        progress: is told of every step.
        to: private key to use from now on, made where there is none; None for one beside the stacks' folders, which
            `down` leaves.

    Raises:
        UsageError: the stack is not on hosts, or its key is not known.
        NewKeyRefusedError: a host does not let the new key in.
        DeployError: a host is not reached, or lets the old key in by other means than `authorized_keys`.

    """
    with Turn.of(home, progress) as turn:
        kept = _kept(turn)
        change = noted(home.layout, KeyChange) or _new_change(home, kept, turn.now, to)
        if to and Path(change.new_file) != to.expanduser().absolute():
            raise UsageError(
                f"a change to the key {change.new_file} is under way",
                hint="Leave --to out to go on with it, or end it by --cancel.",
                code="other_key",
            )
        with turn.run("ssh-key"):
            if change.phase == "placing":
                change = _place(turn, kept, change)
            _remove(turn, kept, change)
        return RotationReport(
            stack=home.name,
            what="ssh-key",
            state="done",
            new=fingerprint(public_half(Path(change.new_file))),
            removed=(fingerprint(change.old),),
            file=change.new_file,
        )


def cancel(home: StackHome, progress: Progress) -> RotationReport:
    """Remove a new key again that was placed and not proven; the old one stays.

    Raises:
        UsageError: nothing is under way.
        DeployError: a host is not reached; or the new key is the only one already on some hosts.

    """
    with Turn.of(home, progress) as turn:
        kept, change = _kept(turn), noted(home.layout, KeyChange)
        if change is None:
            raise nothing_under_way("the SSH key")
        if change.phase == "removing":
            raise DeployError(
                "the old key is being removed from the hosts: the new one logs in everywhere",
                hint="`deploy rotate ssh-key` goes on; then rotate again.",
                code="too_late",
            )
        new = fingerprint(public_half(Path(change.new_file))) if Path(change.new_file).is_file() else ""
        with turn.run("ssh-key: cancel"), turn.step("new key removed"):
            _withdraw(turn, kept, change)
        return RotationReport(
            stack=home.name,
            what="ssh-key",
            state="cancelled",
            new=fingerprint(change.old),
            removed=(new,) if new else (),
            file=change.old_file,
        )


def public_half(file: Path) -> str:
    """Return the public half of a private key: kind and base64.

    Raises:
        UsageError: the file is no private key, or has a passphrase.

    """
    try:
        key = paramiko.PKey.from_path(file)
    except (OSError, ValueError, TypeError, paramiko.SSHException, UnknownKeyType) as error:
        raise UsageError(
            f"{file} cannot be read as a private key of SSH: {str(error) or type(error).__name__}",
            hint="It must be one without a passphrase, which only you can read.",
            code="bad_key",
        ) from None
    return f"{key.get_name()} {key.get_base64()}"


def _kept(turn: Turn) -> KeptHosts:
    """Return the stack's hosts.

    Raises:
        UsageError: it is not on hosts, or which key logs in is not known.

    """
    kept = hosts_of(turn.stack.home)
    if kept is None:
        raise UsageError(
            "nodes in AWS are logged in on with keys that live for one command: there is none to rotate"
            if turn.stack.plan.target == "aws"
            else f"this stack is of the target {turn.stack.plan.target}: nobody logs in on a host",
            hint="`deploy rotate ssh-key` is for stacks of the target metal.",
            code="not_on_hosts",
        )
    if not kept.key:
        raise UsageError(
            "this stack logs in with whichever of your own keys a host takes: it is not known which one to replace",
            hint="Name it once: `deploy up --key FILE`, with the private key that logs in now. Then run this again.",
            code="key_unknown",
        )
    return kept


def _new_change(home: StackHome, kept: KeptHosts, now: datetime, to: Path | None) -> KeyChange:
    new = to.expanduser().absolute() if to else home.home.keys / f"{home.name}-{now:%Y%m%dT%H%M%S%f}"
    old = public_half(Path(kept.key))
    if new.exists() and public_half(new) == old:
        raise UsageError(f"{new} is the key that logs in already", hint="Name another file.", code="same_key")
    return KeyChange(began=now, old=old, old_file=kept.key, new_file=str(new), made=not new.exists())


def _place(turn: Turn, kept: KeptHosts, change: KeyChange) -> KeyChange:
    """Put the new key beside the old one on every host, and prove it; then it is the one that logs in."""
    home = turn.stack.home
    old = login_of(home, change.old_file)
    with HostSession.open(home, kept, VERB, turn.progress, old):
        with turn.step("hosts' keys, looked at"):
            for one in _each(kept, old):
                _refuse_other_ways(one, change.old)
        with turn.step("new key placed"):
            keep(home.layout, change)
            new = ensure_key(Path(change.new_file))
            _edit_all(kept, old, lambda text: beside(text, change.old, new, COMMENT))
        try:
            with turn.step("new key proven"):
                _prove(kept, login_of(home, change.new_file))
        except LoginRefusedError as error:
            _withdraw(turn, kept, change, old)
            raise NewKeyRefusedError(
                f"the new key does not log in: {error.message}",
                hint="The old key stays, and the new one was removed again: nothing changed. The host's SSH server "
                "says why in its journal (`journalctl --unit=ssh` there).",
            ) from None
    change = msgspec.structs.replace(change, phase="removing")
    keep(home.layout, change)
    return change


def _remove(turn: Turn, kept: KeptHosts, change: KeyChange) -> None:
    """Let the new key be the stack's, and remove the old one from every host, those behind others first."""
    home = turn.stack.home
    keep_key(home, change.new_file)
    new, old = login_of(home, change.new_file), login_of(home, change.old_file)
    with HostSession.open(home, kept, VERB, turn.progress, new), turn.step("old key removed"):
        for way in _ways(kept):
            with connect(way, new) as connection:
                _without(connection, way, change.old, new)
            if Path(change.old_file).is_file():
                _prove_refused(way, old)
    if Path(change.old_file).parent == home.home.keys:
        _delete(Path(change.old_file))
    clear(home.layout, KeyChange)


def _without(connection: Connection, way: tuple[Host, ...], key: str, other: Login) -> None:
    """Remove a key while this connection holds, and put it back where the other one is then not let in."""
    before = authorized_files(connection)
    for file in before:
        replace(connection, file, without(file.text, key))
    try:
        with connect(way, other):
            return
    except LoginRefusedError:
        texts = {file.path: file.text for file in before}
        for file in authorized_files(connection):
            replace(connection, file, texts[file.path])
        raise


def _prove_refused(way: tuple[Host, ...], old: Login) -> None:
    """Make sure that the old key is not let in any more.

    Raises:
        DeployError: it is.

    """
    try:
        with connect(way, old):
            pass
    except LoginRefusedError:
        return
    raise DeployError(
        f"{way[-1].name}: the old key is in no authorized_keys any more, and still let in",
        hint="Look for `AuthorizedKeysCommand` and `TrustedUserCAKeys` in its SSH server's settings, remove the key "
        "there, and run the same command again.",
        code="old_key_let_in",
    )


def _prove(kept: KeptHosts, new: Login) -> None:
    """Log in with the new key alone on every host, and be root where the stack needs that."""
    for one in _each(kept, new):
        if one.host in kept.inventory.serving and one.run_as_root("true").code:
            raise LoginRefusedError(f"{one.host.name}: the new key logs in, and root is not to be had with it")


def _withdraw(turn: Turn, kept: KeptHosts, change: KeyChange, login: Login | None = None) -> None:
    """Take the new key away again, everywhere."""
    home, new = turn.stack.home, Path(change.new_file)
    if new.is_file():
        key = public_half(new)
        _edit_all(kept, login or login_of(home, change.old_file), lambda text: without(text, key))
        if change.made:
            _delete(new)
    clear(home.layout, KeyChange)


def _refuse_other_ways(connection: Connection, key: str) -> None:
    if any(lets_in(file.text, key) for file in authorized_files(connection)):
        return
    raise DeployError(
        f"{connection.host.name}: the key that logs in is in no authorized_keys of {connection.host.user}: the host "
        "has it from elsewhere",
        hint="Where a directory, a certificate authority or the provider hands out keys, rotate it there, then run "
        "`deploy up --key FILE` with the new one. Nothing was changed.",
        code="key_from_elsewhere",
    )


def _edit_all(kept: KeptHosts, login: Login, edit: Callable[[str], str]) -> None:
    for one in _each(kept, login):
        for file in authorized_files(one):
            replace(one, file, edit(file.text))


def _ways(kept: KeptHosts) -> list[tuple[Host, ...]]:
    """Return the way to every host, jump hosts last: nobody is cut off from what lies behind them."""
    return sorted((kept.inventory.way_to(host) for host in kept.inventory.host), key=len, reverse=True)


def _each(kept: KeptHosts, login: Login) -> Iterator[Connection]:
    for way in _ways(kept):
        with connect(way, login) as connection:
            yield connection


def ensure_key(path: Path) -> str:
    """Make a private key unless there is one; return its public half."""
    if not path.is_file():
        if not path.parent.exists():
            files.make_private_folder(path.parent)
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        files.write(path.with_name(f"{path.name}.pub"), public + f" {COMMENT}\n".encode(), files.PUBLIC)
        files.write(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), files.PRIVATE)
    return public_half(path)


def _delete(path: Path) -> None:
    for half in (path, path.with_name(f"{path.name}.pub")):
        half.unlink(missing_ok=True)
