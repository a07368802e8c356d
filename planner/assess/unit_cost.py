"""Cost per million tokens from the cost of an hour."""

from __future__ import annotations

from planner.ranges import Range


def cost_per_million(per_hour: float, tokens_per_s: Range, utilisation: float) -> Range:
    """Return what a million generated tokens cost, in the currency of `per_hour`.

    per_hour / (tokens_per_s x utilisation x 3600) x 10^6: the most tokens give the lowest cost.

    Args:
        per_hour: all machines that make the tokens, for an hour.
        tokens_per_s: what they make together at full load, tokens per second.
        utilisation: part of that which is made on average, above 0 and at most 1.

    Raises:
        ValueError: a rate or the utilisation is not above 0, or the utilisation is above 1.

    """
    if not 0 < utilisation <= 1:
        raise ValueError(f"utilisation is a part above 0 and at most 1, not {utilisation}")
    if tokens_per_s.low <= 0:
        raise ValueError(f"tokens per second are above 0, not {tokens_per_s.low}")

    def at(rate: float) -> float:
        return per_hour / (rate * utilisation * 3600) * 1e6

    return Range(low=at(tokens_per_s.high), typical=at(tokens_per_s.typical), high=at(tokens_per_s.low))
