"""`rotate ca`: the stack's own authority, with a time in which clients trust the old one and the new one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from lifecycle import certificates, succession
from lifecycle.home import StackHome
from lifecycle.pki import CertificateState, ensure_certificate
from lifecycle.rotation.endpoints import wait_for_certificate
from lifecycle.rotation.report import Old, RotationReport, command
from lifecycle.rotation.server_certificate import pass_certificate_on
from lifecycle.rotation.turn import Turn, nothing_under_way, refuse_early
from lifecycle.stack import Stack
from lifecycle.succession import Succession
from planner.errors import UsageError
from planner.progress import Progress


def begin(home: StackHome, overlap: timedelta, progress: Progress) -> RotationReport:
    """Make a new authority and give clients both; the old one goes on signing. A second call changes nothing.

    Args:
        home: the stack.
        overlap: how long clients have to take the new one.
        progress: is told of every step.

    Raises:
        UsageError: the authority is a given one.
        DeployError: the stack cannot be read or written.

    """
    with Turn.of(home, progress) as turn:
        _refuse_given(turn.stack)
        with turn.run("ca: announce"), turn.step("new authority beside the old one"):
            coming = succession.announce(turn.stack.layout, turn.now, overlap)
            _ensure(turn)
        return _under_way(turn.stack, coming)


def finish(home: StackHome, progress: Progress, *, early: bool) -> RotationReport:
    """Serve a certificate of the new authority, and remove the old one once every endpoint does.

    Killed on the way, clients that trust both are served, and the same call goes on.

    Args:
        home: the stack.
        progress: is told of every step.
        early: do not wait until the overlap is over.

    Raises:
        UsageError: nothing is under way.
        DeployError: the overlap is not over, a host is not reached, or an endpoint does not take it up.

    """
    with Turn.of(home, progress) as turn:
        layout, coming = turn.stack.layout, _coming(turn.stack)
        if not (early or coming.signs):
            refuse_early(coming.until, turn.now, "clients have time to take the new authority")
        old = _fingerprints(turn.stack)
        with turn.run("ca: finish"):
            with turn.step("server certificate by the new authority"):
                succession.let_sign(layout, coming, signs=True)
                _ensure(turn)
            _serve(turn, coming.certificate.encode())
            with turn.step("old authority removed"):
                succession.settle(layout, coming)
                state = _ensure(turn)
                succession.forget(layout)
        removed = tuple(one for one in old if one != state.ca_fingerprint)
        return RotationReport(
            stack=home.name, what="ca", state="done", new=state.ca_fingerprint, removed=removed, file=state.ca_file
        )


def cancel(home: StackHome, progress: Progress) -> RotationReport:
    """Go back to the old authority, and remove the new one once every endpoint shows a certificate of the old.

    Raises:
        UsageError: nothing is under way.
        DeployError: a host is not reached, or an endpoint does not take it up.

    """
    with Turn.of(home, progress) as turn:
        layout, coming = turn.stack.layout, _coming(turn.stack)
        with turn.run("ca: cancel"):
            with turn.step("server certificate by the old authority"):
                succession.let_sign(layout, coming, signs=False)
                _ensure(turn)
            _serve(turn, certificates.pem_of(succession.old_certificates(layout)))
            with turn.step("new authority removed"):
                succession.forget(layout)
                state = _ensure(turn)
        removed = (certificates.fingerprint(coming.pair.certificate),)
        return RotationReport(
            stack=home.name,
            what="ca",
            state="cancelled",
            new=state.ca_fingerprint,
            removed=removed,
            file=state.ca_file,
        )


def _refuse_given(stack: Stack) -> None:
    if stack.plan.tls.mode == "own-authority":
        return
    signed = stack.plan.tls.mode == "given-authority"
    fields = "`tls.ca` and `tls.ca_key`" if signed else "`tls.certificate`, `tls.key` and `tls.ca`"
    raise UsageError(
        "this stack has no authority of its own: clients trust the one that the profile's `[tls]` names",
        hint=f"Let clients trust the new one first; then put it into the files of {fields} and run `deploy up`, which "
        "serves a certificate of it without dropping a request.",
        code="given_authority",
    )


def _coming(stack: Stack) -> Succession:
    _refuse_given(stack)
    if coming := succession.succession_of(stack.layout):
        return coming
    raise nothing_under_way("the authority")


def _ensure(turn: Turn) -> CertificateState:
    return ensure_certificate(turn.stack.plan.tls, turn.stack.layout, turn.now)


def _serve(turn: Turn, trusted: bytes) -> None:
    """Bring the certificate to whoever serves; a client that trusts one authority alone must accept it everywhere."""
    pass_certificate_on(turn)
    leaf = certificates.certificates_of(Path(turn.stack.layout.tls, "leaf.pem").read_bytes())[0]
    wait_for_certificate(turn.stack, leaf, trusted, turn.progress)


def _fingerprints(stack: Stack) -> tuple[str, ...]:
    """Return the authorities that clients are given, the one that signs first."""
    return tuple(map(certificates.fingerprint, certificates.certificates_of(Path(stack.ca_file).read_bytes())))


def _under_way(stack: Stack, coming: Succession) -> RotationReport:
    new = certificates.fingerprint(coming.pair.certificate)
    retiring = tuple(Old(id=one, until=coming.until) for one in _fingerprints(stack) if one != new)
    finishing = command(stack.home.name, "ca --finish")
    return RotationReport(
        stack=stack.home.name,
        what="ca",
        state="under-way",
        new=new,
        retiring=retiring,
        file=stack.ca_file,
        next=f"give clients the file; `{finishing}` goes on when they have it",
    )
