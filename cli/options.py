"""Options that several commands share: one spelling, one help text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

if TYPE_CHECKING:
    from lifecycle.models import Hardware
    from planner.plan import Target as PlanTarget

DEFAULT_STACK = "default"

Stack = Annotated[
    str, typer.Option("--stack", "-s", help="Name of the stack.", envvar="CLOISTER_STACK", show_default=True)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout; progress stays on stderr.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ProfileName = Annotated[
    str, typer.Option("--profile", "-p", help="A shipped profile's name, or the path of a TOML file of your own.")
]
AcceptLicence = Annotated[
    bool,
    typer.Option(
        "--accept-licence", help="Say that the model's licence, which the refusal names, allows what you do with it."
    ),
]
UpstreamUrl = Annotated[
    str,
    typer.Option("--upstream", metavar="URL", help="Use this OpenAI-compatible server in the engine's place."),
]
UpstreamKeyEnv = Annotated[
    str,
    typer.Option("--upstream-key-env", metavar="NAME", help="Environment variable that holds the upstream's key."),
]
Ttl = Annotated[
    str, typer.Option("--ttl", metavar="DURATION", help="How long it lives from now on, for example 8h, 2d12h or 90m.")
]
Until = Annotated[
    str, typer.Option("--until", metavar="TIME", help="When it ends: 2026-12-01T18:00, in UTC, or with its zone.")
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        metavar="USD",
        help="What its machines may cost on AWS: the deadline follows from their hourly price, and ends them. (An AWS "
        "budget is no limit: it tells of costs hours later, and not of all.)",
    ),
]
Count = Annotated[int, typer.Option("--count", min=1, max=1024, help="GPUs of one replica.")]
Target = Annotated[
    str,
    typer.Option(
        "--target",
        metavar="sandbox|aws",
        help="Where nodes come from: an emulated account on this machine, or AWS.",
        show_default="the stack's own, or sandbox",
    ),
]
OwnPrices = Annotated[
    Path | None, typer.Option("--prices", help="A TOML file of your own models, licences, machines and prices.")
]
CompareContext = Annotated[
    str,
    typer.Option(
        "--max-model-len", help="Longest request, in tokens: 32768, 32k or 32K.", show_default="32768, or the model's"
    ),
]


def target_of(text: str) -> PlanTarget | Literal[""]:
    """Return the target that an option names; empty for the stack's own.

    Raises:
        UsageError: there is no such target.

    """
    from planner.errors import UsageError

    if text in {"", "sandbox", "aws"}:
        return cast("PlanTarget | Literal['']", text)
    raise UsageError(f"--target: {text!r} is unknown", hint="Known: sandbox, aws.", code="unknown_target")


def hardware_of(gpu: str, count: int, max_model_len: str) -> Hardware:
    """Return the GPUs on which models are tried.

    Raises:
        UsageError: the context is no number of tokens.

    """
    from lifecycle.models import CONTEXT, Hardware
    from planner.units import parse_count

    context = parse_count(max_model_len, "--max-model-len") if max_model_len else CONTEXT
    return Hardware(gpu=gpu, count=count, context=context)
