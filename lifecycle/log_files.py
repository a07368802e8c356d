"""Reading logs from their end, and as they grow."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

LOOK_EVERY_S = 0.2


def last_lines(path: Path, lines: int) -> list[str]:
    """Return the last lines; none where there is no log yet."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, maxlen=lines)]
    except FileNotFoundError:
        return []


def read_lines(path: Path, lines: int, *, follow: bool) -> Iterator[str]:
    """Yield the last lines, and with `follow` every line that comes, across rotation."""
    if not path.is_file() or not follow:
        yield from last_lines(path, lines)
        return
    file = path.open(encoding="utf-8", errors="replace")
    try:
        yield from (line.rstrip("\n") for line in deque(file, maxlen=lines))
        while True:
            if line := file.readline():
                yield line.rstrip("\n")
                continue
            if path.is_file() and path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                file.close()
                file = path.open(encoding="utf-8", errors="replace")
                continue
            time.sleep(LOOK_EVERY_S)
    finally:
        file.close()
