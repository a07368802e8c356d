"""When a Capacity Block's node is left, as the host's watcher (`gateway.reclaim`) reads it."""

from __future__ import annotations

import msgspec

from planner.capacity import Drain


def render_block_times(drain: Drain) -> str:
    """Return the text of `times.json` in the service's configuration folder; it is read anew whenever it changes."""
    times = {"stop_taking_at": drain.stop_taking_at, "reclaim_at": drain.reclaim_at}
    return msgspec.json.encode(times).decode() + "\n"
