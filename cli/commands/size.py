"""`deploy size`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lifecycle.sizing import SizeReport

TYPICAL = "typical"


def size(
    model: Annotated[str, typer.Argument(help="A model of the catalogue (`deploy models`).", show_default=False)] = "",
    config: Annotated[
        Path | None, typer.Option("--config", help="Any Hugging Face config.json, or the folder it lies in.")
    ] = None,
    gpu: Annotated[str, typer.Option("--gpu", help="A GPU of the catalogue.")] = "h200",
    count: Annotated[int, typer.Option("--count", min=1, help="GPUs at hand.")] = 1,
    tp: Annotated[
        int | None, typer.Option("--tp", min=1, help="Tensor-parallel ranks.", show_default="all GPUs of a node")
    ] = None,
    pp: Annotated[
        int | None, typer.Option("--pp", min=1, help="Pipeline stages.", show_default="1 for up to 8 GPUs")
    ] = None,
    ep: Annotated[bool, typer.Option("--ep", help="Deal whole experts out to the ranks.")] = False,
    dtype: Annotated[str, typer.Option("--dtype", help="auto, bfloat16, float16 or float32.")] = "auto",
    quantization: Annotated[
        str, typer.Option("--quantization", help="Take the weights as fp8, awq, gptq, mxfp4, nvfp4, bitsandbytes...")
    ] = "",
    kv_cache_dtype: Annotated[str, typer.Option("--kv-cache-dtype", help="auto, bfloat16 or fp8.")] = "auto",
    max_model_len: Annotated[
        str,
        typer.Option("--max-model-len", help="Longest request, in tokens: 32768, 32k or 32K.", show_default="model's"),
    ] = "",
    gpu_memory_utilization: Annotated[
        float, typer.Option("--gpu-memory-utilization", help="Share of GPU memory that the engine takes.")
    ] = 0.92,
    max_num_seqs: Annotated[
        int | None, typer.Option("--max-num-seqs", min=1, help="Requests decoded at once.", show_default="engine's")
    ] = None,
    kv_cache_gib: Annotated[
        str, typer.Option("--kv-cache-gib", help="Take this much cache on each GPU: 21.43, 20GiB or 20GB.")
    ] = "",
    extra_kv_layers: Annotated[
        int, typer.Option("--extra-kv-layers", min=0, help="Cached layers of a draft model (EAGLE, MTP).")
    ] = 0,
    lora: Annotated[int, typer.Option("--loras", min=0, help="LoRA adapters active at once.")] = 0,
    lora_rank: Annotated[int, typer.Option("--lora-rank", min=1, help="Their largest rank.")] = 16,
    engine_version: Annotated[str, typer.Option("--engine-version", help="vLLM; before 0.8 its V0 engine.")] = "0.33.0",
    as_json: Json = False,
) -> None:
    """Say whether a model fits on GPUs, and how many tokens and requests its cache holds. Takes any config.json.

    Exits with 1 if it does not fit.

    \b
    Examples:
      deploy size qwen3-235b-a22b-fp8 --gpu h200 --count 2 --max-model-len 32768
      deploy size --config ./my-model/config.json --gpu l40s --count 4 --kv-cache-dtype fp8
      deploy size llama-3.1-8b-instruct --gpu l4 --kv-cache-gib 3.81 --max-model-len 20000 --json
    """
    from cli.show import emit_json, show
    from lifecycle.sizing import size_report
    from planner.errors import ExitCode
    from planner.lora import LoraAdapters
    from planner.sizing import SizeRequest
    from planner.units import parse_count, parse_memory

    request = SizeRequest(
        gpus=count,
        tp=tp or 0,
        pp=pp or 0,
        ep=ep,
        dtype=dtype,
        quantization=quantization,
        kv_cache_dtype=kv_cache_dtype,
        max_model_len=parse_count(max_model_len, "--max-model-len") if max_model_len else 0,
        gpu_memory_utilization=gpu_memory_utilization,
        max_num_seqs=max_num_seqs or 0,
        kv_cache_gib=parse_memory(kv_cache_gib, "--kv-cache-gib") if kv_cache_gib else 0.0,
        extra_kv_layers=extra_kv_layers,
        engine_version=engine_version,
        lora=LoraAdapters(count=lora, rank=lora_rank) if lora else None,
    )
    report = size_report(model, config, gpu, request)
    if as_json:
        emit_json(report)
    else:
        show(*_page(report))
    if not report.fits:
        raise typer.Exit(ExitCode.FAILED)


def _page(report: SizeReport) -> list[RenderableType]:
    """Lay the answer out: precision, context and concurrency together, since none says anything alone."""
    from cli.show import card, table

    verdict = "fits" if report.fits else f"does not fit: {report.missing_gib_per_gpu:g} GiB are missing on each GPU"
    replicas = f", {report.replicas} replicas" if report.replicas > 1 else ""
    division = f"TP {report.tp}, PP {report.pp}{', EP' if report.ep else ''}{replicas}"
    title = f"{report.model} on {report.gpus} x {report.gpu}: {verdict}"
    head = card(
        title,
        [
            ("precision", f"{report.precision} weights, {report.kv_cache_dtype} cache"),
            ("context", f"{report.max_model_len:,} tokens"),
            ("concurrency", f"{report.max_concurrency:.2f}x requests of that length"),
            ("cache", f"{report.kv_cache_tokens:,} tokens"),
            ("division", f"{division}; vLLM {report.engine_version}"),
            ("parameters", f"{report.total_params_b:,} billion, {report.active_params_b:,} at work on each token"),
        ],
        style="green" if report.fits else "red",
    )
    rows = [
        ("memory that the engine sees", f"{report.memory_gib_per_gpu:.2f}", "", ""),
        (f"of which it takes {report.gpu_memory_utilization:.0%}", f"{report.budget_gib_per_gpu:.2f}", "", ""),
        _row(report, "weights", "weights_gib_per_gpu"),
        _row(report, "activations, context, communication", "activation_gib_per_gpu"),
        _row(report, "CUDA graphs", "cudagraph_gib_per_gpu"),
        _row(report, "KV cache", "kv_cache_gib_per_gpu"),
    ]
    page: list[RenderableType] = [head, table(["GiB on each GPU", TYPICAL, "low", "high"], rows)]
    per_token = f"KV bytes per token on each GPU: {report.kv_bytes_per_token_per_gpu:,}"
    if report.kv_bytes_per_token_long_per_gpu != report.kv_bytes_per_token_per_gpu:
        per_token += f" ({report.kv_bytes_per_token_long_per_gpu:,} once every attention window is full)"
    page.append(per_token)
    if "max_concurrency" in report.ranges:
        bounds = report.ranges["max_concurrency"]
        page.append(
            f"Concurrency between {bounds.low:.2f}x and {bounds.high:.2f}x, as far as memory is known beforehand."
        )
    page += [f"Note: {note}." for note in report.notes]
    page += [f"Not from a primary source: {field}." for field in report.unverified]
    if not report.fits:
        page.append("What would fit:" if report.remedies else "No single change makes it fit.")
        page += [f"  - {remedy.told()}" for remedy in report.remedies]
    return page


def _row(report: SizeReport, label: str, field: str) -> tuple[str, str, str, str]:
    bounds = report.ranges[field]
    return label, f"{bounds.typical:.2f}", f"{bounds.low:.2f}", f"{bounds.high:.2f}"
