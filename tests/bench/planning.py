"""How long planning takes: a shipped profile, all of them in one process, and `deploy size` as a whole."""

from __future__ import annotations

import statistics
import sys
from functools import partial

from lifecycle.profiles import load_profile, shipped_names
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from tests.bench.measure import Figure, machine, process_times, say, time_of

ROUNDS = 40


def main() -> None:
    """Measure and print."""
    say(f"# Planning ({machine()})")
    catalogue = load_catalogue()
    profiles = {name: load_profile(name) for name in shipped_names()}
    plans = {name: partial(make_plan, profile, catalogue, Site(stack="s")) for name, profile in profiles.items()}
    first = {name: time_of(plan) for name, plan in plans.items()}
    slowest = max(first, key=lambda name: first[name])
    say(
        Figure(
            f"the first plan of {slowest}, the slowest", [first[slowest]], 0.050, "after imports, nothing cached"
        ).line()
    )
    times = [time_of(plan) for _ in range(ROUNDS) for plan in plans.values()]
    say(Figure("a plan", times, 0.005, f"of {ROUNDS} rounds over {len(profiles)} profiles").line())
    say(f"  that is {1 / statistics.mean(times):.0f} plans/s in one process (200 wanted)")
    size = [sys.executable, "-P", "-m", "cli", "size", "qwen3-235b-a22b-fp8", "--gpu", "h200", "--count", "2", "--json"]
    say(Figure("deploy size", process_times(size, 11), 0.300, "whole process").line())


if __name__ == "__main__":
    main()
