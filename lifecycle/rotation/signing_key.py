"""`rotate jwks`: the key that signs tokens. The new one is known everywhere before it signs anything."""

from __future__ import annotations

from lifecycle import tokens
from lifecycle.home import StackHome
from lifecycle.rotation.endpoints import wait_for_answer
from lifecycle.rotation.report import Old, RotationReport, command
from lifecycle.rotation.turn import Turn, refuse_early
from lifecycle.stack import Stack
from planner.errors import UsageError
from planner.progress import Progress

ACCEPTED, REFUSED = 200, 401
PROOF_TTL_S = 120
"""Lifetime of a token that is only to show whether a key is known, in seconds."""


def begin(home: StackHome, progress: Progress) -> RotationReport:
    """Publish a new key beside those that there are, and let it sign once every endpoint takes a token of it.

    Killed on the way, the same call goes on with the key that was published. An older key retires when the longest
    lifetime of its tokens has passed; the gateway takes none of them after that.

    Raises:
        UsageError: the stack takes its tokens from a foreign issuer.
        DeployError: a host is not reached, or an endpoint does not take it up: the old key goes on signing.

    """
    with Turn.of(home, progress) as turn:
        stack = turn.stack
        _refuse_foreign(stack)
        with turn.run("jwks: publish"):
            with turn.step("new key published"):
                kid = tokens.publish_key(stack.plan, stack.layout)
            turn.pass_on()
            wait_for_answer(stack, _proof(turn, kid), ACCEPTED, progress)
            with turn.step("new key signs"):
                rotated = tokens.sign_with(stack.plan, stack.layout, kid, now=turn.now)
            turn.pass_on()  # which says when the older ones retire
        return RotationReport(
            stack=home.name,
            what="jwks",
            state="under-way",
            new=rotated.kid,
            retiring=tuple(Old(id=old.kid, until=old.until) for old in rotated.retiring),
            next=f"`{command(home.name, 'jwks --finish')}` removes the old key when its last token has expired",
        )


def finish(home: StackHome, progress: Progress, *, early: bool) -> RotationReport:
    """Remove the keys that no longer sign, here and on every host. Killed on the way, the same call goes on.

    Args:
        home: the stack.
        progress: is told of every step.
        early: do not wait until their tokens have expired; these are refused from then on.

    Raises:
        UsageError: the stack takes its tokens from a foreign issuer.
        DeployError: tokens of an old key may be out there still, a host is not reached, or an endpoint takes them.

    """
    with Turn.of(home, progress) as turn:
        stack = turn.stack
        _refuse_foreign(stack)
        retiring = tokens.retiring_keys(stack.plan, stack.layout)
        good = [old for old in retiring if old.until > turn.now]
        if good and not early:
            refuse_early(good[-1].until, turn.now, "tokens of the old key may be good")
        with turn.run("jwks: finish"):
            proof = _proof(turn, good[-1].kid) if good else ""
            with turn.step("old key removed"):
                tokens.remove_retiring(stack.plan, stack.layout)
            turn.pass_on()
            if proof:
                wait_for_answer(stack, proof, REFUSED, progress)
        return RotationReport(
            stack=home.name,
            what="jwks",
            state="done",
            new=tokens.signing_key(stack.plan, stack.layout),
            removed=tuple(old.kid for old in retiring),
        )


def _proof(turn: Turn, kid: str) -> str:
    """Return a short-lived token of this very key."""
    plan = turn.stack.plan
    scope = plan.gateway.routes[0].scope
    return tokens.issue(
        plan, turn.stack.layout, client="rotate", ttl_s=PROOF_TTL_S, scopes=(scope,), now=turn.now, kid=kid
    ).token


def _refuse_foreign(stack: Stack) -> None:
    identity = stack.plan.identity
    if identity.built_in:
        return
    in_file = bool(identity.jwks) and not identity.jwks.startswith(("https://", "http://"))
    hint = (
        f"Put its new key beside the old one into {identity.jwks}, run `deploy up`, and only then let the issuer sign "
        "with it."
        if in_file
        else "Rotate there. The gateway asks for its key set again by itself: every few minutes, and at once for a key "
        "that it does not know."
    )
    raise UsageError(
        f"this stack takes its tokens from {identity.issuer}, and signs none itself", hint=hint, code="foreign_issuer"
    )
