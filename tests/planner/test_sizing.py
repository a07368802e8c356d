"""What holds of every sizing."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from planner.architecture import Architecture, read_architecture
from planner.catalogue import load_catalogue
from planner.catalogue.rows import Gpu
from planner.errors import DeployError, UsageError
from planner.lora import LoraAdapters
from planner.remedies import remedies
from planner.sizing import SizeRequest, Sizing, size
from planner.units import GIB, parse_count, parse_memory

catalogue = load_catalogue()
models = st.sampled_from(sorted(name for name, row in catalogue.models.items() if row.kind == "chat"))
gpus = st.sampled_from(sorted(catalogue.gpus))
requests = st.builds(
    SizeRequest,
    gpus=st.sampled_from([1, 2, 4, 8, 16]),
    ep=st.booleans(),
    kv_cache_dtype=st.sampled_from(["auto", "fp8"]),
    max_model_len=st.sampled_from([0, 4096, 32768]),
    gpu_memory_utilization=st.floats(0.5, 0.98),
    max_num_seqs=st.sampled_from([0, 1, 64, 256]),
    extra_kv_layers=st.integers(0, 2),
)


def architecture(name: str) -> Architecture:
    return read_architecture(catalogue.model(name).config, name)


def sized(name: str, gpu: Gpu, request: SizeRequest) -> Sizing:
    try:
        return size(architecture(name), gpu, request)
    except DeployError:
        assume(False)
        raise


@given(model=models, gpu=gpus, request=requests, more=st.floats(0.1, 100))
def test_more_memory_never_holds_less(model: str, gpu: str, request: SizeRequest, more: float) -> None:
    row = catalogue.gpu(gpu)
    larger = msgspec.structs.replace(row, memory_gib=row.memory_gib + more)
    less, much = sized(model, row, request), sized(model, larger, request)
    assert much.kv_cache_tokens >= less.kv_cache_tokens
    assert much.max_concurrency >= less.max_concurrency
    assert much.fits or not less.fits


@given(model=models, gpu=gpus, request=requests)
def test_the_parts_come_to_the_budget(model: str, gpu: str, request: SizeRequest) -> None:
    sizing = sized(model, catalogue.gpu(gpu), request)
    parts = (
        sizing.weights_gib_per_gpu
        + sizing.activation_gib_per_gpu
        + sizing.cudagraph_gib_per_gpu
        + sizing.kv_cache_gib_per_gpu
    )
    assert parts == pytest.approx(sizing.budget_gib_per_gpu, abs=0.03)
    assert sizing.fits == (sizing.missing_gib_per_gpu == 0)
    assert all(bounds.low <= bounds.typical <= bounds.high for bounds in sizing.ranges.values())


@given(model=models, request=requests, gib=st.floats(1, 100))
def test_tokens_fit_their_memory(model: str, request: SizeRequest, gib: float) -> None:
    """What is claimed to be held takes no more than the memory given; at most one block is left over."""
    request = msgspec.structs.replace(request, kv_cache_gib=gib)
    sizing = sized(model, catalogue.gpu("h200"), request)
    windowed = sizing.kv_bytes_per_token_long_per_gpu != sizing.kv_bytes_per_token_per_gpu
    assume(not windowed)
    used = sizing.kv_cache_tokens * sizing.kv_bytes_per_token_per_gpu
    whole = sizing.kv_cache_blocks and used / sizing.kv_cache_blocks
    assert used <= gib * GIB
    assert gib * GIB - used <= 2 * whole or not sizing.kv_cache_blocks


@given(model=models, request=requests, gib=st.floats(1, 100))
def test_half_the_bytes_hold_twice_the_tokens(model: str, request: SizeRequest, gib: float) -> None:
    assume(not architecture(model).fp8_cache)
    request = msgspec.structs.replace(request, kv_cache_gib=gib)
    full = sized(model, catalogue.gpu("h200"), msgspec.structs.replace(request, kv_cache_dtype="auto"))
    half = sized(model, catalogue.gpu("h200"), msgspec.structs.replace(request, kv_cache_dtype="fp8"))
    assume(full.kv_cache_blocks > 100)
    assert half.kv_cache_tokens == pytest.approx(2 * full.kv_cache_tokens, rel=0.02)


@given(model=models, request=requests)
def test_more_ranks_hold_less_each(model: str, request: SizeRequest) -> None:
    alone = sized(model, catalogue.gpu("h200"), msgspec.structs.replace(request, gpus=1, ep=False))
    two = sized(model, catalogue.gpu("h200"), msgspec.structs.replace(request, gpus=2, ep=False))
    assert alone.weights_gib_per_gpu / 2 <= two.weights_gib_per_gpu + 0.01 < alone.weights_gib_per_gpu + 0.02


@settings(max_examples=30)  # every example sizes a dozen changes
@given(model=models, gpu=gpus, request=requests)
def test_every_remedy_fits(model: str, gpu: str, request: SizeRequest) -> None:
    sizing = sized(model, catalogue.gpu(gpu), request)
    assume(not sizing.fits)
    for remedy in remedies(architecture(model), catalogue.gpu(gpu), request):
        assert remedy.max_concurrency >= 1
        assert remedy.kv_cache_tokens >= remedy.max_model_len
        assert remedy.setting.split(" = ")[0] in {
            "model.max_model_len", "model.quantization", "engine.kv_cache_dtype", "hardware.count",
        }  # fmt: skip


class Shape(msgspec.Struct, frozen=True):
    layers: int
    heads: int
    group: int
    """Query heads to each KV head."""
    head_dim: int
    width: int
    vocab: int
    tied: bool
    experts: int


@given(
    shape=st.builds(
        Shape,
        layers=st.integers(1, 12),
        heads=st.sampled_from([8, 16, 32]),
        group=st.sampled_from([1, 2, 4, 8]),
        head_dim=st.sampled_from([64, 128]),
        width=st.integers(64, 4096),
        vocab=st.integers(100, 50000),
        tied=st.booleans(),
        experts=st.sampled_from([0, 4, 8]),
    )
)
def test_parameters_by_hand(shape: Shape) -> None:
    layers, heads, group, head_dim, width, vocab, tied, experts = msgspec.structs.astuple(shape)
    hidden, kv = heads * head_dim, heads // group * head_dim
    config = {
        "model_type": "mixtral" if experts else "llama",
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": heads // group,
        "head_dim": head_dim,
        "intermediate_size": width,
        "vocab_size": vocab,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": tied,
        "torch_dtype": "bfloat16",
        **({"num_local_experts": experts, "num_experts_per_tok": 2} if experts else {}),
    }
    attention = hidden * hidden + 2 * hidden * kv + hidden * hidden
    forward = 3 * hidden * width * (experts or 1) + experts * hidden
    expected = vocab * hidden * (1 if tied else 2) + layers * (attention + forward + 2 * hidden) + hidden
    assert read_architecture(config).total_params == expected


@given(config=st.dictionaries(st.text(max_size=30), st.none() | st.integers() | st.text(max_size=10) | st.booleans()))
def test_nonsense_is_refused_by_name(config: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        read_architecture(config)


def test_adapters_take_room() -> None:
    plain = SizeRequest(gpus=1)
    adapted = msgspec.structs.replace(plain, lora=LoraAdapters(count=4, rank=10))
    row, model = catalogue.gpu("h200"), architecture("llama-3.1-8b-instruct")
    small, large = size(model, row, plain), size(model, row, adapted)
    assert small.kv_cache_tokens > large.kv_cache_tokens
    rank16 = size(model, row, msgspec.structs.replace(plain, lora=LoraAdapters(count=4, rank=16)))
    assert rank16.weights_gib_per_gpu == large.weights_gib_per_gpu  # 10 is padded to 16


@pytest.mark.parametrize(
    ("text", "gib"),
    [("16GiB", 16), ("16GB", 14.9012), ("16", 16), ("21.43", 21.43), ("16000 MiB", 15.625), ("1TB", 931.32)],
)
def test_memory_as_people_write_it(text: str, gib: float) -> None:
    assert parse_memory(text, "--kv-cache-gib") == pytest.approx(gib, rel=1e-4)


@pytest.mark.parametrize("text", ["", "GiB", "-3GiB", "0", "16GX", "1e3", "sixteen", "nan", "inf"])
def test_what_is_no_memory(text: str) -> None:
    with pytest.raises(UsageError, match="--kv-cache-gib"):
        parse_memory(text, "--kv-cache-gib")


@pytest.mark.parametrize(("text", "number"), [("32768", 32768), ("32k", 32000), ("32K", 32768), ("1.5M", 1_500_000)])
def test_counts_as_people_write_them(text: str, number: int) -> None:
    assert parse_count(text, "--max-model-len") == number


@pytest.mark.parametrize("text", ["0", "-1", "32GB", "1.5", "many"])
def test_what_is_no_count(text: str) -> None:
    with pytest.raises(UsageError, match="--max-model-len"):
        parse_count(text, "--max-model-len")


def test_the_planner_imports_no_heavy_package() -> None:
    """Planning starts at once: no cloud, template, terminal, network or array package comes with it."""
    heavy = [
        "pulumi",
        "boto3",
        "botocore",
        "aiohttp",
        "httpx",
        "requests",
        "jinja2",
        "rich",
        "typer",
        "click",
        "numpy",
        "matplotlib",
        "yaml",
        "paramiko",
    ]
    code = f"import sys, planner.make_plan, planner.remedies; print([m for m in {heavy!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
