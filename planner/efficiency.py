"""How much of what the hardware could do an engine gets out of it: published figures, each as a range.

A factor has three values: `slow`, `typical` and `fast`. Where they come from:

- K: kernels of vLLM 0.24 (A100: 0.14) measured one by one on H200, H100, A100 and L40S, the tables of NVIDIA's
  aiconfigurator (commit 095f58a5, 2026-08-21, `systems/data`): tenth, fiftieth and ninetieth percentile of
  `time at the hardware's limit / time measured`, over the shapes named.
- A: constants in the source and system files of the same aiconfigurator.
- E: whole servers, measured by the GPUStack project with `vllm bench serve` (docs/performance-lab, 2025-10-15 to
  2026-03-20): what kernels lose between them.
- assumed: no source; said so wherever the basis of a figure is shown.
"""

from __future__ import annotations

from typing import Literal

from planner.plan import Record

Kind = Literal["fp16", "bf16", "fp8", "fp4"]
Scenario = Literal["slow", "typical", "fast"]
SCENARIOS: tuple[Scenario, ...] = ("slow", "typical", "fast")


class Factor(Record, frozen=True, kw_only=True):
    """A value that is known within limits."""

    slow: float
    typical: float
    fast: float
    source: str

    def at(self, scenario: Scenario) -> float:
        """Return the value in one scenario."""
        values: dict[Scenario, float] = {"slow": self.slow, "typical": self.typical, "fast": self.fast}
        return values[scenario]


class Link(Record, frozen=True, kw_only=True):
    """How an all-reduce fares on a link."""

    latency_s: Factor
    """Seconds of an all-reduce of next to nothing."""
    share: Factor
    """Of the link's bandwidth in one direction that a large one gets."""


_WIDE = Factor(slow=0.65, typical=0.78, fast=0.9, source="K: bf16 matrices of 64M weights and more, up to 64 rows")
_FP8 = Factor(slow=0.4, typical=0.62, fast=0.8, source="K: fp8 and fp8-block matrices, up to 64 rows")
WEIGHT_READS: dict[Kind, Factor] = {
    "fp16": _WIDE,
    "bf16": _WIDE,
    "fp8": _FP8,
    "fp4": Factor(slow=0.35, typical=0.55, fast=0.75, source="assumed: somewhat below fp8"),
}
"""Share of memory bandwidth at which a decode step reads attention, dense and shared weights."""
EXPERT_READS = Factor(
    slow=0.3, typical=0.6, fast=0.9, source="K: moe_perf, bf16, fp8-block and mxfp4, 16 to 256 tokens"
)
"""Share of memory bandwidth at which a decode step reads routed experts."""
CACHE_READS = Factor(slow=0.4, typical=0.7, fast=0.9, source="K: generation_attention_perf, 100 MB of cache and more")
"""Share of memory bandwidth at which a decode step reads the KV cache."""

_DENSE = Factor(slow=0.25, typical=0.45, fast=0.75, source="K: bf16 matrices of 2048 rows and more, 0.78; E: 0.30")
COMPUTE: dict[Kind, Factor] = {
    "fp16": _DENSE,
    "bf16": _DENSE,
    "fp8": Factor(slow=0.15, typical=0.3, fast=0.55, source="K: fp8 matrices of 2048 rows and more, 0.45"),
    "fp4": Factor(slow=0.1, typical=0.2, fast=0.4, source="assumed: further from the peak, as fp8 is from bf16"),
}
"""Share of peak compute that the linear layers of a prompt get."""
EXPERT_COMPUTE = Factor(
    slow=0.4, typical=0.5, fast=0.9, source="E: DeepSeek-R1, Qwen3-235B and gpt-oss-120b at 4000 tokens a prompt"
)
"""Of that, what is left where experts are routed: many small matrices instead of few large ones."""
ATTENTION_COMPUTE = Factor(
    slow=0.42, typical=0.55, fast=0.62, source="K: context_attention_perf, bf16, 2048 tokens and more"
)
"""Share of 16-bit peak compute that attention over a prompt gets."""

LAYER_S = Factor(slow=60e-6, typical=30e-6, fast=15e-6, source="A: 3 us a kernel; about ten kernels a layer, assumed")
"""Seconds that a layer's kernels take in a decode step however little there is to do."""
EXPERT_LAYER_S = Factor(slow=60e-6, typical=35e-6, fast=20e-6, source="K: moe_perf of one token, less its reads")
"""The same for routing and experts."""
PROMPT_LAYER_S = Factor(slow=0.8e-3, typical=0.3e-3, fast=0.1e-3, source="A: 0.8 ms a layer; the rest is assumed")
"""Seconds that starting a layer's kernels takes for a prompt; hidden behind the work where there is more of that."""
SERVER_S = Factor(slow=40e-3, typical=15e-3, fast=3e-3, source="assumed")
"""Seconds for HTTP, tokens and scheduling before a prompt is worked on."""
QUEUE = Factor(slow=0.25, typical=0.125, fast=0.0, source="A: 1 + log2(requests)/8; the ends are assumed")
"""Growth of the wait for other prompts with the binary logarithm of requests at once; at most once more in all."""
HOP_S = Factor(slow=50e-6, typical=10e-6, fast=5e-6, source="A: 10 us from GPU to GPU; the ends are assumed")
"""Seconds from one pipeline stage to the next."""

_NVLINK = Link(
    latency_s=Factor(slow=12e-6, typical=6e-6, fast=4.4e-6, source="K: custom_allreduce_perf, H200, up to 32 KiB"),
    share=Factor(
        slow=0.25, typical=0.45, fast=0.8, source="K: custom_allreduce_perf, H200, 256 MiB; 0.8 assumed, NCCL"
    ),
)
_PCIE = Link(
    latency_s=Factor(slow=60e-6, typical=25e-6, fast=5.4e-6, source="K: custom_allreduce_perf, L40S; 60 us assumed"),
    share=Factor(slow=0.06, typical=0.25, fast=0.6, source="K: custom_allreduce_perf, L40S, 2 and 4 GPUs; 0.6 assumed"),
)
LINKS: dict[str, Link] = {
    "nvlink": _NVLINK,
    "nvlink-bridge": _NVLINK,
    "infinity-fabric": _NVLINK,
    "pcie": _PCIE,
}
"""By what joins the GPUs. Infinity Fabric is assumed to fare as NVLink does."""
