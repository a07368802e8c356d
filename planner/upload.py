"""How a file is cut into the parts that S3 takes it in (S3 user guide, multipart upload limits)."""

from __future__ import annotations

PART_BYTES = 64 * 2**20
"""Length of a part: large enough to fill a connection, small enough to be sent again."""
SMALLEST_PART = 5 * 2**20
"""S3 refuses shorter parts, but for the last."""
MOST_PARTS = 10_000
_STEP = 2**20


def part_bytes(size: int, wanted: int = PART_BYTES) -> int:
    """Return the length of a file's parts, in bytes: the same for the same file, so that an upload can be continued.

    Args:
        size: of the file, in bytes.
        wanted: length of a part, unless the file would have too many.

    """
    needed = -(-size // MOST_PARTS)
    return max(wanted, -(-needed // _STEP) * _STEP)


def windows(size: int, length: int) -> tuple[tuple[int, int], ...]:
    """Return where each part begins and how long it is; a file of no bytes has one part of none."""
    return tuple((start, min(length, size - start)) for start in range(0, size, length)) or ((0, 0),)
