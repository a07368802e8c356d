"""`quantization_config` of a checkpoint, or `--quantization`: the bits of a weight, and which are left alone."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from planner.architecture.fields import ConfigError, Fields
from planner.architecture.records import Quantization, Weight

SCALE_BITS = 16
"""Scales of integer formats are float16 or bfloat16, one a group."""
MXFP4 = Quantization(method="mxfp4", bits=4.25, group=32, experts_only=True, pad_hidden=256)
"""Four bits and one 8-bit scale for 32 numbers (OCP Microscaling 1.0).

vLLM 0.33.0 pads the experts' hidden dimension to 256 for its Marlin and TensorRT-LLM kernels, not for Triton's
(`fused_moe/oracle/mxfp4.py`); the padded size is the one that published start-up logs show.
"""
NVFP4_BITS = 4 + 8 / 16
"""Four bits and one FP8 scale for 16 numbers."""

BY_NAME: dict[str, Quantization] = {
    "fp8": Quantization(method="fp8", bits=8),
    "int8": Quantization(method="int8", bits=8),
    "awq": Quantization(method="awq", bits=4 + (SCALE_BITS + 4) / 128, group=128),
    "gptq": Quantization(method="gptq", bits=4 + (SCALE_BITS + 4) / 128, group=128),
    "mxfp4": MXFP4,
    "nvfp4": Quantization(method="nvfp4", bits=NVFP4_BITS, group=16),
    "bitsandbytes": Quantization(method="bitsandbytes", bits=4 + 32 / 64, group=64),
}
"""What `--quantization` may name. Group sizes are the usual ones, where the checkpoint does not say."""
ALIASES = {
    "awq_marlin": "awq",
    "gptq_marlin": "gptq",
    "auto_gptq": "gptq",
    "int4": "awq",
    "gpt_oss_mxfp4": "mxfp4",
    "modelopt_fp4": "nvfp4",
    "modelopt": "fp8",
    "fbgemm_fp8": "fp8",
}
UNQUANTISED = {"none", "bf16", "bfloat16", "fp16", "float16"}


def named_quantization(name: str) -> Quantization | None:
    """Return what `--quantization NAME` stands for; None for no quantisation.

    Raises:
        ConfigError: the name is unknown.

    """
    if name in UNQUANTISED:
        return None
    known = BY_NAME.get(ALIASES.get(name, name))
    if known is None:
        raise ConfigError(
            f"--quantization: {name!r} is unknown", hint=f"Known: {', '.join(sorted({*BY_NAME, *ALIASES, 'none'}))}."
        )
    return known


def read_quantization(config: Fields) -> tuple[Quantization | None, bool]:
    """Return how the checkpoint's weights are stored, and whether it asks for an FP8 cache.

    Raises:
        ConfigError: the method is unknown, or a field of it is missing.

    """
    section = config.inner("quantization_config")
    if section is None:
        return None, False
    method = section.text("quant_method")
    if not method:
        raise section.wrong("quant_method", "is missing")
    kept = _kept(section)
    reader = READERS.get(method)
    if reader is None:
        raise section.wrong(
            "quant_method",
            f"is {method!r}, which is unknown here",
            f"Known: {', '.join(sorted(READERS))}. `--quantization` says what it comes to.",
        )
    return reader(section, kept), _fp8_cache(section)


def _fp8_cache(section: Fields) -> bool:
    scheme = section.values.get("kv_cache_scheme")
    by_scheme = isinstance(scheme, dict) and scheme.get("num_bits") == 8
    return by_scheme or section.text("kv_cache_quant_algo").upper() == "FP8"


def _kept(section: Fields) -> tuple[str, ...]:
    for name in ("modules_to_not_convert", "ignore", "exclude_modules", "ignored_layers", "llm_int8_skip_modules"):
        if section.has(name):
            return section.words(name)
    return ()


def _fp8(section: Fields, kept: tuple[str, ...]) -> Quantization:
    block = section.numbers("weight_block_size")
    if not block:
        return Quantization(method="fp8", bits=8, kept=kept)
    if len(block) != 2 or min(block) < 1:
        raise section.wrong("weight_block_size", "is not two positive numbers")
    rows, columns = block
    return Quantization(method="fp8 block", bits=8 + 32 / (rows * columns), block=(rows, columns), kept=kept)


def _group(section: Fields) -> int:
    """Return the group size; -1 means a whole row."""
    value = section.count("group_size", "q_group_size", default=128, least=-1)
    return 0 if value < 1 else value


def _integer(section: Fields, kept: tuple[str, ...]) -> Quantization:
    bits, group = section.count("bits", "w_bit", default=4), _group(section)
    scale = (SCALE_BITS + bits) / group if group else 0.0
    return Quantization(method=section.text("quant_method"), bits=bits + scale, group=group, kept=(*kept, "lm_head"))


def _mxfp4(_section: Fields, kept: tuple[str, ...]) -> Quantization:
    return msgspec.structs.replace(MXFP4, kept=kept)


def _bitsandbytes(section: Fields, kept: tuple[str, ...]) -> Quantization:
    if section.flag("load_in_8bit"):
        return Quantization(method="bitsandbytes", bits=8, kept=kept)
    # One 32-bit scale for 64 numbers; quantised once more, 8 bits and one 32-bit scale for 256 of those.
    double = section.flag("bnb_4bit_use_double_quant")
    scale = (8 + 32 / 256) / 64 if double else 32 / 64
    return Quantization(method="bitsandbytes", bits=4 + scale, group=64, kept=(*kept, "lm_head"))


def _groups(section: Fields, kept: tuple[str, ...]) -> Quantization:
    """Read `config_groups` of compressed-tensors and modelopt: the widest group decides."""
    groups = section.inner("config_groups")
    if groups is None:
        algorithm = section.text("quant_algo").lower()
        if algorithm in {"fp8", "nvfp4"}:
            return msgspec.structs.replace(BY_NAME[algorithm], method=f"modelopt {algorithm}", kept=kept)
        raise section.wrong("config_groups", "is missing, and so is a `quant_algo` of FP8 or NVFP4")
    read = [_group_bits(groups.inner(name), section) for name in groups.values]
    if not read:
        raise section.wrong("config_groups", "is empty")
    bits, group = max(read)
    return Quantization(method=section.text("quant_method"), bits=bits, group=group, kept=kept)


def _group_bits(group: Fields | None, section: Fields) -> tuple[float, int]:
    weights = group.inner("weights") if group else None
    if weights is None:
        raise section.wrong("config_groups", "has a group without `weights`")
    bits = weights.count("num_bits")
    size = weights.count("group_size", default=0, least=-1)
    if size < 1:
        return float(bits), 0
    # NVFP4 keeps an 8-bit scale a group, integer formats a 16-bit one; without symmetry a zero-point as well.
    scale = 8 if weights.text("type") == "float" else SCALE_BITS
    zero = 0 if weights.flag("symmetric", default=True) else bits
    return bits + (scale + zero) / size, size


READERS = {
    "fp8": _fp8,
    "fbgemm_fp8": _fp8,
    "awq": _integer,
    "gptq": _integer,
    "mxfp4": _mxfp4,
    "bitsandbytes": _bitsandbytes,
    "compressed-tensors": _groups,
    "modelopt": _groups,
}
"""`quant_method` -> what reads the rest of the section."""


def mark_quantised(weights: Iterable[Weight], quantization: Quantization | None) -> tuple[Weight, ...]:
    """Mark the matrices that are stored in the quantised form."""
    if quantization is None:
        return tuple(weights)
    return tuple(
        msgspec.structs.replace(weight, quantised=True) if _is_quantised(weight, quantization) else weight
        for weight in weights
    )


def _is_quantised(weight: Weight, quantization: Quantization) -> bool:
    if not weight.linear or (quantization.experts_only and weight.part != "experts"):
        return False
    return not _is_kept(weight.module, quantization.kept)


def _is_kept(module: str, kept: tuple[str, ...]) -> bool:
    """Compare as the formats do: a regular expression, a wildcard, or whole components of the name."""
    if not kept:
        return False
    names, patterns = _compiled(kept)
    parts = module.split(".")
    ranges = ((i, j) for i in range(len(parts)) for j in range(i + 1, len(parts) + 1))
    return any(".".join(parts[i:j]) in names for i, j in ranges) or any(pattern.match(module) for pattern in patterns)


@lru_cache(maxsize=64)
def _compiled(kept: tuple[str, ...]) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    """Divide patterns into plain names, of which a checkpoint may list hundreds, and expressions."""
    names, patterns = set(), []
    for pattern in kept:
        if pattern.startswith("re:"):
            patterns.append(re.compile(pattern[3:]))
            continue
        bare = pattern.replace("language_model.model.", "model.").replace("model.language_model.", "model.")
        if "*" in bare:
            patterns += [re.compile(fnmatch.translate(bare)), re.compile(fnmatch.translate(bare + ".*"))]
        else:
            names.add(bare)
    return frozenset(names), tuple(patterns)
