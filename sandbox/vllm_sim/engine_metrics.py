"""vLLM's engine metrics: every family of the recording, in its order.

Counted for real is all that the imitated engine has. What it has not (caches of prefixes and of images, transfer of KV
caches, floating point operations) is there and stays zero. One difference: a request whose client went away is counted
as finished by `abort`; vLLM 0.32 has that label and leaves such requests out.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sandbox.vllm_sim import buckets
from sandbox.vllm_sim.sampling import FinishReason
from sandbox.vllm_sim.scheduler import Emission, Scheduler, Sequence, Step

_BLOCK_TOKENS = 16
"""Tokens of a block of vLLM's KV cache; only named in `vllm:cache_config_info`."""

_REASONS = ("stop", "length", "abort", "error", "repetition")

_TIERS = ("device", "host", "p2p", "disk", "external_unspecified")

_CACHE_CONFIG = {
    "_block_size_resolved": "True",
    "cache_dtype": "auto",
    "cache_hit_alignment_tokens": "None",
    "enable_mamba_shared_prefix_checkpoint": "False",
    "enable_prefix_caching": "False",
    "gpu_memory_utilization": "0.92",
    "hash_block_size": "None",
    "is_attention_free": "False",
    "kv_cache_dtype_skip_layers": "[]",
    "kv_cache_layout": "None",
    "kv_cache_memory_bytes": "None",
    "kv_offloading_backend": "native",
    "kv_offloading_size": "None",
    "kv_sharing_fast_prefill": "False",
    "mamba_block_size": "None",
    "mamba_cache_dtype": "auto",
    "mamba_cache_mode": "none",
    "mamba_page_size_padded": "None",
    "mamba_ssm_cache_dtype": "float32",
    "num_cpu_blocks": "None",
    "num_gpu_blocks_override": "None",
    "prefix_cache_retention_interval": "0",
    "prefix_caching_hash_algo": "sha256",
    "prefix_match_unit": "None",
    "replayssm_buffer_len": "16",
    "skip_page_size_padded": "None",
    "sliding_window": "None",
    "swa_bounded_replay": "True",
    "use_kda_recoverssm": "False",
    "use_replayssm": "False",
    "user_specified_block_size": "False",
}
"""Labels of `vllm:cache_config_info` that the imitation has no own value for."""


class EngineMetrics:
    """The metrics of one engine serving one model.

    Args:
        registry: where the families are registered, in the order of the recording.
        model: the served model's name.
        max_model_len: bounds the histograms of token counts.

    """

    def __init__(self, registry: CollectorRegistry, model: str, max_model_len: int) -> None:
        self._registry = registry
        self._labels = {"engine": "0", "model_name": model}
        self._max_model_len = max_model_len
        tokens = buckets.tokens(max_model_len)

        self._zero("estimated_flops_per_gpu", f"Estimated number of floating point operations {_MFU}")
        self._zero("estimated_read_bytes_per_gpu", f"Estimated number of bytes read from memory {_MFU}")
        self._zero("estimated_write_bytes_per_gpu", f"Estimated number of bytes written to memory {_MFU}")
        self._running = self._gauge("num_requests_running", "Number of requests in model execution batches.")
        self._waiting = self._gauge("num_requests_waiting", "Number of requests waiting to be processed.")
        self._waiting_by_reason = self._gauges(
            "num_requests_waiting_by_reason",
            "Number of waiting requests by reason. Reason labels: 'capacity' = waiting for scheduling capacity; "
            "'deferred' = deferred by transient constraints (LoRA budget, KV transfer, blocked status). "
            "Sum of all reasons equals vllm:num_requests_waiting.",
            "reason",
            ("capacity", "deferred"),
        )
        sleep = self._gauges(
            "engine_sleep_state",
            "Engine sleep state; awake = 0 means engine is sleeping; awake = 1 means engine is awake; "
            "weights_offloaded = 1 means sleep level 1; discard_all = 1 means sleep level 2.",
            "sleep_state",
            ("awake", "weights_offloaded", "discard_all"),
        )
        sleep["awake"].set(1)
        self._kv_usage = self._gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.")
        self._zero("prefix_cache_queries", f"Prefix cache queries, {_QUERIED}")
        self._zero("prefix_cache_hits", f"Prefix cache hits, {_CACHED}")
        self._zero("external_prefix_cache_queries", f"External prefix cache queries {_CONNECTOR}, {_QUERIED}")
        self._zero("external_prefix_cache_hits", f"External prefix cache hits {_CONNECTOR}, {_CACHED}")
        self._zero("mm_cache_queries", "Multi-modal cache queries, in terms of number of queried items.")
        self._zero("mm_cache_hits", "Multi-modal cache hits, in terms of number of cached items.")
        self._preempted = self._counter("num_preemptions", "Cumulative number of preemption from the engine.")
        self._prompt_tokens = self._counter("prompt_tokens", "Number of prefill tokens processed.")
        self._prompt_tokens_by_source = self._counters(
            "prompt_tokens_by_source",
            "Number of prompt tokens by source.",
            "source",
            ("local_compute", "local_cache_hit", "external_kv_transfer"),
        )
        self._zero("prompt_tokens_cached", "Number of cached prompt tokens (local + external).")
        self._counters(
            "prompt_tokens_cached_by_source",
            "Prefix-cache hit tokens by the cache tier that supplied them: device (local HBM), host (offloaded to "
            "DRAM), disk, p2p (transferred from another vLLM instance) or external_unspecified. Counted at admission; "
            "sums to vllm:prefix_cache_hits + vllm:external_prefix_cache_hits.",
            "source",
            _TIERS,
        )
        self._generation_tokens = self._counter("generation_tokens", "Number of generation tokens processed.")
        self._success = self._counters(
            "request_success", "Count of successfully processed requests.", "finished_reason", _REASONS
        )
        rejections = Counter(
            "vllm:admission_rejections",
            "Number of admission attempts rejected by a queue limit, by reason.",
            ("model_name", "reason"),
            registry=registry,
        )
        self._rejections = {
            reason: rejections.labels(model, reason) for reason in ("max_num_queued_reqs", "max_num_queued_tokens")
        }

        self._request_prompt = self._histogram("request_prompt_tokens", "Number of prefill tokens processed.", tokens)
        self._request_generated = self._histogram(
            "request_generation_tokens", "Number of generation tokens processed.", tokens
        )
        self._step_tokens = self._histogram(
            "iteration_tokens_total", "Histogram of number of tokens per engine_step.", buckets.STEP_TOKENS
        )
        self._most_generated = self._histogram(
            "request_max_num_generation_tokens", "Histogram of maximum number of requested generation tokens.", tokens
        )
        self._choices = self._histogram("request_params_n", "Histogram of the n request parameter.", buckets.CHOICES)
        self._max_tokens = self._histogram(
            "request_params_max_tokens", "Histogram of the max_tokens request parameter.", tokens
        )
        self._first_token = self._histogram(
            "time_to_first_token_seconds", "Histogram of time to first token in seconds.", buckets.FIRST_TOKEN
        )
        self._between_tokens = self._histogram(
            "inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", buckets.BETWEEN_TOKENS
        )
        self._per_token = self._histogram(
            "request_time_per_output_token_seconds",
            "Histogram of time_per_output_token_seconds per request.",
            buckets.BETWEEN_TOKENS,
        )
        self._e2e = self._phase("e2e_request_latency", "e2e request latency in seconds.")
        self._queue = self._phase("request_queue_time", "time spent in WAITING phase for request.")
        self._inference = self._phase("request_inference_time", "time spent in RUNNING phase for request.")
        self._prefill = self._phase("request_prefill_time", "time spent in PREFILL phase for request.")
        self._decode = self._phase("request_decode_time", "time spent in DECODE phase for request.")
        self._preemptions = self._histogram(
            "request_num_preemptions",
            "Histogram of the number of times a request was preempted.",
            buckets.PREEMPTIONS,
        )
        self._prefill_computed = self._histogram(
            "request_prefill_kv_computed_tokens",
            "Histogram of new KV tokens computed during prefill (excluding cached tokens).",
            tokens,
        )

    def watch(self, scheduler: Scheduler) -> None:
        """Read the gauges from this scheduler whenever they are asked for; tell the size of its KV cache."""
        size = scheduler.limits.kv_cache_tokens
        self._running.set_function(lambda: len(scheduler.running))
        self._waiting.set_function(lambda: len(scheduler.waiting))
        self._waiting_by_reason["capacity"].set_function(lambda: len(scheduler.waiting))
        self._kv_usage.set_function(lambda: scheduler.kv_tokens / size)
        info = {
            **_CACHE_CONFIG,
            "block_size": str(_BLOCK_TOKENS),
            "effective_attention_block_size": str(_BLOCK_TOKENS),
            "engine": "0",
            "kv_cache_max_concurrency": str(size / self._max_model_len),
            "kv_cache_size_tokens": str(size),
            "num_gpu_blocks": str(size // _BLOCK_TOKENS),
        }
        Gauge(
            "vllm:cache_config_info", "Information of the LLMEngine CacheConfig", tuple(info), registry=self._registry
        ).labels(**info).set(1)

    def stepped(self, step: Step, emissions: list[Emission]) -> None:
        """Count a step of the engine that has ended with these tokens."""
        self._step_tokens.observe(sum(chunk for _, chunk in step.prefill) + len(emissions))
        self._preempted.inc(len(step.preempted))
        self._generation_tokens.inc(len(emissions))
        for emission in emissions:
            if emission.gap is not None:
                self._between_tokens.observe(emission.gap)
            else:
                self._started(emission.sequence)

    def finished(self, sequence: Sequence, reason: FinishReason, max_tokens: int, now: float) -> None:
        """Count a sequence that has given its last token."""
        decode = sequence.last_token - sequence.first_token
        self._success[reason].inc()
        self._e2e.observe(now - sequence.arrived)
        self._queue.observe(sequence.scheduled - sequence.arrived)
        self._prefill.observe(sequence.first_token - sequence.scheduled)
        self._inference.observe(sequence.last_token - sequence.scheduled)
        self._decode.observe(decode)
        self._per_token.observe(decode / (sequence.generated - 1) if sequence.generated > 1 else 0)
        self._preemptions.observe(sequence.preemptions)
        self._prefill_computed.observe(sequence.prompt_tokens)
        self._request_prompt.observe(sequence.prompt_tokens)
        self._request_generated.observe(sequence.generated)
        self._max_tokens.observe(max_tokens)

    def request_finished(self, sequences: list[Sequence]) -> None:
        """Count a request whose last sequence has finished."""
        self._choices.observe(len(sequences))
        self._most_generated.observe(max(sequence.generated for sequence in sequences))

    def aborted(self) -> None:
        """Count a sequence whose client went away."""
        self._success["abort"].inc()

    def rejected(self, reason: str) -> None:
        """Count a request that a queue limit refused."""
        self._rejections[reason].inc()

    def _started(self, sequence: Sequence) -> None:
        self._first_token.observe(sequence.first_token - sequence.arrived)
        self._prompt_tokens.inc(sequence.prompt_tokens)
        self._prompt_tokens_by_source["local_compute"].inc(sequence.prompt_tokens)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"vllm:{name}", text, tuple(self._labels), registry=self._registry).labels(**self._labels)

    def _gauges(self, name: str, text: str, label: str, values: Iterable[str]) -> dict[str, Gauge]:
        family = Gauge(f"vllm:{name}", text, (*self._labels, label), registry=self._registry)
        return {value: family.labels(**self._labels, **{label: value}) for value in values}

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"vllm:{name}", text, tuple(self._labels), registry=self._registry).labels(**self._labels)

    def _counters(self, name: str, text: str, label: str, values: Iterable[str]) -> dict[str, Counter]:
        family = Counter(f"vllm:{name}", text, (*self._labels, label), registry=self._registry)
        return {value: family.labels(**self._labels, **{label: value}) for value in values}

    def _zero(self, name: str, text: str) -> None:
        """Register a counter that the imitation has nothing to count for."""
        self._counter(name, text)

    def _histogram(self, name: str, text: str, bounds: tuple[float, ...]) -> Histogram:
        family = Histogram(f"vllm:{name}", text, tuple(self._labels), buckets=bounds, registry=self._registry)
        return family.labels(**self._labels)

    def _phase(self, name: str, what: str) -> Histogram:
        return self._histogram(f"{name}_seconds", f"Histogram of {what}", buckets.LATENCY)


_MFU = "per GPU (for Model Flops Utilization calculations)."
_QUERIED = "in terms of number of queried tokens."
_CACHED = "in terms of number of cached tokens."
_CONNECTOR = "from KV connector cross-instance cache sharing"
