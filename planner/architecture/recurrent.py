"""Layers that keep a state of fixed size instead of tokens: gated delta nets and Kimi's delta attention."""

from __future__ import annotations

from collections.abc import Iterator

from planner.architecture.fields import Fields
from planner.architecture.records import Cache, Record, Weight

CONVOLUTION_BYTES = 2
"""The convolution's state is kept in the model's 16-bit precision."""


class Recurrent(Record, frozen=True, kw_only=True):
    """One kind of layer. `low_rank_gates`: two narrow matrices make the gates (Kimi), not one wide one (Qwen)."""

    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    kernel: int
    state_bytes: int
    """Of one number of the recurrent state."""
    low_rank_gates: bool

    @property
    def channels(self) -> int:
        """Return what the short convolution runs over: queries, keys and values."""
        return 2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim

    @property
    def cache(self) -> Cache:
        """Return what a request keeps, all heads together.

        Source: vLLM 0.33.0 `model_executor/layers/mamba/mamba_utils.py`: the last `kernel - 1` inputs of the
        convolution, and for every value head a matrix of keys by values.
        """
        convolution = self.channels * (self.kernel - 1) * CONVOLUTION_BYTES
        return Cache(
            kind="state",
            state_bytes=convolution + self.value_heads * self.key_dim * self.value_dim * self.state_bytes,
        )


def read_recurrent(config: Fields) -> Recurrent | None:
    """Read the recurrent layers; None where the model has none.

    Raises:
        ConfigError: a field of them is missing.

    """
    if config.has("linear_num_key_heads"):
        return Recurrent(
            key_heads=config.count("linear_num_key_heads"),
            value_heads=config.count("linear_num_value_heads"),
            key_dim=config.count("linear_key_head_dim"),
            value_dim=config.count("linear_value_head_dim"),
            kernel=config.count("linear_conv_kernel_dim"),
            state_bytes=4 if config.text("mamba_ssm_dtype") == "float32" else 2,
            low_rank_gates=False,
        )
    section = config.inner("linear_attn_config")
    if section is None and not config.has("linear_num_heads"):
        return None
    fields = section or config
    heads = fields.count("num_heads", "linear_num_heads") if section else config.count("linear_num_heads")
    dim = fields.count("head_dim") if section else config.count("linear_head_dim")
    kernel = fields.count("short_conv_kernel_size", default=4) if section else config.count("linear_conv_kernel_dim")
    return Recurrent(
        key_heads=heads,
        value_heads=heads,
        key_dim=dim,
        value_dim=dim,
        kernel=kernel,
        state_bytes=4,  # vLLM keeps Kimi's state in 32 bits
        low_rank_gates=True,
    )


def recurrent_weights(layer: Recurrent, hidden: int, index: int) -> Iterator[Weight]:
    """List the matrices of one recurrent layer."""
    place = f"model.layers.{index}.linear_attn"
    keys, values = layer.key_heads * layer.key_dim, layer.value_heads * layer.value_dim
    if layer.low_rank_gates:
        for name, out in (("q_proj", keys), ("k_proj", keys), ("v_proj", values)):
            yield Weight(module=f"{place}.{name}", out=out, into=hidden, layer=index, split="column", part="attention")
        for name, out in (("f", keys), ("g", values)):
            narrow = layer.value_dim
            yield Weight(module=f"{place}.{name}_a_proj", out=narrow, into=hidden, layer=index, part="attention")
            yield Weight(
                module=f"{place}.{name}_b_proj", out=out, into=narrow, layer=index, split="column", part="attention"
            )
        beta = layer.value_heads
    else:
        out = 2 * keys + 2 * values
        yield Weight(
            module=f"{place}.in_proj_qkvz", out=out, into=hidden, layer=index, split="column", part="attention"
        )
        beta = 2 * layer.value_heads
    yield Weight(
        module=f"{place}.b_proj", out=beta, into=hidden, layer=index, split="column", linear=False, part="attention"
    )
    yield Weight(
        module=f"{place}.conv1d", out=layer.channels, into=layer.kernel, layer=index, split="column", linear=False,
        part="attention",
    )  # fmt: skip
    yield Weight(module=f"{place}.o_proj", out=hidden, into=values, layer=index, split="row", part="attention")
