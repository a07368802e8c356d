"""When a model does not fit: the smallest changes that would make it, each with what it comes to."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from planner.architecture import Architecture
from planner.catalogue.rows import Gpu
from planner.errors import DeployError
from planner.sizing import SizeRequest, Sizing, size

MOST_GPUS = 64
SHORTEST = 2048
"""Tokens: a shorter context is hardly of use."""


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """One change, and the figures with it."""

    change: str
    option: str
    """As it is written on the command line."""
    setting: str
    """As it is written in a profile."""
    precision: str
    max_model_len: int
    weights_gib_per_gpu: float
    kv_cache_gib_per_gpu: float
    kv_cache_tokens: int
    max_concurrency: float

    def told(self, how: str = "") -> str:
        """Put it into a sentence; `how` says in which words, the command line's unless others are given."""
        return (
            f"{self.change} ({how or self.option}): {self.weights_gib_per_gpu:g} GiB of weights and "
            f"{self.kv_cache_gib_per_gpu:g} GiB of cache on each GPU, {self.kv_cache_tokens:,} tokens, "
            f"{self.max_concurrency:g}x concurrency at {self.max_model_len:,} tokens, {self.precision}"
        )


def remedies(model: Architecture, gpu: Gpu, request: SizeRequest) -> tuple[Remedy, ...]:
    """Return every single change that would make the model fit, the mildest first; none if there is no such change."""
    found = []
    for change, option, setting, changed in _changes(model, gpu, request):
        try:
            sizing = size(model, gpu, changed)
        except DeployError:
            continue
        if sizing.fits:
            found.append(_remedy(change, option, setting, sizing))
    return tuple(found)


def _changes(model: Architecture, gpu: Gpu, request: SizeRequest) -> Iterator[tuple[str, str, str, SizeRequest]]:
    replace = msgspec.structs.replace
    if length := _longest(model, gpu, request):
        yield (
            "a shorter context",
            f"--max-model-len {length}",
            f"model.max_model_len = {length}",
            replace(request, max_model_len=length),
        )
    if request.kv_cache_dtype == "auto" and not model.encoder and not model.fp8_cache:
        changed = replace(request, kv_cache_dtype="fp8")
        yield "an FP8 cache", "--kv-cache-dtype fp8", 'engine.kv_cache_dtype = "fp8"', changed
    if model.quantization is None and not request.quantization:
        for name in ("fp8", "awq"):
            changed = replace(request, quantization=name)
            yield f"{name.upper()} weights", f"--quantization {name}", f'model.quantization = "{name}"', changed
    if count := _enough_gpus(model, gpu, request):
        ep = " --ep" if count.ep and not request.ep else ""
        yield f"{count.gpus} GPUs", f"--count {count.gpus}{ep}", f"hardware.count = {count.gpus}", count


def _longest(model: Architecture, gpu: Gpu, request: SizeRequest) -> int:
    """Return the longest context that fits, in steps of 1,024 tokens; 0 if none does."""
    asked = request.max_model_len or model.max_position
    low, high = 0, asked // 1024
    while low < high:
        middle = (low + high + 1) // 2
        fits = size(model, gpu, msgspec.structs.replace(request, max_model_len=middle * 1024)).fits
        low, high = (middle, high) if fits else (low, middle - 1)
    return low * 1024 if SHORTEST <= low * 1024 < asked else 0


def _enough_gpus(model: Architecture, gpu: Gpu, request: SizeRequest) -> SizeRequest | None:
    """Return the request with the fewest GPUs that suffice: tensor parallelism within a node, then more nodes."""
    for count in (n for n in (2, 4, 8, 16, 32, MOST_GPUS) if n > request.gpus):
        for ep in {request.ep, bool(model.experts)}:
            changed = msgspec.structs.replace(request, gpus=count, tp=0, pp=0, ep=ep)
            try:
                if size(model, gpu, changed).fits:
                    return changed
            except DeployError:
                continue
    return None


def _remedy(change: str, option: str, setting: str, sizing: Sizing) -> Remedy:
    return Remedy(
        change=change,
        option=option,
        setting=setting,
        precision=sizing.precision,
        max_model_len=sizing.max_model_len,
        weights_gib_per_gpu=sizing.weights_gib_per_gpu,
        kv_cache_gib_per_gpu=sizing.kv_cache_gib_per_gpu,
        kv_cache_tokens=sizing.kv_cache_tokens,
        max_concurrency=sizing.max_concurrency,
    )
