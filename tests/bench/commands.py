"""How long the commands take: `--help`, `up`, a second `up`, `down`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.measure import ROOT, Figure, machine, process_times, say, time_of
from tests.e2e.deploy_cli import Deploy

LIFE_RUNS = 3


def main() -> None:
    """Measure and print."""
    say(f"# Commands ({machine()})")
    launcher = str(ROOT / "deploy")
    help_times = process_times([launcher, "--help"], 11)
    say(Figure("./deploy --help", help_times, 0.15, "whole process").line())
    bare = process_times([sys.executable, "-P", "-m", "cli", "--help"], 11, env=Deploy(Path("/nowhere")).environment())
    say(Figure("  the same without the launcher", bare, None, "python -m cli --help").line())
    typer = process_times([sys.executable, "-c", "import typer"], 11)
    say(Figure("  python -c 'import typer'", typer, None, "whole process").line())
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        life(Deploy(Path(folder) / "state"))


def life(deploy: Deploy) -> None:
    """Time whole lives of a stack."""
    ups, graphs, repeats, downs = [], [], [], []
    for _ in range(LIFE_RUNS):
        report = deploy("up", "--profile", "2xh200", "--json").json
        ups.append(report["endpoint_after_s"])
        graphs.append(report["resources_s"])
        repeats.append(time_of(lambda: deploy("up")))
        downs.append(time_of(lambda: deploy("down")))
    say(Figure("up to the first HTTP 200", ups, 10, "as `up` reports it; add the start of Python, 0.1 s").line())
    say(Figure("  of which the resource graph", graphs, 3, "the step `resources`").line())
    say(Figure("a second up with nothing to do", repeats, 2, "whole process").line())
    say(Figure("down", downs, 5, "whole process").line())


if __name__ == "__main__":
    main()
