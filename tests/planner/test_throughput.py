"""The roofline: published speeds lie in its ranges (cases/throughput), and its figures move the right way."""

from __future__ import annotations

import datetime as dt
import math
import statistics
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import efficiency
from planner.efficiency import LINKS, SCENARIOS, Factor
from planner.errors import PlanError
from planner.ranges import Range
from planner.throughput import (
    Performance,
    Replica,
    basis,
    curve,
    max_concurrency,
    performance,
    prompt_tokens_per_s,
    rates,
    touched,
    users_served,
)

FOLDER = Path(__file__).parent / "cases" / "throughput"
FILES = sorted(FOLDER.glob("*.toml"))
TIMES = ("ttft_s", "inter_token_s")
SPEEDS = ("tokens_per_s_per_stream", "tokens_per_s")
ALMOST = 1 + 1e-9


def read(path: Path) -> tuple[Replica, list[dict[str, Any]]]:
    case = tomllib.loads(path.read_text(encoding="utf-8"))
    assert case["source"]
    assert isinstance(case["as_of"], dt.date)
    return msgspec.convert(case["replica"], Replica), case["measured"]


def predicted(replica: Replica, figure: dict[str, Any]) -> Range:
    found = performance(replica, figure["prompt"], figure["answer"], figure["concurrency"])
    assert figure["concurrency"] <= found.max_concurrency
    value: Range = getattr(found, figure["figure"])
    return value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_published_speeds_lie_in_the_range(path: Path) -> None:
    replica, measured = read(path)
    for figure in measured:
        found = predicted(replica, figure)
        assert found.low <= figure["value"] <= found.high, figure


def test_typical_is_close_to_what_was_published() -> None:
    errors = [
        abs(math.log(predicted(replica, figure).typical / figure["value"]))
        for replica, measured in map(read, FILES)
        for figure in measured
    ]
    assert len(errors) >= 30
    assert math.exp(statistics.median(errors)) < 1.15
    assert math.exp(max(errors)) < 2.1


@st.composite
def replicas(draw: st.DrawFn) -> Replica:
    experts = draw(st.sampled_from([0, 8, 128, 256]))
    return Replica(
        active_params=draw(st.floats(1e8, 1e12)),
        flops_kind=draw(st.sampled_from(["fp16", "bf16", "fp8", "fp4"])),
        dense_weight_bytes_per_gpu=draw(st.floats(1e8, 2e11)),
        routed_weight_bytes_per_gpu=draw(st.floats(1e8, 2e11)) if experts else 0.0,
        routed_experts=experts,
        experts_per_token=draw(st.integers(1, 8)) if experts else 0,
        kv_bytes_per_token_per_gpu=draw(st.floats(1e3, 1e6)),
        layers=draw(st.integers(1, 128)),
        hidden=draw(st.integers(512, 16384)),
        tp=draw(st.sampled_from([1, 2, 4, 8])),
        pp=draw(st.sampled_from([1, 2, 4])),
        tflops_per_gpu=draw(st.floats(50, 9000)),
        bandwidth_tb_s=draw(st.floats(0.3, 8)),
        link=draw(st.sampled_from(sorted(LINKS))),
        link_gb_s=draw(st.floats(32, 1800)),
        kv_cache_tokens=draw(st.integers(70_000, 10_000_000)),
        max_num_seqs=draw(st.integers(1, 2048)),
    )


prompts, answers, concurrencies = st.integers(1, 32768), st.integers(1, 4096), st.integers(1, 4096)


def ranges(found: Performance) -> dict[str, Range]:
    return {name: getattr(found, name) for name in (*TIMES, *SPEEDS)}


def never_slower(better: Performance, worse: Performance) -> None:
    for scenario in ("low", "typical", "high"):
        for name in TIMES:
            assert getattr(ranges(better)[name], scenario) <= getattr(ranges(worse)[name], scenario) * ALMOST, name
        for name in SPEEDS:
            assert getattr(ranges(better)[name], scenario) * ALMOST >= getattr(ranges(worse)[name], scenario), name


@given(replica=replicas(), prompt=prompts, answer=answers, concurrency=concurrencies)
def test_every_figure_is_a_range(replica: Replica, prompt: int, answer: int, concurrency: int) -> None:
    found = performance(replica, prompt, answer, concurrency)
    for value in ranges(found).values():
        assert 0 < value.low <= value.typical <= value.high < math.inf
    assert found.max_concurrency <= replica.max_num_seqs


@given(
    replica=replicas(),
    prompt=prompts,
    answer=answers,
    concurrency=concurrencies,
    field=st.sampled_from(["bandwidth_tb_s", "tflops_per_gpu", "link_gb_s"]),
    more=st.floats(1, 10),
)
def test_better_hardware_is_never_slower(
    *, replica: Replica, prompt: int, answer: int, concurrency: int, field: str, more: float
) -> None:
    better = msgspec.structs.replace(replica, **{field: getattr(replica, field) * more})
    never_slower(performance(better, prompt, answer, concurrency), performance(replica, prompt, answer, concurrency))


@given(replica=replicas(), prompt=prompts, answer=answers, concurrency=concurrencies)
def test_pcie_is_never_faster_than_nvlink(replica: Replica, prompt: int, answer: int, concurrency: int) -> None:
    nvlink, pcie = (msgspec.structs.replace(replica, link=link) for link in ("nvlink", "pcie"))
    never_slower(performance(nvlink, prompt, answer, concurrency), performance(pcie, prompt, answer, concurrency))


@given(replica=replicas(), prompt=prompts, answer=answers, few=concurrencies, more=st.integers(0, 512))
def test_company_never_helps_one_and_never_hurts_all(
    replica: Replica, prompt: int, answer: int, few: int, more: int
) -> None:
    alone, crowded = curve(replica, prompt, answer, (few, few + more))
    for scenario in ("low", "typical", "high"):
        assert getattr(crowded.tokens_per_s_per_stream, scenario) <= (
            getattr(alone.tokens_per_s_per_stream, scenario) * ALMOST
        )
        assert getattr(crowded.ttft_s, scenario) * ALMOST >= getattr(alone.ttft_s, scenario)
        assert getattr(crowded.tokens_per_s, scenario) * ALMOST >= getattr(alone.tokens_per_s, scenario)


@given(replica=replicas(), prompt=prompts, answer=answers, per_token=st.floats(1e-3, 1), first=st.floats(1e-2, 10))
def test_users_served_is_the_last_concurrency_that_meets_both_targets(
    replica: Replica, prompt: int, answer: int, per_token: float, first: float
) -> None:
    served = users_served(replica, prompt, answer, per_token, first)
    limit = max_concurrency(replica, prompt, answer)
    assert 0 <= served.low <= served.typical <= served.high <= limit

    def meets(concurrency: int) -> bool:
        found = performance(replica, prompt, answer, concurrency)
        return found.inter_token_s.typical <= per_token and found.ttft_s.typical <= first

    count = int(served.typical)
    assert count == 0 or meets(count)
    assert count == limit or not meets(count + 1)


@given(replica=replicas(), prompt=prompts, answer=answers)
def test_what_exceeds_the_cache_waits(replica: Replica, prompt: int, answer: int) -> None:
    limit = max_concurrency(replica, prompt, answer)
    full, waiting = curve(replica, prompt, answer, (limit, 2 * limit))
    assert waiting.tokens_per_s == full.tokens_per_s
    assert waiting.inter_token_s == full.inter_token_s
    # The second half waits as long as the first takes: first token, then the rest of the answer.
    took = full.max_concurrency * answer / full.tokens_per_s.typical
    assert waiting.ttft_s.typical - full.ttft_s.typical == pytest.approx(took)


def test_one_stream_by_hand() -> None:
    replica, _ = read(FOLDER / "llama-3.1-8b-h100.toml")
    found = performance(replica, 1000, 200, 1)
    weights = 15.01e9 / (3.35e12 * 0.78)
    cache = 1100 * 131072 / (3.35e12 * 0.7)
    assert found.inter_token_s.typical == pytest.approx(weights + cache + 32 * 30e-6)
    prompt = 2 * 7.505e9 * 1000 / (989e12 * 0.45) + 2 * 32 * 4096 * 1000**2 / (989e12 * 0.55)
    assert found.ttft_s.typical == pytest.approx(0.015 + prompt)
    assert found.tokens_per_s_per_stream.typical == pytest.approx(1 / found.inter_token_s.typical)


def test_routed_prompt_by_hand() -> None:
    """Half of the dense efficiency, and attention at half of FP8's peak."""
    replica = Replica(
        active_params=22e9,
        flops_kind="fp8",
        dense_weight_bytes_per_gpu=8e9,
        routed_weight_bytes_per_gpu=100e9,
        routed_experts=128,
        experts_per_token=8,
        kv_bytes_per_token_per_gpu=96e3,
        layers=94,
        hidden=4096,
        attention_width=8192,
        tflops_per_gpu=1979,
        bandwidth_tb_s=4.8,
        link="nvlink",
        link_gb_s=900,
        kv_cache_tokens=120_000,
        max_num_seqs=64,
    )
    linear = 2 * 22e9 * 8000 / (1979e12 * 0.3 * 0.5)
    attention = 2 * 94 * 8192 * 8000**2 / (1979e12 / 2 * 0.55)
    assert prompt_tokens_per_s(replica, 8000).typical == pytest.approx(8000 / (linear + attention))
    assert max_concurrency(replica, 8000, 4000) == 10
    assert max_concurrency(replica, 1000, 100) == 64


def test_a_large_batch_is_bound_by_compute() -> None:
    replica, _ = read(FOLDER / "llama-3.1-8b-h100.toml")
    fast = msgspec.structs.replace(replica, bandwidth_tb_s=1e6, kv_cache_tokens=10**9)
    compute = 2 * 7.505e9 * 1000 / (989e12 * 0.45)
    interruptions = 999 * performance(fast, 10, 10_000, 1).ttft_s.typical / 10_000
    step = performance(fast, 10, 10_000, 1000).inter_token_s.typical
    assert compute + 32 * 30e-6 < step < compute + 32 * 30e-6 + interruptions


def test_all_reduces_by_hand() -> None:
    replica, _ = read(FOLDER / "qwen2.5-72b-2xh100.toml")
    single = msgspec.structs.replace(replica, tp=1, active_params=replica.active_params / 2)
    extra = (
        performance(replica, 1000, 200, 1).inter_token_s.typical
        - performance(single, 1000, 200, 1).inter_token_s.typical
    )
    assert extra == pytest.approx(80 * 2 * (6e-6 + 8192 * 2 / (450e9 * 0.45)))


def test_experts_touched_as_published() -> None:
    # "At batch=64, nearly all 111/128 unique experts are loaded": SemiAnalysisAI/InferenceX pull request 1061.
    assert round(128 * touched(128, 4, 64)) == 111
    assert touched(128, 4, 1) == pytest.approx(4 / 128)
    assert touched(0, 0, 64) == 0


def test_pipeline_stages_work_on_different_sequences() -> None:
    replica, _ = read(FOLDER / "qwen3-14b-h100.toml")
    halves = msgspec.structs.replace(
        replica,
        pp=2,
        dense_weight_bytes_per_gpu=replica.dense_weight_bytes_per_gpu / 2,
        kv_bytes_per_token_per_gpu=replica.kv_bytes_per_token_per_gpu / 2,
    )
    first, second = (performance(r, 1000, 200, 1).inter_token_s.typical for r in (replica, halves))
    assert second == pytest.approx(first + 10e-6)  # one sequence goes through both stages in turn
    one, two = performance(replica, 16_000, 2000, 4), performance(halves, 16_000, 2000, 8)
    # Twice the sequences, as long a step, and each prompt keeps a stage for half of the time.
    assert two.inter_token_s.typical == pytest.approx(one.inter_token_s.typical, rel=0.05)
    assert two.tokens_per_s.typical == pytest.approx(2 * one.tokens_per_s.typical, rel=0.05)
    assert prompt_tokens_per_s(halves, 4000).typical == pytest.approx(
        2 * prompt_tokens_per_s(replica, 4000).typical, rel=1e-4
    )


@given(replica=replicas(), context=st.integers(100, 32768), sequences=st.integers(2, 512))
def test_rates_of_the_imitation_meet_the_model_at_both_ends(replica: Replica, context: int, sequences: int) -> None:
    # Steps alone: an endless answer leaves nothing of the prompts' interruptions.
    replica = msgspec.structs.replace(replica, kv_cache_tokens=10**15, max_num_seqs=1024)
    endless = 10**9
    found = rates(replica, context + endless // 2, sequences)
    one, many = curve(replica, context, endless, (1, sequences))
    assert found.decode_step_s == pytest.approx(one.inter_token_s.typical, rel=1e-3, abs=1e-6)
    at_many = found.decode_step_s + (sequences - 1) * found.decode_step_per_sequence_s
    assert at_many == pytest.approx(many.inter_token_s.typical, rel=1e-2)
    assert rates(replica, context).prefill_tokens_per_s == pytest.approx(
        prompt_tokens_per_s(replica, context).typical, abs=0.06
    )


def test_rates_are_those_of_a_full_cache_unless_told_otherwise() -> None:
    replica, _ = read(FOLDER / "gpt-oss-120b-h100.toml")
    assert rates(replica, 8192) == rates(replica, 8192, max_concurrency(replica, 8192, 0))
    assert rates(replica, 8192, 4).decode_step_per_sequence_s > rates(replica, 8192).decode_step_per_sequence_s


def test_a_request_that_does_not_fit_is_refused() -> None:
    replica, _ = read(FOLDER / "qwen2.5-72b-2xh100.toml")
    with pytest.raises(PlanError, match="20000 tokens, less than one request of 30000") as refused:
        performance(replica, 30000, 1000, 1)
    assert refused.value.code == "context_does_not_fit"
    assert users_served(replica, 30000, 1000, 1, 60) == Range(low=0, typical=0, high=0)


@pytest.mark.parametrize("demand", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (-5, 1, 1)])
def test_no_demand_is_refused(demand: tuple[int, int, int]) -> None:
    replica, _ = read(FILES[0])
    with pytest.raises(PlanError, match="more than nothing"):
        performance(replica, *demand)
    with pytest.raises(PlanError, match="more than nothing"):
        users_served(replica, demand[0], demand[1], demand[2], 1)


def test_basis_says_what_it_rests_on() -> None:
    dense, _ = read(FOLDER / "llama-3.1-8b-h100.toml")
    routed, _ = read(FOLDER / "deepseek-r1-8xh200-vllm.toml")
    assert "78% (65% to 90%) of memory bandwidth" in basis(dense)
    assert "experts" not in basis(dense)
    assert "all-reduces" not in basis(dense)
    assert "routed experts at 60%" in basis(routed)
    assert "of nvlink" in basis(routed)
    assert "not a measurement" in basis(routed)


def test_every_factor_has_a_source_and_is_in_order() -> None:
    found = [value for value in vars(efficiency).values() if isinstance(value, Factor)]
    for table in (efficiency.WEIGHT_READS, efficiency.COMPUTE):
        found += table.values()
    for link in LINKS.values():
        found += [link.latency_s, link.share]
    assert len(found) > 15
    for factor in found:
        assert factor.source.split(":")[0] in {"K", "A", "E", "assumed"}
        values = [factor.at(scenario) for scenario in SCENARIOS]
        assert values in (sorted(values), sorted(values, reverse=True))
