"""`deploy size` as its user calls it: any config.json in, one clear answer or one clear error out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import run

KEYS = {
    "weights_gib_per_gpu", "activation_gib_per_gpu", "cudagraph_gib_per_gpu", "kv_cache_gib_per_gpu",
    "kv_bytes_per_token_per_gpu", "kv_cache_tokens", "max_concurrency", "fits", "notes",
}  # fmt: skip
CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}


def size(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run(["size", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_model_of_the_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    code, report = size(capsys, "qwen3-235b-a22b-fp8", "--gpu", "h200", "--count", "2", "--max-model-len", "32K")
    assert code == 0
    assert set(report) >= KEYS
    assert (report["tp"], report["max_model_len"], report["fits"]) == (2, 32768, True)


def test_a_file_and_the_folder_it_lies_in_say_the_same(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG))
    one = size(capsys, "--config", str(file), "--gpu", "l40s", "--kv-cache-gib", "10GiB")
    other = size(capsys, "--config", str(tmp_path), "--gpu", "l40s", "--kv-cache-gib", "10")
    assert one[1]["kv_cache_tokens"] == other[1]["kv_cache_tokens"] == 81920


def test_a_quantisation_described_beside_the_file_counts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    plain = size(capsys, "--config", str(tmp_path), "--gpu", "h200")[1]
    described = {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}}
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(described))
    quantised = size(capsys, "--config", str(tmp_path), "--gpu", "h200")[1]
    assert quantised["weights_gib_per_gpu"] < 0.65 * plain["weights_gib_per_gpu"]
    assert quantised["kv_bytes_per_token_per_gpu"] * 2 == plain["kv_bytes_per_token_per_gpu"]


def test_what_does_not_fit_fails_and_says_what_would(capsys: pytest.CaptureFixture[str]) -> None:
    code, report = size(capsys, "llama-3.1-405b-instruct", "--gpu", "a100-80", "--count", "8")
    assert code == 1
    assert report["missing_gib_per_gpu"] > 20
    assert {remedy["option"].split()[0] for remedy in report["remedies"]} == {"--quantization", "--count"}


def test_what_is_not_verified_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert size(capsys, "gpt-oss-120b", "--gpu", "h200")[1]["unverified"] == []
    doubts = size(capsys, "kimi-k2-thinking", "--gpu", "mi300x", "--count", "8")[1]["unverified"]
    assert doubts == ["kimi-k2-thinking: config", "mi300x: memory_gib"]


def test_precision_context_and_concurrency_stand_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["size", "gpt-oss-120b", "--gpu", "h200"]) == 0
    card = capsys.readouterr().out.split("╰")[0]
    assert all(word in card for word in ("precision", "context", "concurrency"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no JSON"),
        (b"{", "is no JSON"),
        (b"\xff\xfe{}", "no UTF-8 text"),
        (b"[]", "is no JSON object"),
        (b"{}", "cannot be sized"),
        pytest.param(b" " * (8 * 2**20 + 1), "larger than 8,192 KiB", id="too large"),
        (json.dumps({**CONFIG, "num_attention_heads": 0}).encode(), "`num_attention_heads` is 0"),
        (json.dumps({**CONFIG, "hidden_size": 10**12}).encode(), "`hidden_size` is more than"),
        (json.dumps({**CONFIG, "vocab_size": 10**18}).encode(), "`vocab_size` is more than"),
        (json.dumps({**CONFIG, "quantization_config": "fp8"}).encode(), "`quantization_config` is not an object"),
    ],
)
def test_bad_files(capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(content)
    code, report = size(capsys, "--config", str(file))
    assert code == 2
    assert message in report["error"]["message"]
    assert str(file) in report["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name one model"),
        (("llama-3.1-8b-instruct", "--config", "x"), "name one model"),
        (("--config", "/nowhere/config.json"), "cannot be read"),
        (("llama-3.1-8b-instrct",), "no model 'llama-3.1-8b-instrct'"),
        (("llama-3.1-8b-instruct", "--gpu", "h2000"), "no GPU 'h2000'"),
        (("llama-3.1-8b-instruct", "--count", "0"), "--count"),
        (("llama-3.1-8b-instruct", "--tp", "-1"), "--tp"),
        (("llama-3.1-8b-instruct", "--tp", "3", "--count", "4"), "does not divide 32 attention heads"),
        (("llama-3.1-8b-instruct", "--max-model-len", "32GB"), "unknown unit"),
        (("llama-3.1-8b-instruct", "--kv-cache-gib", "-4"), "no positive quantity"),
        (("llama-3.1-8b-instruct", "--gpu-memory-utilization", "92"), "is 92"),
        (("llama-3.1-8b-instruct", "--engine-version", "new"), "is no version"),
        (("llama-3.1-8b-instruct", "--dtype", "int4"), "'int4' is unknown"),
        (("llama-3.1-8b-instruct", "--quantization", "magic"), "'magic' is unknown"),
    ],
)
def test_bad_words(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str) -> None:
    code, report = size(capsys, *arguments)
    assert code == 2
    assert message in report["error"]["message"]
