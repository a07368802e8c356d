"""A figure that is not known exactly: what it is likely to be, and between which bounds."""

from __future__ import annotations

import msgspec


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds and the likeliest value, in the unit of the figure."""

    low: float
    typical: float
    high: float

    def __post_init__(self) -> None:
        """Refuse bounds that do not enclose the value."""
        if not self.low <= self.typical <= self.high:
            raise ValueError(f"{self.low} <= {self.typical} <= {self.high} does not hold")

    @classmethod
    def exactly(cls, value: float) -> Range:
        """Return a figure without doubt."""
        return cls(low=value, typical=value, high=value)

    @classmethod
    def around(cls, value: float, down: float, up: float) -> Range:
        """Return a value with bounds given as factors."""
        return cls(low=value * down, typical=value, high=value * up)

    def plus(self, other: Range) -> Range:
        """Add bound to bound."""
        return Range(low=self.low + other.low, typical=self.typical + other.typical, high=self.high + other.high)

    def times(self, factor: float) -> Range:
        """Multiply all three by a positive factor."""
        return Range(low=self.low * factor, typical=self.typical * factor, high=self.high * factor)

    def rounded(self, digits: int) -> Range:
        """Round all three."""
        return Range(low=round(self.low, digits), typical=round(self.typical, digits), high=round(self.high, digits))
