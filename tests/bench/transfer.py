"""A bundle to a host, against raw `scp` of the same files in the same run; the host is booted on this machine.

Both ends share this machine's processors, as they would not elsewhere: the ratio is the figure, not the rate.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
from pathlib import Path

from lifecycle.bundle.check import seal
from lifecycle.bundle.transfer import transfer
from lifecycle.home import Home
from lifecycle.hosts.openssh import write_config
from planner.progress import Silent
from tests.bench.measure import Figure, machine, say, time_of
from tests.hosts.lab import Lab
from tests.hosts.machine import Machine
from tests.hosts.test_prepare import inventory, login

FILES, FILE_BYTES = 4, 96 * 2**20
RUNS = 5
RATIO = 0.8


def main() -> None:
    """Measure and print."""
    say(f"# Transfer of a bundle ({machine()}, load {os.getloadavg()[0]:.1f})")
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as made, Lab() as lab:
        _measure(lab.host("bookworm"), Path(made))


def _measure(host: Machine, made: Path) -> None:
    folder = made / "bundle"
    (folder / "data").mkdir(parents=True)
    for number in range(FILES):
        (folder / "data" / str(number)).write_bytes(os.urandom(FILE_BYTES))
    seal(Home(made / "home"), folder, {}, Silent())
    hosts, how = inventory(host), login(host, made)
    config = write_config(made, hosts, how)
    raw, ours = [], []

    def scp() -> None:
        words = ("scp", "-q", "-r", "-F", str(config), str(folder), f"{host.name}:/tmp/raw")
        subprocess.run(words, check=True, timeout=300)

    for _ in range(RUNS):  # in turn, so that whatever else runs here meets both
        raw.append(time_of(scp))
        host.run("rm", "-rf", "/tmp/raw")
        ours.append(time_of(lambda: transfer(hosts, hosts.host[0], how, folder, Silent())))
        host.run("rm", "-rf", "/opt/cloister")
    size = FILES * FILE_BYTES / 1e6
    say(Figure(f"scp, {size:.0f} MB", raw, None, f"{size / statistics.median(raw):.0f} MB/s").line())
    say(
        Figure("transfer, with digests and the switch", ours, None, f"{size / statistics.median(ours):.0f} MB/s").line()
    )
    ratios = [one / other for one, other in zip(raw, ours, strict=True)]
    say(f"  share of scp's throughput: {statistics.median(ratios):.2f} (at least {RATIO} wanted; {min(ratios):.2f} to"
        f" {max(ratios):.2f}, {RUNS} pairs)")  # fmt: skip


if __name__ == "__main__":
    main()
