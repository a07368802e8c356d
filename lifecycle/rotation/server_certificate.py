"""`rotate cert`: a new server certificate and key by the same authority."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lifecycle import certificates
from lifecycle.aws.secrets import host_secrets, put_host_secrets
from lifecycle.aws.session import AwsSession
from lifecycle.home import StackHome
from lifecycle.pki import ensure_certificate
from lifecycle.rotation.endpoints import wait_for_certificate
from lifecycle.rotation.notes import Issued, clear, keep, noted
from lifecycle.rotation.report import RotationReport
from lifecycle.rotation.turn import Turn
from lifecycle.stack import Stack
from planner.errors import UsageError
from planner.layout import Layout
from planner.progress import Progress


def rotate_certificate(home: StackHome, progress: Progress) -> RotationReport:
    """Issue a certificate with a new key, and bring it to every endpoint; connections that are open go on.

    Killed on the way, the same call goes on with the certificate that was issued.

    Raises:
        UsageError: the certificate is a given one.
        DeployError: a host is not reached, or an endpoint does not take it up.

    """
    with Turn.of(home, progress) as turn:
        stack = turn.stack
        _refuse_given(stack)
        with turn.run("cert"):
            with turn.step("new certificate"):
                issued = _issue(turn)
            pass_certificate_on(turn)
            leaf = certificates.certificates_of(_leaf(stack.layout).read_bytes())[0]
            trusted = Path(stack.ca_file).read_bytes()
            wait_for_certificate(stack, leaf, trusted, progress)
            clear(stack.layout, Issued)
        return RotationReport(
            stack=home.name, what="cert", state="done", new=issued.new, removed=(issued.old,) if issued.old else ()
        )


def pass_certificate_on(turn: Turn) -> None:
    """Bring certificate and key to whoever serves, and to the store that nodes in AWS have them from.

    Raises:
        DeployError: a host is not reached, and shows the old one still.

    """
    plan = turn.stack.plan
    if plan.target == "aws":
        with turn.step("secrets"):
            client = AwsSession(plan.network.region).client("secretsmanager")
            put_host_secrets(client, plan, host_secrets(plan, turn.stack.layout))
    turn.pass_on()


def _issue(turn: Turn) -> Issued:
    """Issue a certificate, unless a run that was killed has."""
    layout = turn.stack.layout
    shown = _fingerprint(layout)
    before = noted(layout, Issued)
    if before and before.new and before.new == shown:
        return before
    begun = Issued(old=before.old if before else shown)
    keep(layout, begun)
    state = ensure_certificate(turn.stack.plan.tls, layout, turn.now, anew=True)
    issued = msgspec.structs.replace(begun, new=state.fingerprint)
    keep(layout, issued)
    return issued


def _refuse_given(stack: Stack) -> None:
    if stack.plan.tls.mode == "given-certificate":
        raise UsageError(
            "this stack serves a certificate that was given to it, and issues none",
            hint="Put the new one into the files that `tls.certificate` and `tls.key` of the profile name, then run "
            "`deploy up`: it is served without dropping a request.",
            code="given_certificate",
        )


def _leaf(layout: Layout) -> Path:
    return Path(layout.tls, "leaf.pem")


def _fingerprint(layout: Layout) -> str:
    try:
        return certificates.fingerprint(certificates.certificates_of(_leaf(layout).read_bytes())[0])
    except (OSError, ValueError):
        return ""
