"""Which rotations of a stack were begun and are not finished."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lifecycle import tokens
from lifecycle.rotation.notes import Issued, KeyChange, noted
from lifecycle.rotation.report import UnderWay, command
from lifecycle.stack import Stack
from lifecycle.succession import succession_of
from planner.errors import DeployError


def rotations_under_way(stack: Stack) -> tuple[UnderWay, ...]:
    """Return them; one whose files are damaged is left out here, and its own command says what is wrong."""
    found: list[UnderWay] = []
    for look in (_authority, _certificate, _signing_key, _ssh_key):
        with contextlib.suppress(DeployError):
            found += look(stack)
    return tuple(found)


def _authority(stack: Stack) -> Iterator[UnderWay]:
    coming = succession_of(stack.layout) if stack.plan.tls.mode == "own-authority" else None
    if coming:
        phase = "the new authority signs, clients trust both" if coming.signs else "clients are given both authorities"
        until = None if coming.signs else coming.until
        yield UnderWay(what="ca", phase=phase, until=until, next=command(stack.home.name, "ca --finish"))


def _certificate(stack: Stack) -> Iterator[UnderWay]:
    if noted(stack.layout, Issued):
        phase = "a certificate is issued, and not served everywhere"
        yield UnderWay(what="cert", phase=phase, until=None, next=command(stack.home.name, "cert"))


def _signing_key(stack: Stack) -> Iterator[UnderWay]:
    if not stack.plan.identity.built_in:
        return
    if tokens.waiting_key(stack.plan, stack.layout):
        phase = "the new key is published, the old one signs"
        yield UnderWay(what="jwks", phase=phase, until=None, next=command(stack.home.name, "jwks"))
    elif retiring := tokens.retiring_keys(stack.plan, stack.layout):
        phase, until = "the new key signs, tokens of the old one are good", retiring[-1].until
        yield UnderWay(what="jwks", phase=phase, until=until, next=command(stack.home.name, "jwks --finish"))


def _ssh_key(stack: Stack) -> Iterator[UnderWay]:
    if change := noted(stack.layout, KeyChange):
        placing = change.phase == "placing"
        phase = "the new key is being placed" if placing else "the old key is being removed"
        yield UnderWay(what="ssh-key", phase=phase, until=None, next=command(stack.home.name, "ssh-key"))
