"""`deploy models` and `deploy compare`: what is listed, and what it comes to on GPUs."""

from __future__ import annotations

import datetime as dt

import pytest

from lifecycle.compare import ComparedModel, compare_report
from lifecycle.models import CONTEXT, Bench, Hardware, ListedModel, OnHardware, Wanted, models_report
from lifecycle.models import listed as describe
from planner.errors import PlanError, UsageError
from tests.lifecycle.bench import catalogue, price
from tests.shipped import shipped_models

TODAY = dt.date(2026, 12, 1)
PAIR = Hardware(gpu="big", count=2)


def listed(wanted: Wanted | None = None, today: dt.date = TODAY) -> list[ListedModel]:
    return list(models_report(catalogue(), wanted or Wanted(), None, today).models)


def on(name: str, hardware: Hardware) -> OnHardware:
    rows = catalogue(price("node", 64))
    found = describe(shipped_models()[name], rows, Bench.of(hardware, rows), TODAY).on_hardware
    assert found is not None
    return found


def compared(*names: str, hardware: Hardware = PAIR) -> tuple[ComparedModel, ...]:
    return compare_report(catalogue(price("node", 64)), names, hardware, TODAY).models


def test_all_models_are_listed_without_hardware() -> None:
    models = listed()
    assert {model.name for model in models} == set(shipped_models())
    assert all(model.on_hardware is None and model.weights_gib > 0 for model in models)


def test_commercial_use_filters() -> None:
    free = {model.name for model in listed(Wanted(commercial=("yes",)))}
    bound = {model.name for model in listed(Wanted(commercial=("conditions", "no")))}
    assert "gpt-oss-120b" in free
    assert {"mistral-large-2407", "llama-3.3-70b-instruct"} <= bound
    assert free | bound == set(shipped_models())
    assert not free & bound


def test_kind_filters() -> None:
    assert {m.name for m in listed(Wanted(kind="embedding"))} == {
        "bge-m3",
        "qwen3-embedding-0.6b",
        "qwen3-embedding-8b",
    }


@pytest.mark.parametrize("language", ["French", "french"])
def test_language_filters_and_says_whom_it_could_not_judge(language: str) -> None:
    report = models_report(catalogue(), Wanted(language=language), None, TODAY)
    found = {model.name for model in report.models}
    assert {"mistral-large-2407", "llama-4-scout"} <= found
    assert {"gpt-oss-20b", "qwen3-32b"} <= set(report.not_judged)
    assert not found & set(report.not_judged)


def test_a_model_that_states_other_languages_is_judged() -> None:
    report = models_report(catalogue(), Wanted(language="Tagalog"), None, TODAY)
    assert {model.name for model in report.models} == {"llama-4-scout", "llama-4-maverick"}
    assert "mistral-large-2407" not in report.not_judged


def test_a_language_that_nobody_states_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError) as refused:
        models_report(catalogue(), Wanted(language="Frensh"), None, TODAY)
    assert refused.value.code == "unknown_language"
    assert "French" in refused.value.hint


def test_review_is_due_from_its_date_on() -> None:
    row = shipped_models()["gpt-oss-20b"]
    before, then = row.review_by - dt.timedelta(days=1), row.review_by
    assert not next(m for m in listed(today=before) if m.name == row.name).review_due
    assert next(m for m in listed(today=then) if m.name == row.name).review_due


def test_doubtful_fields_are_named() -> None:
    doubtful = {model.name: model.unverified for model in listed() if model.unverified}
    assert "config" in doubtful["kimi-k2-thinking"]
    assert "gpt-oss-120b" not in doubtful


@pytest.mark.parametrize(
    ("name", "per_token", "long"),
    [
        ("llama-3.1-8b-instruct", 131_072, 131_072),
        ("qwen3-235b-a22b-fp8", 192_512, 192_512),
        ("deepseek-r1", 70_272, 70_272),
        ("gpt-oss-120b", 73_728, 36_864),
        ("mistral-large-2407", 360_448, 360_448),
        ("bge-m3", 0, 0),
    ],
)
def test_cache_of_a_token(name: str, per_token: int, long: int) -> None:
    model = next(model for model in listed() if model.name == name)
    assert (model.kv_bytes_per_token, model.kv_bytes_per_token_long) == (per_token, long)


def test_what_fits_has_all_figures() -> None:
    here = on("qwen3-235b-a22b-fp8", PAIR)
    assert here.fits
    assert here.least_gpus == 2
    assert here.max_model_len == CONTEXT
    assert here.kv_cache_tokens > CONTEXT
    assert here.max_concurrency > 1
    assert here.kv_bytes_per_token_per_gpu == 192_512 // 2
    assert here.tokens_per_s is not None
    assert here.tokens_per_s.low > 0


def test_what_does_not_fit_has_no_speed_and_says_what_would_do() -> None:
    here = on("deepseek-r1", PAIR)
    assert not here.fits
    assert here.missing_gib_per_gpu > 0
    assert here.least_gpus == 8
    assert here.tokens_per_s is None
    assert here.cost_per_million is None


def test_a_division_that_the_engine_refuses_is_told() -> None:
    here = on("gpt-oss-20b", Hardware(gpu="big", count=29))  # 29 stages of 24 layers
    assert not here.fits
    assert here.refusal
    assert here.kv_cache_tokens == 0


def test_context_is_the_models_own_where_that_is_shorter() -> None:
    wide = Hardware(gpu="big", count=2, context=1_000_000)
    assert on("qwen2.5-7b-instruct", wide).max_model_len == 32_768
    assert on("llama-4-scout", wide).max_model_len == 1_000_000


def test_an_embedding_model_fits_and_makes_no_tokens() -> None:
    here = on("bge-m3", Hardware(gpu="small", count=1))
    assert here.fits
    assert here.tokens_per_s is None


def test_a_million_tokens_cost_what_an_hour_costs_over_the_tokens_of_an_hour() -> None:
    """The node costs 64 an hour and holds four pairs of GPUs."""
    here = on("gpt-oss-120b", PAIR)
    assert here.tokens_per_s is not None
    assert here.cost_per_million is not None
    by_hand = 64 / 4 / (here.tokens_per_s.typical * 3600) * 1e6
    assert here.cost_per_million.typical == pytest.approx(by_hand, abs=0.01)
    assert here.cost_per_million.low <= here.cost_per_million.typical <= here.cost_per_million.high


def test_without_a_price_the_cost_is_unknown() -> None:
    report = models_report(catalogue(), Wanted(), PAIR, TODAY)
    assert report.offer is None
    assert all(model.on_hardware and model.on_hardware.cost_per_million is None for model in report.models)


def test_an_unknown_gpu_is_refused_with_the_nearest() -> None:
    with pytest.raises(PlanError) as refused:
        models_report(catalogue(), Wanted(), Hardware(gpu="bigg", count=1), TODAY)
    assert "big" in refused.value.hint


def test_a_comparison_keeps_the_order_and_names_each_once() -> None:
    names = [model.name for model in compared("llama-4-scout", "gpt-oss-20b", "llama-4-scout")]
    assert names == ["llama-4-scout", "gpt-oss-20b"]


def test_a_comparison_says_what_was_claimed_by_whom_and_when() -> None:
    large, _ = compared("mistral-large-2407", "gpt-oss-20b")
    assert large.commercial == "no"
    assert "paid licence" in large.licence_terms
    assert large.claims
    assert {claim.by for claim in large.claims} == {"Mistral AI"}
    assert {claim.as_of for claim in large.claims} == {dt.date(2024, 7, 24)}


def test_a_comparison_says_what_would_help() -> None:
    full, block = compared("qwen3-235b-a22b", "qwen3-235b-a22b-fp8")
    assert {remedy.option.split()[0] for remedy in full.remedies} >= {"--quantization", "--count"}
    assert block.remedies == ()
    assert block.measured[0].weights_gib == pytest.approx(221.8)


@pytest.mark.parametrize("names", [(), ("gpt-oss-20b",), ("gpt-oss-20b", "gpt-oss-20b")])
def test_one_model_is_no_comparison(names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as refused:
        compared(*names)
    assert refused.value.code == "too_few_models"


def test_an_unknown_model_is_refused_with_the_nearest() -> None:
    with pytest.raises(PlanError) as refused:
        compared("llama-3.3-8b-instruct", "gpt-oss-20b")
    assert refused.value.code == "unknown_model"
    assert "llama-3.3-70b-instruct" in refused.value.hint
    assert "llama-3.1-8b-instruct" in refused.value.hint
