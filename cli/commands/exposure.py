"""`deploy exposure`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DEFAULT_STACK, Json, ProfileName, Stack

if TYPE_CHECKING:
    from policies.exposure.exposure import Exposure
    from policies.exposure.exposure import Path as Way


def exposure(
    profile: ProfileName = "",
    stack: Stack = DEFAULT_STACK,
    svg: Annotated[
        Path | None,
        typer.Option("--svg", metavar="FILE", help="Draw the proof, as SVG, into this file.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove who can reach a stack: every path from every source to every port, and the barriers on it.

    Sources are the internet, networks that nobody named, other machines of the subnets, each named network, whoever IAM
    lets in, and the machine's own programs. Ports are those that anything listens on, and those that a rule opens.

    With --profile, of what the plan would make; nothing is asked or created. Without, of the network of a running
    stack, read from its account. The proof fails if any of the barriers is missing, though others may still hold.

    The EC2 Instance Connect Endpoint is shown as what it is: a way to SSH from the internet, guarded by IAM alone.

    Exits with 4 if the proof fails.

    \b
    Examples:
      deploy exposure --profile 2xh200
      deploy exposure
      deploy exposure --profile 2xh200 --svg exposure.svg
      deploy exposure --json
    """
    from cli.progress_view import progress_view
    from cli.show import emit_json
    from lifecycle.exposure.drawing import draw, refuse_bad_place
    from lifecycle.exposure.verb import exposure_of_account, exposure_of_plan
    from lifecycle.home import Home
    from lifecycle.planning import Request, decide
    from lifecycle.stack import Stack as Made
    from planner.errors import NotPrivateError

    if svg is not None:
        refuse_bad_place(svg)
    home = Home.of_user().stack(stack)
    with progress_view() as progress:
        if profile:
            proof = exposure_of_plan(decide(home, Request(profile=profile))[0], progress)
        else:
            proof = exposure_of_account(Made.load(home, progress).plan, home, progress)
    if svg is not None:
        draw(proof, svg)
    if as_json:
        emit_json(proof)
        raise typer.Exit(0 if proof.ok else NotPrivateError.exit_code)
    _show(proof)
    if not proof.ok:
        told = [f"{breach.resource}: {breach.why}" for breach in proof.breaches] or list(proof.unknown)
        raise NotPrivateError(
            f"the proof fails: {'; '.join(told)}",
            hint="The table says what to undo; `deploy up` puts back what is the stack's own.",
        )


def _show(proof: Exposure) -> None:
    from cli.show import show, table

    verdicts = {"internet": "OPEN", "unnamed": "OPEN", "iam": "IAM alone", "host": "open on the machine itself"}
    rows = [
        (
            path.source,
            f"{path.target} {path.port}",
            verdicts.get(path.kind, "open, as planned") if path.open else "closed",
            _why(path),
        )
        for path in proof.paths
    ]
    what = "what the plan would make" if proof.of == "plan" else "what the account has"
    show(table(["from", "to", "verdict", "because"], rows, title=f"{proof.stack}: {what}"))
    if proof.breaches:
        breaches = [(one.guard, one.resource, one.why, one.remedy) for one in proof.breaches]
        show(table(["barrier", "where", "what is wrong", "what to do"], breaches, title="barriers that do not stand"))
    for said in proof.unknown:
        show(f"not proven here: {said}")
    if proof.ok:
        closed = sum(not path.open for path in proof.paths)
        show(f"[green]proven[/]: nobody but the named networks; {closed} paths closed, every barrier of them stands")


def _why(path: Way) -> str:
    """Return what opens a path, or everything that closes it."""
    return "; ".join(edge.why for edge in path.edges if edge.open == path.open)
