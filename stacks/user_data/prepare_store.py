"""Have a file system on a node's local NVMe disks. Standard library alone: this file travels in the node's user data.

The machine image assembles the disks itself a little after boot (AWS Deep Learning AMI release notes, `nvme_location`).
Where it does not, this does, and touches only disks that nothing uses.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

BY_ID = Path("/dev/disk/by-id")
DISKS = "nvme-Amazon_EC2_NVMe_Instance_Storage_*"
"""Links that udev makes for instance-store disks; those of EBS volumes have another name."""
LABEL = "cloister"
BY_LABEL = Path("/dev/disk/by-label") / LABEL
WHOLE = re.compile(r"/dev/nvme\d+n1")


def local_disks(links: Iterable[Path]) -> list[str]:
    """Return the whole disks behind these links, each once, without partitions."""
    found = {str(link.resolve()) for link in links}
    return sorted(disk for disk in found if WHOLE.fullmatch(disk))


def commands(disks: list[str], made: str, folder: str) -> list[list[str]]:
    """Return what to run: mount what was made before, else make it on the one disk, or a stripe over several."""
    source = made or (disks[0] if len(disks) == 1 else f"/dev/md/{LABEL}")
    steps = []
    if not made:
        if len(disks) > 1:
            options = ["--run", "--homehost=any", "--level=0", f"--raid-devices={len(disks)}"]
            steps.append(["mdadm", "--create", source, *options, *disks])
        steps.append(["mkfs.ext4", "-q", "-L", LABEL, "-E", "nodiscard", source])
    return [*steps, ["mount", "-o", "noatime,nodev,nosuid", source, folder]]


def in_use(disk: str, block: Path = Path("/sys/block")) -> bool:
    """Tell whether a disk has partitions, or belongs to a stripe or volume group."""
    own = block / Path(disk).name
    return any((own / "holders").iterdir()) or any(own.glob(f"{own.name}p*"))


def prepare(folder: Path, wait_s: float) -> str:
    """Return what is at the folder now: `mounted`, `made`, or `root` where the machine has no local disks."""
    folder.mkdir(parents=True, exist_ok=True)
    disks = local_disks(BY_ID.glob(DISKS))
    if not disks and not os.path.ismount(folder):
        return "root"
    until = time.monotonic() + wait_s
    while not os.path.ismount(folder):
        if time.monotonic() >= until:
            break
        time.sleep(1)
    else:
        return "mounted"
    made = str(BY_LABEL) if BY_LABEL.exists() else ""
    if not made and (used := [disk for disk in disks if in_use(disk)]):
        raise SystemExit(f"{', '.join(used)}: something else uses it, so it is not formatted; {folder} is not mounted")
    for command in commands(disks, made, str(folder)):
        subprocess.run(command, check=True)  # noqa: S603 - fixed words and the names of disks
    return "made"


if __name__ == "__main__":
    settings = json.loads(Path(sys.argv[1]).read_text())
    sys.stdout.write(f"{settings['store']}: {prepare(Path(settings['store']), settings['wait_s'])}\n")
