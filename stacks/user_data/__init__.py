"""A node's user data: it fetches and verifies the bundle, ends the machine at its deadline, and does nothing else.

Written as data: cloud-init reads JSON as the YAML that it is. Two files of standard-library Python and two units go to
the root disk; the units run at every boot, since what is on instance-store disks is lost when the machine is stopped.
There is no secret in it, and cannot be: whoever is on the machine may read its user data.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from planner.plan import Plan
from stacks.account import Account
from stacks.arns import bundle_bucket
from stacks.shutdown_timer import shutdown_timer

LIMIT = 16 * 1024
"""Bytes of user data that EC2 takes, before they are encoded (EC2 user guide, "Run commands at launch")."""
METADATA = "http://169.254.169.254"
HOME, SETTINGS = "/usr/local/lib/cloister", "/etc/cloister/bundle.json"
STORE_WAIT_S = 120
"""How long the image has to assemble the disks itself."""
RANGE_BYTES = 64 * 2**20
"""What one request fetches: long enough to fill a connection, short enough to be asked for again."""
PAUSE_S = 0.25
"""Pause before a request is tried again, in seconds; doubled each time."""

_STORE_UNIT = f"""\
[Unit]
Description=Local disks for the bundle
After=local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/python3 -I {HOME}/prepare_store.py {SETTINGS}
"""

_BUNDLE_UNIT = f"""\
[Unit]
Description=Fetch and verify the bundle
Requires=cloister-store.service
After=cloister-store.service network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/python3 -I {HOME}/pull_bundle.py {SETTINGS}
Restart=on-failure
RestartPreventExitStatus=1
RestartSec=15
UMask=0022
CapabilityBoundingSet=
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
ReadWritePaths=%STORE%
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"""


def user_data(plan: Plan, account: Account) -> str:
    """Return the user data of every node; empty where the plan names neither a bundle nor a deadline.

    The deadline comes first: whatever else fails, the machine ends.
    """
    ends = [["sh", "-ec", shutdown_timer()]] if plan.deadline else []
    bundle = _bundle(plan, account) if plan.bundle.id else {}
    config = {**bundle, "runcmd": [*ends, *bundle.get("runcmd", [])]}
    return "#cloud-config\n" + json.dumps(config, indent=1) + "\n" if config["runcmd"] else ""


def _bundle(plan: Plan, account: Account) -> dict[str, Any]:
    settings = {
        "bundle": plan.bundle.id,
        "store": plan.bundle.store,
        "wait_s": STORE_WAIT_S,
        "url": f"https://{bundle_bucket(plan, account)}.s3.{account.region}.{account.dns_suffix}",
        "owner": account.id,
        "region": account.region,
        "metadata": METADATA,
        "processes": plan.bundle.processes,
        "range_bytes": RANGE_BYTES,
        "pause_s": PAUSE_S,
    }
    units = "/etc/systemd/system"
    return {
        "write_files": [
            _script("prepare_store.py"),
            _script("pull_bundle.py"),
            _text(SETTINGS, json.dumps(settings, indent=1)),
            _text(f"{units}/cloister-store.service", _STORE_UNIT),
            _text(f"{units}/cloister-bundle.service", _BUNDLE_UNIT.replace("%STORE%", plan.bundle.store)),
        ],
        "runcmd": [
            ["systemctl", "daemon-reload"],
            # Not waited for: the bundle may not be in the bucket yet, and the machine is to be reached meanwhile.
            ["systemctl", "enable", "--now", "--no-block", "cloister-bundle.service"],
        ],
    }


def _text(path: str, content: str) -> dict[str, Any]:
    return {"path": path, "owner": "root:root", "permissions": "0644", "content": content}


def _script(name: str) -> dict[str, Any]:
    """Return a file beside this one, packed: user data is small. The same file gives the same text."""
    packed = gzip.compress(Path(__file__).with_name(name).read_bytes(), mtime=0)
    return {**_text(f"{HOME}/{name}", b64encode(packed).decode()), "encoding": "gz+b64"}
