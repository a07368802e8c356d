"""What the AWS stack costs the toolkit: time from 1 to 128 nodes, and memory.

Each size is carried out in a process of its own (`python -m tests.bench.aws NODES URL`), against an emulated account in
another: what is counted is the toolkit's, though on few cores the account's share of the work is waited for as well.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from lifecycle.home import Home
from lifecycle.profiles import load_profile
from lifecycle.provision import Provisioner
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.plan import Plan
from planner.progress import Silent
from tests.bench.measure import ROOT, Figure, machine, say
from tests.sandbox.aws.account import start, stop

SIZES = (1, 8, 32, 128)
RUNS = 3
MEMORY_MIB = 400


def main() -> None:
    """Measure and print."""
    say(f"# The AWS stack ({machine()}, load {os.getloadavg()[0]:.1f})")
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        account, process = start(Path(folder) / "account.log")
        try:
            _sizes(account.url)
        finally:
            stop(process)


def _sizes(url: str) -> None:
    found = {size: [_in_a_process(size, url) for _ in range(RUNS)] for size in SIZES}
    for size, runs in found.items():
        planned, made = [run["planned_s"] for run in runs], [run["made_s"] for run in runs]
        bounds = {1: (3, 3), 128: (10, 10)}.get(size, (None, None))
        say(Figure(f"plan and graph, {size} nodes", planned, bounds[0], "with imports, nothing asked").line())
        say(Figure("  carried out in the account", made, bounds[1], "with the account's own work").line())
        say(Figure("  of which the toolkit's own", [run["cpu_s"] for run in runs], None, "processor time").line())
    best = {size: min(run["made_s"] for run in runs) for size, runs in found.items()}
    each = [(best[more] - best[fewer]) / (more - fewer) for fewer, more in ((8, 32), (32, 128))]
    say(f"  a node more costs {1000 * each[0]:.0f} ms from 8 to 32, {1000 * each[1]:.0f} ms from 32 to 128")
    memory = max(run["memory_mib"] for run in found[SIZES[-1]])
    say(f"  the toolkit's memory at {SIZES[-1]} nodes: {memory:.0f} MiB (at most {MEMORY_MIB} wanted)")


def _in_a_process(size: int, url: str) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.aws", str(size), url]
    ran = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    answer: dict[str, float] = json.loads(ran.stdout)
    return answer


def one_life(size: int, url: str) -> dict[str, Any]:
    """Plan, preview, make and delete a stack of so many nodes; return the figures."""
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as folder:
        home = Home(Path(folder)).stack("bench")
        home.folder.mkdir(parents=True)
        started = time.perf_counter()
        made = Provisioner(plan_of(size, int(url.rpartition(":")[2])), home, Silent())
        made.preview()
        planned = time.perf_counter() - started
        processor, started = time.process_time(), time.perf_counter()
        made.up()
        figures = {
            "planned_s": planned,
            "made_s": time.perf_counter() - started,
            "cpu_s": time.process_time() - processor,
            "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        made.destroy()
    return figures


def plan_of(size: int, port: int) -> Plan:
    """Return the plan of 2xh200 with so many nodes; spot, of which the emulated account has enough."""
    plan = make_plan(load_profile("2xh200"), load_catalogue(), Site(stack="bench", ports={"aws.http": port}))
    first = plan.nodes[0]
    nodes = (msgspec.structs.replace(first, name=f"node-{number}", capacity="spot") for number in range(size))
    return msgspec.structs.replace(plan, nodes=tuple(nodes))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        say(json.dumps(one_life(int(sys.argv[1]), sys.argv[2])))
    else:
        main()
