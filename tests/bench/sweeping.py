"""How long a sweep of a clean region takes over the emulated account, and one that finds a whole stack."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from lifecycle.sweeping.records import Place
from lifecycle.sweeping.swept import sweep
from planner.progress import Silent
from planner.tags import STACK_TAG
from tests.bench.measure import Figure, machine, say, time_of
from tests.lifecycle.sweeping.makers import MAKERS, Maker
from tests.sandbox.aws.account import start, stop

ROUNDS = 9
_WITHOUT = {"auto-scaling-group", "kms-key", "launch-template", "schedule-group", "snapshot"}
"""Made along with others."""


def main() -> None:
    """Measure and print."""
    say(f"# Sweeping ({machine()})")
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        account, process = start(Path(folder, "log"))
        try:
            for what, stack in (("one stack", "bench"), ("all stacks", None)):
                cold = Place(account.clients(), "123456789012", stack)
                first = time_of(partial(sweep, cold, Silent()))
                say(Figure(f"a clean region, {what}, the first time", [first], 3.0, "clients are made, too").line())
                times = [time_of(partial(sweep, cold, Silent())) for _ in range(ROUNDS)]
                say(Figure(f"a clean region, {what}", times, 3.0, "every kind is looked at").line())
            place = Place(account.clients(), "123456789012", "bench")
            maker = Maker(place.client, "bench", {STACK_TAG: "bench"})
            made = [make(maker) for kind, make in sorted(MAKERS.items()) if kind not in _WITHOUT]
            taken = time_of(partial(sweep, place, Silent(), delete=True))
            say(Figure(f"{len(made)} things and what they need, deleted", [taken], None, "with a last look").line())
        finally:
            stop(process)


if __name__ == "__main__":
    main()
