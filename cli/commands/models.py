"""`deploy models`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import typer

from cli.options import CompareContext, Count, Json, OwnPrices


class Commercial(StrEnum):
    """What a licence says of commercial use."""

    YES = "yes"
    CONDITIONS = "conditions"
    NO = "no"


def models(
    commercial: Annotated[
        list[Commercial] | None,
        typer.Option("--licence-commercial", help="What the licence says of commercial use; may be repeated."),
    ] = None,
    language: Annotated[
        str, typer.Option("--language", help="A language that the vendor states, by its English name.")
    ] = "",
    kind: Annotated[Literal["chat", "embedding"] | None, typer.Option("--kind", help="What the model is for.")] = None,
    gpu: Annotated[str, typer.Option("--gpu", help="Try each model on these GPUs of the catalogue.")] = "",
    count: Count = 1,
    max_model_len: CompareContext = "",
    prices: OwnPrices = None,
    as_json: Json = False,
) -> None:
    """List open models: licence, languages, context, memory; with --gpu also whether they fit, how fast, for how much.

    \b
    Examples:
      deploy models --licence-commercial yes --language French
      deploy models --gpu h200 --count 2 --max-model-len 32768
      deploy models --kind embedding --json
    """
    import datetime as dt

    from cli.models_view import models_page
    from cli.options import hardware_of
    from cli.show import emit_json, show
    from lifecycle.models import Wanted, models_report
    from lifecycle.prices import priced_catalogue

    wanted = Wanted(commercial=tuple(commercial or ()), language=language, kind=kind or "")
    hardware = hardware_of(gpu, count, max_model_len) if gpu else None
    report = models_report(priced_catalogue(prices), wanted, hardware, dt.datetime.now(dt.UTC).date())
    if as_json:
        emit_json(report)
    else:
        show(*models_page(report))
