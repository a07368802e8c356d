"""Feed-forward layers: dense, or a mixture of routed and shared experts."""

from __future__ import annotations

from collections.abc import Iterator

from planner.architecture.fields import Fields
from planner.architecture.records import Record, Weight

UNGATED = {"bert", "roberta", "xlm-roberta", "gpt2", "gpt_neox", "starcoder2", "falcon", "phi", "nemotron"}
"""Families whose feed-forward layer has two matrices; all others have a gate as a third."""


class Experts(Record, frozen=True, kw_only=True):
    """A mixture of experts: which layers have one, and of what size."""

    count: int
    per_token: int
    width: int
    shared_width: int
    layers: tuple[bool, ...]
    bias: bool


def dense_width(config: Fields) -> int:
    """Return the inner size of a dense layer.

    Raises:
        ConfigError: it is missing.

    """
    return config.count("intermediate_size_mlp", "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")


def read_experts(config: Fields, family: str, layers: int) -> Experts | None:
    """Read the mixture of experts; None where the model has none.

    Raises:
        ConfigError: a field of it is missing, or they contradict each other.

    """
    count = config.count("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts", default=0, least=0)
    if count < 2:
        return None
    per_token = config.count("num_experts_per_tok", "experts_per_token", "moe_k", "top_k_experts")
    if per_token > count:
        raise config.wrong("num_experts_per_tok", f"is {per_token}, more than the {count} experts there are")
    width = config.count("moe_intermediate_size", "expert_ffn_hidden_size", "intermediate_size")
    shared = config.count("shared_expert_intermediate_size", default=0, least=0)
    if not shared:
        # Llama 4 has one shared expert that no field mentions.
        default = 1 if family in {"llama4", "llama4_text"} else 0
        shared = config.count("n_shared_experts", "num_shared_experts", default=default, least=0) * width
    return Experts(
        count=count,
        per_token=per_token,
        width=width,
        shared_width=shared,
        layers=tuple(_sparse(config, layers)),
        bias=family == "gpt_oss",
    )


def _sparse(config: Fields, layers: int) -> Iterator[bool]:
    """Say of each layer whether it has experts."""
    words = config.words("mlp_layer_types", layers if config.has("mlp_layer_types") else None)
    frequencies = config.values.get("moe_layer_freq")
    listed = config.numbers("moe_layer_freq", layers) if isinstance(frequencies, list) else ()
    step = config.count(
        "interleave_moe_layer_step", "decoder_sparse_step", *(() if listed else ("moe_layer_freq",)), default=1
    )
    dense_first = config.count("first_k_dense_replace", default=0, least=0)
    dense_only = config.numbers("mlp_only_layers")
    sparse_only = config.numbers("moe_layers")
    for index in range(layers):
        if words:
            yield words[index] == "sparse"
        elif listed:
            yield bool(listed[index])
        elif sparse_only:
            yield index in sparse_only
        else:
            yield index >= dense_first and index not in dense_only and (index + 1 - dense_first) % step == 0


def mlp_weights(config: Fields, family: str, hidden: int, layer: int, experts: Experts | None) -> Iterator[Weight]:
    """List the matrices of one layer's feed-forward part."""
    place = f"model.layers.{layer}.mlp"
    if experts is None or not experts.layers[layer]:
        bias = config.flag("mlp_bias", default=family in {"bert", "roberta", "xlm-roberta", "gpt2", "starcoder2"})
        for name, out, into in _shapes(hidden, dense_width(config), gated=family not in UNGATED):
            yield Weight(
                module=f"{place}.{name}", out=out, into=into, bias=out if bias else 0, layer=layer,
                split="row" if name == "down_proj" else "column", part="mlp",
            )  # fmt: skip
        return
    yield Weight(
        module=f"{place}.gate", out=experts.count, into=hidden, bias=experts.count if experts.bias else 0, layer=layer,
        linear=False, part="router",
    )  # fmt: skip
    for name, out, into in _shapes(hidden, experts.width, gated=True):
        yield Weight(
            module=f"{place}.experts.{name}", out=out, into=into, count=experts.count, bias=out if experts.bias else 0,
            layer=layer, split="expert-row" if name == "down_proj" else "expert-column", part="experts",
        )  # fmt: skip
    if experts.shared_width:
        for name, out, into in _shapes(hidden, experts.shared_width, gated=True):
            yield Weight(
                module=f"{place}.shared_experts.{name}", out=out, into=into, layer=layer,
                split="row" if name == "down_proj" else "column", part="shared-experts",
            )  # fmt: skip


def _shapes(hidden: int, width: int, *, gated: bool) -> tuple[tuple[str, int, int], ...]:
    """Return name, rows and columns of each matrix."""
    gate = (("gate_proj", width, hidden),) if gated else ()
    return (*gate, ("up_proj", width, hidden), ("down_proj", hidden, width))
