"""What a model is made of, as far as memory and speed are concerned."""

from __future__ import annotations

from typing import Literal

import msgspec

Split = Literal["replicated", "column", "row", "kv", "vocab", "expert-column", "expert-row"]
"""How tensor parallelism divides a matrix.

`column` divides the outputs, `row` the inputs, `kv` the outputs by at most the number of KV heads, `vocab` the rows of
an embedding padded to a multiple of 64. `expert-*` does the same inside each expert, or deals whole experts out when
expert parallelism is on.
"""

Dtype = Literal["float32", "float16", "bfloat16"]
DTYPE_BYTES: dict[Dtype, int] = {"float32": 4, "float16": 2, "bfloat16": 2}


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every part: frozen."""


class Cache(Record, frozen=True, kw_only=True):
    """What one layer keeps of every token.

    Attributes:
        kind: `full` keeps all tokens; `sliding` those of a window; `chunked` those of the current chunk; `state` a
            state of fixed size; `ring` a few tokens that are still to be compressed.
        window: tokens of the window or chunk; 0 for `full`.
        kv_heads: heads that are kept; one for latent attention, whose single vector serves all heads.
        key_dim: numbers per token and head for keys.
        value_dim: the same for values; 0 for latent attention, which keeps one vector for both.
        latent: every tensor-parallel rank holds the whole of it (multi-head latent attention).
        raw_bytes: bytes per token that no cache precision changes (the index of sparse attention); instead of heads.
        state_bytes: of a `state`, all heads together; tensor parallelism divides it.

    """

    kind: Literal["full", "sliding", "chunked", "state", "ring"]
    window: int = 0
    kv_heads: int = 0
    key_dim: int = 0
    value_dim: int = 0
    latent: bool = False
    raw_bytes: int = 0
    state_bytes: int = 0

    def heads_on(self, ranks: int) -> int:
        """Return the heads that each tensor-parallel rank holds: at least one, so fewer heads than ranks are copied."""
        return 1 if self.latent else max(1, self.kv_heads // ranks)

    def bytes_per_token(self, ranks: int, number_bytes: int) -> int:
        """Return the bytes that each rank keeps of one token.

        Source: vLLM 0.33.0 `v1/kv_cache_interface.py`, `AttentionSpec.page_size_bytes` over the block size.
        """
        if self.kind in {"state", "ring"}:
            return 0
        return self.raw_bytes + self.heads_on(ranks) * (self.key_dim + self.value_dim) * number_bytes


class Weight(Record, frozen=True, kw_only=True):
    """A matrix, or `count` alike ones (experts).

    Attributes:
        module: its place, named as Hugging Face names it, which is what quantisation exceptions refer to.
        out: rows.
        into: columns.
        bias: further numbers, never quantised.
        layer: index of its layer; None outside the layers.
        linear: a matrix product, so it may be quantised.
        quantised: it is.
        part: where its share of the total is counted.

    """

    module: str
    out: int
    into: int
    count: int = 1
    bias: int = 0
    layer: int | None = None
    split: Split = "replicated"
    linear: bool = True
    quantised: bool = False
    part: Literal["embedding", "attention", "mlp", "experts", "shared-experts", "norm", "router", "head", "vision"]

    @property
    def params(self) -> int:
        """Return how many numbers it holds."""
        return self.count * (self.out * self.into + self.bias)


class Quantization(Record, frozen=True, kw_only=True):
    """How weights are stored.

    Attributes:
        method: name as the checkpoint gives it, for people.
        bits: bits per number, scales and zero-points included.
        block: rows and columns that share one scale, where ranks must hold whole blocks.
        group: columns that share one scale (4-bit formats); 0 for none.
        kept: patterns of modules that are not quantised.
        experts_only: only routed experts are.
        pad_hidden: experts' hidden dimension is padded to a multiple of this.

    """

    method: str
    bits: float
    block: tuple[int, int] | None = None
    group: int = 0
    kept: tuple[str, ...] = ()
    experts_only: bool = False
    pad_hidden: int = 1


class Architecture(Record, frozen=True, kw_only=True):
    """A whole model.

    Attributes:
        model_type: as the configuration names it.
        encoder: it embeds texts in one pass and keeps no cache.
        max_position: longest context, in tokens.
        caches: of each layer, none or several.
        weights: every matrix.
        quantization: None for a checkpoint in plain `dtype`.
        fp8_cache: the checkpoint asks for an FP8 cache.
        attention_width: heads x the mean width of keys and values, averaged over layers that attend to everything.
        draft_layers: layers for multi-token prediction, loaded only when it is switched on.
        notes: what was assumed or left out, in words.

    """

    model_type: str
    encoder: bool = False
    hidden: int
    heads: int
    kv_heads: int
    vocab: int
    max_position: int
    dtype: Dtype
    caches: tuple[tuple[Cache, ...], ...]
    weights: tuple[Weight, ...]
    quantization: Quantization | None = None
    fp8_cache: bool = False
    experts: int = 0
    experts_per_token: int = 0
    attention_width: int = 0
    draft_layers: int = 0
    notes: tuple[str, ...] = ()

    @property
    def layers(self) -> int:
        """Return the number of layers."""
        return len(self.caches)

    @property
    def total_params(self) -> int:
        """Return the number of parameters, tied embeddings counted once."""
        return sum(weight.params for weight in self.weights)

    @property
    def active_params(self) -> int:
        """Return the parameters that work on each token: of the routed experts only those chosen, no input embedding.

        The input embedding is a look-up, which costs nothing; tied to the output it is counted once, as the output.
        """
        active = 0.0
        tied = not any(weight.part == "head" for weight in self.weights)
        for weight in self.weights:
            if weight.part == "experts":
                active += weight.params * self.experts_per_token / self.experts
            elif weight.part != "embedding" or tied:
                active += weight.params
        return round(active)
