"""The shipped models and licences: whole, sourced, and of the sizes that their vendors publish."""

from __future__ import annotations

import datetime as dt
import math

import pytest

from planner.architecture import read_architecture
from planner.catalogue.rows import Licence, Model
from planner.errors import ExitCode, PlanError
from planner.licences import check_licence, licence_notes
from planner.parallel import Parallel, weight_bytes
from planner.units import GIB
from tests.shipped import shipped_licences, shipped_models

MODELS = sorted(shipped_models().values(), key=lambda row: row.name)
LICENCES = sorted(shipped_licences().values(), key=lambda row: row.name)
LADDER = {
    "bge-m3", "deepseek-r1", "deepseek-v3", "deepseek-v3-0324", "gpt-oss-120b", "gpt-oss-20b", "kimi-k2-instruct",
    "kimi-k2-thinking", "llama-3.1-405b-instruct", "llama-3.1-405b-instruct-fp8", "llama-3.1-70b-instruct",
    "llama-3.1-8b-instruct", "llama-3.3-70b-instruct", "llama-4-maverick", "llama-4-scout", "mistral-7b-instruct-v0.3",
    "mistral-large-2407", "mixtral-8x22b-instruct", "qwen2.5-72b-instruct", "qwen2.5-7b-instruct", "qwen3-235b-a22b",
    "qwen3-235b-a22b-fp8", "qwen3-30b-a3b", "qwen3-32b", "qwen3-embedding-0.6b", "qwen3-embedding-8b",
}  # fmt: skip
ROUNDED = {"kimi-k2-instruct", "kimi-k2-thinking"}
"""Published as 1T, to one digit."""
EVERY_CONFIG = {"architectures", "model_type"}
EVERY_TEXT = {
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size",
    "max_position_embeddings",
}  # fmt: skip

each_model = pytest.mark.parametrize("row", MODELS, ids=lambda row: row.name)
each_licence = pytest.mark.parametrize("row", LICENCES, ids=lambda row: row.name)


def test_the_ladder_is_whole() -> None:
    assert set(shipped_models()) >= LADDER
    assert not any(name.startswith("llama-3.3-8b") for name in shipped_models()), "there is no such model"


def test_no_name_and_no_repository_is_there_twice() -> None:
    assert len({row.hub for row in MODELS}) == len(MODELS) == len({row.title for row in MODELS})


@each_model
def test_its_configuration_says_what_sizing_needs(row: Model) -> None:
    assert set(row.config) >= EVERY_CONFIG
    assert set(row.config.get("text_config", row.config)) >= EVERY_TEXT
    architecture = read_architecture(row.config, row.name)
    assert not any("unknown here" in note for note in architecture.notes)


@each_model
def test_published_total_is_reproduced(row: Model) -> None:
    computed = read_architecture(row.config, row.name).total_params / 1e9
    if row.name in ROUNDED:
        assert float(f"{computed:.1g}") == row.total_params_b
    else:
        assert math.isclose(computed, row.total_params_b, rel_tol=0.005)


@each_model
def test_published_active_count_is_reproduced(row: Model) -> None:
    """Some vendors count the input embedding, some do not; all round."""
    architecture = read_architecture(row.config, row.name)
    embedding = sum(weight.params for weight in architecture.weights if weight.part == "embedding")
    least, most = architecture.active_params / 1e9, (architecture.active_params + embedding) / 1e9
    assert least * 0.98 <= row.active_params_b <= most * 1.02
    assert row.active_params_b <= row.total_params_b


@each_model
def test_measured_weights_are_near_the_computed_ones(row: Model) -> None:
    """Start-up logs of several versions: within 8 %, most of it padding and copies on every rank."""
    architecture = read_architecture(row.config, row.name)
    for measured in row.measured:
        rank = weight_bytes(architecture, Parallel(tp=measured.gpus, pp=1), architecture.dtype)
        assert rank * measured.gpus / GIB == pytest.approx(measured.weights_gib, rel=0.08)


def test_reserved_positions_hold_no_tokens() -> None:
    """vLLM refuses a longer context than the tokenizer's 8,192 for this model."""
    row = shipped_models()["bge-m3"]
    assert row.config["max_position_embeddings"] == 8194
    assert read_architecture(row.config, row.name).max_position == 8192


@each_model
def test_it_says_when_to_look_again(row: Model) -> None:
    months = 12 if row.kind == "embedding" else 6
    assert dt.timedelta() < row.review_by - row.as_of <= dt.timedelta(days=31 * months)
    assert all(claim.as_of <= row.as_of and claim.by for claim in row.strengths)


@each_model
def test_its_licence_is_known(row: Model) -> None:
    assert row.licence in shipped_licences()


@each_licence
def test_a_licence_is_used_and_says_what_it_demands(row: Licence) -> None:
    assert row.name in {model.licence for model in MODELS}
    assert row.terms.endswith(".")
    assert "\n" not in row.terms


@pytest.mark.parametrize(
    ("name", "commercial"),
    [
        ("gpt-oss-120b", "yes"),
        ("qwen3-235b-a22b-fp8", "yes"),
        ("deepseek-v3", "conditions"),
        ("deepseek-v3-0324", "yes"),
        ("qwen2.5-7b-instruct", "yes"),
        ("qwen2.5-72b-instruct", "conditions"),
        ("llama-3.3-70b-instruct", "conditions"),
        ("kimi-k2-instruct", "conditions"),
        ("mistral-large-2407", "no"),
    ],
)
def test_commercial_use(name: str, commercial: str) -> None:
    assert shipped_licences()[shipped_models()[name].licence].commercial == commercial


def test_what_no_primary_source_says_is_marked() -> None:
    llama4 = shipped_licences()["Llama-4-Community"]
    assert "European Union" in llama4.terms
    assert not llama4.sure("terms")
    assert any("secondary" in note for note in licence_notes(llama4))


def of(name: str) -> tuple[Model, Licence]:
    row = shipped_models()[name]
    return row, shipped_licences()[row.licence]


def test_a_research_licence_is_refused() -> None:
    with pytest.raises(PlanError) as refused:
        check_licence(*of("mistral-large-2407"), accepted=())
    error = refused.value
    assert error.code == "licence_not_accepted"
    assert error.exit_code == ExitCode.USAGE
    assert "forbids commercial use" in error.message
    assert "`--accept-licence`" in error.hint
    assert 'model.accept_licence = "MRL-0.1"' in error.hint


def test_another_licence_accepted_is_not_this_one() -> None:
    with pytest.raises(PlanError):
        check_licence(*of("mistral-large-2407"), accepted=("Apache-2.0", "mrl-0.1"))


def test_a_research_licence_is_accepted_by_name() -> None:
    check_licence(*of("mistral-large-2407"), accepted=("MRL-0.1",))
    assert "paid licence" in licence_notes(shipped_licences()["MRL-0.1"])[0]


@pytest.mark.parametrize("row", [row for row in MODELS if row.name != "mistral-large-2407"], ids=lambda row: row.name)
def test_every_other_model_needs_no_acceptance(row: Model) -> None:
    check_licence(row, shipped_licences()[row.licence], accepted=())


def test_conditions_are_told_and_permissive_licences_are_not() -> None:
    assert licence_notes(shipped_licences()["MIT"]) == ()
    assert "100 million" in licence_notes(shipped_licences()["Qwen"])[0]
