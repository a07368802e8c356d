"""The switch on the host: it goes off at the deadline even where nothing outside of the host does its part."""

from __future__ import annotations

METADATA = "http://169.254.169.254/latest"

_CHECK = """\
#!/bin/sh
# Ends this machine when the deadline in its tag has passed. While the tag cannot be read, the last one read counts.
kept=/var/lib/cloister-deadline
token=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' METADATA/api/token) &&
  until=$(printf 'X-aws-ec2-metadata-token: %s' "$token" |
    curl -sf -m 5 -H @- METADATA/meta-data/tags/instance/cloister:until) &&
  date -d "$until" +%s > "$kept.new" && mv "$kept.new" "$kept"
if [ -s "$kept" ] && [ "$(date +%s)" -ge "$(cat "$kept")" ]; then systemctl poweroff; fi
"""

_SERVICE = """\
[Unit]
Description=Ends this machine at its deadline
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/cloister-deadline
"""

_TIMER = """\
[Unit]
Description=Looks every minute whether the deadline has passed
[Timer]
OnBootSec=1min
OnUnitActiveSec=1min
AccuracySec=5s
[Install]
WantedBy=timers.target
"""


def shutdown_timer() -> str:
    """Return the part of a node's first shell script that installs the timer.

    The deadline stands in the instance's tag `cloister:until`, which the metadata service shows: moving it takes one
    call and no way into the host. The units are files, because a transient timer would not outlive a reboot.
    """
    files = {
        "/usr/local/sbin/cloister-deadline": (_CHECK.replace("METADATA", METADATA), "0755"),
        "/etc/systemd/system/cloister-deadline.service": (_SERVICE, "0644"),
        "/etc/systemd/system/cloister-deadline.timer": (_TIMER, "0644"),
    }
    written = [
        f"cat > {path} <<'CLOISTER'\n{text}CLOISTER\nchmod {mode} {path}" for path, (text, mode) in files.items()
    ]
    return "\n".join([*written, "systemctl daemon-reload", "systemctl enable --now cloister-deadline.timer", ""])
