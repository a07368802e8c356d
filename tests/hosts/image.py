"""The root folder that a test host starts from: made once per release and recipe, then kept for this machine."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

import msgspec
import platformdirs
from filelock import FileLock

Release = Literal["bookworm", "trixie"]

INSTALLED = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "libpam-systemd",
    "openssh-server",
    "procps",
    "python3-apt",
    "sudo",
    "systemd-sysv",
)
"""What a host has before anybody prepares it: as a rented server comes, with SSH, sudo and Python."""
AT_HAND = (
    "auditd",
    "chrony",
    "debsums",
    "libpam-pwquality",
    "libpam-tmpdir",
    "lynis",
    "nftables",
    "rsyslog",
    "rsyslog-openssl",
    "testssl.sh",
    "unattended-upgrades",
)
"""Packages in apt's own cache: a host installs them for real, with no route to a mirror."""
OPERATOR = "ops"
"""The host's user: logs in with a key, and may use sudo without a password."""
SHARED_PASSWORD_USER = "clerk"
"""A user whose sudo wants a password, which is its name."""

# A host may not set this machine's clock, so the service would not start: here it runs without touching the clock.
CHRONY_WITHOUT_CLOCK = "[Unit]\\nConditionCapability=\\n[Service]\\nEnvironmentFile=\\nEnvironment=DAEMON_OPTS=-x\\n"
HOOKS = (
    "rm -f $1/etc/ssh/ssh_host_*",
    f"chroot $1 useradd --create-home --shell /bin/bash {OPERATOR}",
    f"chroot $1 useradd --create-home --shell /bin/bash --groups sudo {SHARED_PASSWORD_USER}",
    f"echo {SHARED_PASSWORD_USER}:{SHARED_PASSWORD_USER} | chroot $1 chpasswd",
    f"echo '{OPERATOR} ALL=(ALL) NOPASSWD: ALL' > $1/etc/sudoers.d/{OPERATOR}",
    "mkdir -p $1/etc/systemd/system/chrony.service.d",
    f"printf '{CHRONY_WITHOUT_CLOCK}' > $1/etc/systemd/system/chrony.service.d/container.conf",
    # Nothing configures the network but the harness, and nothing waits for what does.
    "chroot $1 systemctl mask systemd-networkd-wait-online.service systemd-networkd.service",
    "chroot $1 apt-get -qq clean",
    f"chroot $1 apt-get -qq -y --no-install-recommends --download-only install {' '.join(AT_HAND)}",
)
BUILD_TIMEOUT_S = 400


class Recipe(msgspec.Struct, frozen=True):
    """Everything that decides what an image holds."""

    release: Release
    installed: tuple[str, ...] = INSTALLED
    hooks: tuple[str, ...] = HOOKS

    @property
    def key(self) -> str:
        """Name of the image that this recipe makes."""
        return f"{self.release}-{hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]}"


def image(release: Release) -> Path:
    """Return the root folder of a release; the first call on a machine makes it, which takes about half a minute."""
    recipe = Recipe(release)
    folder = Path(platformdirs.user_cache_dir("cloister")) / "test-hosts"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    root = folder / recipe.key
    with FileLock(folder / f"{recipe.key}.lock"):
        if not root.is_dir():
            _make(recipe, root)
    return root


def _make(recipe: Recipe, root: Path) -> None:
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=".making-") as made:
        Path(made).chmod(0o755)  # it becomes `/`, which every user enters
        subprocess.run(_command(recipe, made), check=True, timeout=BUILD_TIMEOUT_S, stdin=subprocess.DEVNULL)
        Path(made).rename(root)
        Path(made).mkdir()  # for its own removal


def _command(recipe: Recipe, target: str) -> list[str]:
    return [
        *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--skip=cleanup/apt"),
        f"--include={','.join(recipe.installed)}",
        "--aptopt=Acquire::Languages none",
        *(f"--customize-hook={hook}" for hook in recipe.hooks),
        *(recipe.release, target),
    ]
