"""Where a stack's folders are: names only, so that templates and substrates agree without touching a disk."""

from __future__ import annotations

import msgspec

BUNDLES = "/opt/cloister/bundles"
"""Of a host: one folder per bundle, named by its id."""
CURRENT_BUNDLE = "/opt/cloister/current"
"""Of a host: a link to the bundle in use."""
BUNDLE_WEIGHTS = f"{CURRENT_BUNDLE}/weights"
"""Of a host: one folder per model."""
RUNTIMES = "/opt/cloister/runtime"
"""Of a host: one folder per Python environment, in which `current` is a link to the one in use."""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Absolute folders of one stack on one machine.

    Attributes:
        stack: the stack's own folder.
        config: rendered files, one folder per service.
        data: what services keep, one folder per service.
        logs: one log per service.
        secrets: secret values, one 0600 file each.
        tls: the certificate that is served, its chain and the authority clients trust.
        run: sockets and pid files; its path is short enough for a Unix socket (107 bytes).

    """

    stack: str
    config: str
    data: str
    logs: str
    secrets: str
    tls: str
    run: str

    def expand(self, service: str, text: str) -> str:
        """Replace the folder placeholders of a service's argument or environment value."""
        folders = {
            "{stack}": self.stack,
            "{config}": f"{self.config}/{service}",
            "{data}": f"{self.data}/{service}",
            "{logs}": self.logs,
            "{secrets}": self.secrets,
            "{tls}": self.tls,
            "{run}": self.run,
        }
        for placeholder, folder in folders.items():
            text = text.replace(placeholder, folder)
        return text


HOST_LAYOUT = Layout(
    stack="/var/lib/cloister",
    config="/etc/cloister",
    data="/var/lib/cloister/data",
    logs="/var/log/cloister",
    secrets="/etc/cloister/credentials",
    tls="/etc/cloister/tls",
    run="/run/cloister",
)
"""Of a host, which runs one stack."""
