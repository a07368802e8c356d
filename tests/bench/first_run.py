"""How long the very first run takes: a copy of the repository, an empty home, no uv, nothing cached."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.bench.measure import Figure, machine, process_times, say, time_of
from tests.launcher.checkout import FAKES, Checkout, whole, with_fakes

RUNS = 3
OVERHEAD_RUNS = 51


def main() -> None:
    """Measure and print."""
    say(f"# First run ({machine()})")
    how = "whole process; empty home and caches, uv fetched too"
    say(Figure("./deploy version, the first time", [environment() for _ in range(RUNS)], None, how).line())
    say(Figure("./deploy up --yes, the first time", [up()], 60, how).line())
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        overhead(with_fakes(Path(folder)))


def environment() -> float:
    """Time the first `deploy version`, in seconds."""
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        checkout = whole(Path(folder))
        return time_of(lambda: succeed(checkout, "version"))


def up() -> float:
    """Time the first `deploy up`, in seconds."""
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        checkout = whole(Path(folder))
        try:
            return time_of(lambda: succeed(checkout, "up", "--profile", "2xh200", "--yes"))
        finally:
            succeed(checkout, "down")


def succeed(checkout: Checkout, *arguments: str) -> None:
    """Run `deploy` to its end, or stop the bench with what it said."""
    done = checkout.run(*arguments)
    if done.returncode != 0:
        raise SystemExit(f"deploy {' '.join(arguments)} -> {done.returncode}\n{done.stderr}")


def overhead(checkout: Checkout) -> None:
    """Time what the launcher adds, with an interpreter that only answers."""
    succeed(checkout)
    env = {"PATH": "/usr/bin:/bin"}
    through = process_times([str(checkout.root / "deploy")], OVERHEAD_RUNS, env)
    direct = process_times([str(FAKES / "interpreter"), "-P", "-m", "cli"], OVERHEAD_RUNS, env)
    say(Figure("launcher with .venv ready, and a stand-in", through, 0.03, "whole process").line())
    say(Figure("  the stand-in alone", direct, None, "whole process; the difference is what the launcher adds").line())


if __name__ == "__main__":
    main()
