"""Choices become vLLM's command line and reasons as the files of cases/engine_args say."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.engine_args import LORA_RANKS, EngineChoice, Lora, default_limits, engine_arguments
from planner.engine_flags import check_arguments, flags
from planner.errors import PlanError

FOLDER = Path(__file__).parent / "cases" / "engine_args"
REFUSED = tomllib.loads((FOLDER / "refused.toml").read_text(encoding="utf-8"))
CASES = sorted(path for path in FOLDER.glob("*.toml") if path.stem != "refused")

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,20}", fullmatch=True)
choices = st.builds(
    EngineChoice,
    model=names,
    revision=st.sampled_from(["", "0" * 40]),
    served_name=names,
    port=st.integers(1, 65535),
    tensor_parallel=st.integers(1, 16),
    pipeline_parallel=st.integers(1, 4),
    expert_parallel=st.booleans(),
    dtype=st.sampled_from(["auto", "bfloat16", "float16"]),
    quantization=st.sampled_from(["", "fp8"]),
    kv_cache_dtype=st.sampled_from(["auto", "fp8"]),
    max_model_len=st.integers(256, 10**7),
    gpu_memory_utilization=st.floats(0.01, 0.98),
    max_num_seqs=st.integers(1, 1024),
    max_num_batched_tokens=st.integers(1024, 65536),
    max_num_queued_reqs=st.integers(1, 10000),
    prefix_caching=st.booleans(),
    lora=st.none()
    | st.builds(
        Lora, adapters=st.dictionaries(names, names), max_rank=st.integers(1, 512), max_loras=st.integers(1, 8)
    ),
    embedding=st.booleans(),
)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = tomllib.loads(path.read_text(encoding="utf-8"))
    args, decisions = engine_arguments(msgspec.convert(case["choice"], EngineChoice))
    assert list(args) == case["args"].split()
    said = {decision.what: f"{decision.choice}: {decision.why}" for decision in decisions}
    assert len(said) == len(decisions)
    for what, words in case["decisions"].items():
        assert words in said[what]


@pytest.mark.parametrize("case", REFUSED["case"], ids=lambda case: case["says"])
def test_refused(case: dict[str, Any]) -> None:
    with pytest.raises(PlanError) as refused:
        engine_arguments(msgspec.convert(REFUSED["base"] | case["choice"], EngineChoice))
    assert case["says"] in refused.value.message
    assert refused.value.hint


@given(choice=choices)
def test_vllm_knows_every_option_and_none_opens_a_door(choice: EngineChoice) -> None:
    args, decisions = engine_arguments(choice)
    check_arguments(args)
    options = {flags()[word].flag for word in args if word in flags()}
    assert not options & {
        "--api-key",
        "--hf-token",
        "--trust-remote-code",
        "--trust-request-chat-template",
        "--allowed-local-media-path",
        "--enable-log-requests",
    }
    assert args[args.index("--allowed-media-domains") + 1] == "none.invalid"
    assert "--disable-fastapi-docs" in args
    assert all(decision.choice and decision.why for decision in decisions)


@given(rank=st.integers(1, 512))
def test_rank_is_padded_to_the_next_that_vllm_takes(rank: int) -> None:
    base = msgspec.convert(REFUSED["base"], EngineChoice)
    args, _ = engine_arguments(msgspec.structs.replace(base, lora=Lora(adapters={"a": "/a"}, max_rank=rank)))
    served = int(args[args.index("--max-lora-rank") + 1])
    assert served >= rank
    assert not [smaller for smaller in LORA_RANKS if rank <= smaller < served]
    assert set(flags()["--max-lora-rank"].choices) == {str(rank) for rank in LORA_RANKS}


def test_reason_for_nothing_is_a_mistake() -> None:
    choice = msgspec.convert(REFUSED["base"] | {"reasons": {"pipeline parallelism": "none there"}}, EngineChoice)
    with pytest.raises(KeyError, match="pipeline parallelism"):
        engine_arguments(choice)


@pytest.mark.parametrize(
    ("memory_gib", "gpu", "expected"),
    [
        (139.8, "h200", (8192, 1024)),
        (79.2, "NVIDIA H100 80GB HBM3", (8192, 1024)),
        (79.2, "a100-80", (2048, 256)),
        (79.2, "NVIDIA A100-SXM4-80GB", (2048, 256)),
        (119.7, "NVIDIA GB10", (2048, 256)),
        (44.4, "l40s", (2048, 256)),
        (95.0, "rtx-pro-6000", (8192, 1024)),
        (178.4, "b200", (16384, 1024)),
        (192.0, "mi300x", (16384, 1024)),
    ],
)
def test_default_limits(memory_gib: float, gpu: str, expected: tuple[int, int]) -> None:
    assert default_limits(memory_gib, gpu) == expected
