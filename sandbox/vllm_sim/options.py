"""The command line. Flags that vLLM has carry vLLM's names and meaning."""

from __future__ import annotations

import argparse
import ipaddress
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.vllm_sim import IMITATED_VERSION, NAME
from sandbox.vllm_sim.engine import QueueLimits
from sandbox.vllm_sim.scheduler import EngineLimits

_KEEP_ALIVE_SECONDS = "5"
"""vLLM's default of VLLM_HTTP_TIMEOUT_KEEP_ALIVE."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What one server is to be.

    Attributes:
        host: loopback address to listen on.
        port: port to listen on; 0 takes a free one.
        models: served names; answers carry the first.
        max_model_len: longest prompt and answer together, in tokens.
        engine: sizes and rates of the engine.
        queue: when to refuse.
        seed: fixes the answers.
        fault_file: where faults are read from; none means no faults.
        request_id_headers: answer with `x-request-id`.
        shutdown_seconds: how long requests may go on when the server is told to stop.
        keep_alive_seconds: how long an idle connection is kept open.
        pooling: serve embeddings instead of generating.
        embedding_width: numbers of a vector.
        api_key: guards what vLLM's key guards; none guards nothing.

    """

    host: str
    port: int
    models: tuple[str, ...]
    max_model_len: int
    engine: EngineLimits
    queue: QueueLimits
    seed: int
    fault_file: Path | None
    request_id_headers: bool
    shutdown_seconds: float
    keep_alive_seconds: float
    pooling: bool
    embedding_width: int
    api_key: str | None = field(repr=False)


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """Read the command line, and the variables `VLLM_API_KEY` and `VLLM_HTTP_TIMEOUT_KEEP_ALIVE`.

    Raises:
        SystemExit: with status 2 and a message on stderr, when something is wrong; with 0 for `--help`.

    """
    parser = _parser()
    values = parser.parse_args(arguments)
    kv_cache_tokens = values.kv_cache_tokens or 16 * values.max_model_len
    if kv_cache_tokens < values.max_model_len:
        parser.error(
            f"--kv-cache-tokens {kv_cache_tokens} is too small for --max-model-len {values.max_model_len}: "
            "one sequence of full length must fit in the KV cache"
        )
    if values.max_num_batched_tokens < values.max_num_seqs:
        parser.error(
            f"--max-num-batched-tokens {values.max_num_batched_tokens} must not be less than "
            f"--max-num-seqs {values.max_num_seqs}"
        )
    try:
        keep_alive_seconds = _duration(environment.get("VLLM_HTTP_TIMEOUT_KEEP_ALIVE", _KEEP_ALIVE_SECONDS))
    except (ValueError, argparse.ArgumentTypeError) as error:
        parser.error(f"VLLM_HTTP_TIMEOUT_KEEP_ALIVE: {error}")
    return Options(
        host=values.host,
        port=values.port,
        models=tuple(values.served_model_name),
        max_model_len=values.max_model_len,
        engine=EngineLimits(
            max_num_seqs=values.max_num_seqs,
            max_num_batched_tokens=values.max_num_batched_tokens,
            kv_cache_tokens=kv_cache_tokens,
            prefill_tokens_per_second=values.prefill_tokens_per_second,
            decode_step_seconds=values.decode_step_seconds,
            decode_step_per_sequence_seconds=values.decode_step_per_sequence_seconds,
        ),
        queue=QueueLimits(
            max_num_queued_reqs=values.max_num_queued_reqs, max_num_queued_tokens=values.max_num_queued_tokens
        ),
        seed=values.seed,
        fault_file=values.fault_file,
        request_id_headers=values.enable_request_id_headers,
        shutdown_seconds=values.shutdown_timeout,
        keep_alive_seconds=keep_alive_seconds,
        pooling=values.runner == "pooling",
        embedding_width=values.embedding_width,
        api_key=environment.get("VLLM_API_KEY") or None,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m sandbox.{NAME}",
        description=f"{NAME}: an imitation of vLLM {IMITATED_VERSION}'s API server. It holds no model; the text is "
        "made up. Set VLLM_API_KEY to ask for a key where vLLM does.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    server = parser.add_argument_group("server")
    server.add_argument("--host", type=_loopback, default="127.0.0.1", help="loopback address to listen on")
    server.add_argument("--port", type=_count, default=8000, help="port to listen on; 0 takes a free one")
    server.add_argument(
        "--served-model-name", nargs="+", required=True, metavar="NAME", help="names of the model; the first answers"
    )
    server.add_argument(
        "--runner", choices=("generate", "pooling"), default="generate", help="pooling: serve embeddings"
    )
    server.add_argument("--embedding-width", type=_positive, default=256, metavar="N", help="numbers of a vector")
    server.add_argument("--enable-request-id-headers", action="store_true", help="answer with x-request-id")
    server.add_argument(
        "--shutdown-timeout", type=_duration, default=0.0, metavar="SECONDS", help="let requests end when stopped"
    )
    server.add_argument("--fault-file", type=Path, metavar="PATH", help="JSON with faults to make, read when changed")
    engine = parser.add_argument_group("engine")
    engine.add_argument("--max-model-len", type=_positive, default=8192, metavar="TOKENS", help="context length")
    engine.add_argument("--max-num-seqs", type=_positive, default=256, metavar="N", help="sequences that run at once")
    engine.add_argument(
        "--max-num-batched-tokens", type=_positive, default=8192, metavar="N", help="tokens computed in one step"
    )
    engine.add_argument(
        "--max-num-queued-reqs", type=_count, metavar="N", help="refuse more requests than this, running or waiting"
    )
    engine.add_argument(
        "--max-num-queued-tokens", type=_count, metavar="N", help="refuse while so many prompt tokens wait"
    )
    engine.add_argument(
        "--kv-cache-tokens", type=_positive, metavar="N", help="size of the KV cache; none: 16 full contexts"
    )
    engine.add_argument("--prefill-tokens-per-second", type=_rate, default=8000.0, metavar="F", help="`inf`: no wait")
    engine.add_argument(
        "--decode-step-seconds", type=_duration, default=0.02, metavar="F", help="time of a token, one sequence running"
    )
    engine.add_argument(
        "--decode-step-per-sequence-seconds",
        type=_duration,
        default=0.0002,
        metavar="F",
        help="what each further sequence adds to it",
    )
    engine.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same answers")
    return parser


def _loopback(text: str) -> str:
    try:
        loopback = text == "localhost" or ipaddress.ip_address(text).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise argparse.ArgumentTypeError(f"{text}: an imitation listens on loopback addresses only")
    return text


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text}: must not be negative")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be at least 1")
    return number


def _duration(text: str) -> float:
    seconds = float(text)
    if not (seconds >= 0 and math.isfinite(seconds)):
        raise argparse.ArgumentTypeError(f"{text}: must be a number of seconds, not negative")
    return seconds


def _rate(text: str) -> float:
    rate = float(text)
    if not rate > 0:
        raise argparse.ArgumentTypeError(f"{text}: must be more than 0")
    return rate
