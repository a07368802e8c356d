"""The command line."""

from __future__ import annotations

import math
import shlex

import pytest

from sandbox.vllm_sim.options import parse

MODEL = ["--served-model-name", "tiny"]


def test_everything() -> None:
    options = parse(
        shlex.split(
            "--host ::1 --port 8001 --served-model-name a b --max-model-len 100 --max-num-seqs 2 "
            "--max-num-queued-reqs 3 --kv-cache-tokens 400 --prefill-tokens-per-second inf --decode-step-seconds 0.01 "
            "--decode-step-per-sequence-seconds 0 --seed 9 --enable-request-id-headers --shutdown-timeout 5"
        ),
        {"VLLM_API_KEY": "key", "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "75"},
    )
    assert (options.host, options.port, options.models, options.seed) == ("::1", 8001, ("a", "b"), 9)
    assert (options.engine.max_num_seqs, options.engine.kv_cache_tokens) == (2, 400)
    assert options.engine.prefill_tokens_per_second == math.inf
    assert options.engine.decode_step_per_sequence_seconds == 0
    assert options.queue.max_num_queued_reqs == 3
    assert (options.api_key, options.keep_alive_seconds, options.shutdown_seconds) == ("key", 75, 5)
    assert "key" not in repr(options)


def test_defaults() -> None:
    options = parse(MODEL, {})
    assert options.host == "127.0.0.1"
    assert options.engine.kv_cache_tokens == 16 * options.max_model_len
    assert options.keep_alive_seconds == 5
    assert (options.api_key, options.fault_file, options.queue.max_num_queued_reqs) == (None, None, None)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "--served-model-name"),
        ([*MODEL, "--host", "0.0.0.0"], "loopback"),
        ([*MODEL, "--host", "10.0.0.1"], "loopback"),
        ([*MODEL, "--host", "::"], "loopback"),
        ([*MODEL, "--host", "example.com"], "loopback"),
        ([*MODEL, "--max-model-len", "0"], "at least 1"),
        ([*MODEL, "--max-num-seqs", "x"], "invalid"),
        ([*MODEL, "--max-num-queued-reqs", "-1"], "negative"),
        ([*MODEL, "--prefill-tokens-per-second", "0"], "more than 0"),
        ([*MODEL, "--prefill-tokens-per-second", "nan"], "more than 0"),
        ([*MODEL, "--decode-step-seconds", "-0.1"], "not negative"),
        ([*MODEL, "--decode-step-seconds", "inf"], "not negative"),
        ([*MODEL, "--kv-cache-tokens", "10", "--max-model-len", "20"], "must fit in the KV cache"),
        ([*MODEL, "--max-num-batched-tokens", "10", "--max-num-seqs", "20"], "must not be less"),
        ([*MODEL, "--disable-log-requests"], "unrecognized"),
        ([*MODEL, "--max-model", "20"], "unrecognized"),
    ],
)
def test_refused(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments, {})
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_bad_environment(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(MODEL, {"VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "soon"})
    assert "VLLM_HTTP_TIMEOUT_KEEP_ALIVE" in capsys.readouterr().err


def test_help_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--help"], {})
    assert caught.value.code == 0
    assert "vllm_sim: an imitation of vLLM" in capsys.readouterr().out
