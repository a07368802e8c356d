"""What hands things to checks notices that it did."""

from __future__ import annotations


class Watch:
    """Whether a check was handed anything to judge.

    Whoever runs a check sets `handed` to False before it, and reads it after. A check that was handed nothing and found
    nothing had nothing of its kind before it. Ways that hand out everything, whatever its kind, count as well: what
    cannot be told is taken for judged.
    """

    def __init__(self) -> None:
        self.handed = False
