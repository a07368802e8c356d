"""Upper bounds of vLLM's histograms, read off the recorded metrics; seconds or tokens as the metric's name says."""

from __future__ import annotations

LATENCY = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
)  # fmt: skip

FIRST_TOKEN = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
)  # fmt: skip

BETWEEN_TOKENS = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip

STEP_TOKENS = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)

CHOICES = (1, 2, 5, 10, 20)

PREEMPTIONS = (1, 2, 3, 4, 5, 10, 20)

HTTP_FINE = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60,
)  # fmt: skip

HTTP_COARSE = (0.1, 0.5, 1)


def tokens(max_model_len: int) -> tuple[int, ...]:
    """1, 2, 5, 10, 20, 50 and so on, up to the longest sequence the model takes."""
    series = (mantissa * 10**power for power in range(len(str(max_model_len))) for mantissa in (1, 2, 5))
    return tuple(bound for bound in series if bound <= max_model_len)
