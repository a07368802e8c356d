"""`deploy compare`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import CompareContext, Count, Json, OwnPrices


def compare(
    names: Annotated[
        list[str], typer.Argument(metavar="MODEL MODEL...", help="Models of the catalogue (`deploy models`).")
    ],
    gpu: Annotated[str, typer.Option("--gpu", help="GPUs of the catalogue on which they are compared.")] = "h200",
    count: Count = 1,
    max_model_len: CompareContext = "",
    prices: OwnPrices = None,
    as_json: Json = False,
) -> None:
    """Put models side by side on the same GPUs: licence, languages, memory, speed, cost, and what was claimed by whom.

    \b
    Examples:
      deploy compare gpt-oss-120b qwen3-235b-a22b-fp8 --gpu h200 --count 2
      deploy compare llama-3.3-70b-instruct mistral-large-2407 --gpu h100 --count 4 --json
    """
    import datetime as dt

    from cli.models_view import compare_page
    from cli.options import hardware_of
    from cli.show import emit_json, show
    from lifecycle.compare import compare_report
    from lifecycle.prices import priced_catalogue

    hardware = hardware_of(gpu, count, max_model_len)
    report = compare_report(priced_catalogue(prices), tuple(names), hardware, dt.datetime.now(dt.UTC).date())
    if as_json:
        emit_json(report)
    else:
        show(*compare_page(report))
