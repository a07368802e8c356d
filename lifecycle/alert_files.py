"""What receivers of alerts are shown and believed by: the operator's files, copied to where services read them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lifecycle import files
from planner.alerts import PASSWORD, TOKEN
from planner.errors import DeployError
from planner.layout import Layout
from planner.plan import AlertsPlan

WEBHOOK_CA, EMAIL_CA = "webhook-ca.pem", "email-ca.pem"
"""Names beside Alertmanager's configuration, as its template has them."""
AT_MOST = 1024 * 1024
"""Bytes of a file: bundles of all public authorities are a quarter of that."""


class AlertFileError(DeployError):
    """A file that the profile names for alerts cannot be used."""

    code = "alert_file"


class AlertFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator's files hold.

    Attributes:
        secrets: by name. Never printed.
        authorities: PEM by the name that the file has beside Alertmanager's configuration.

    """

    secrets: dict[str, str]
    authorities: dict[str, str]

    def __repr__(self) -> str:
        return f"AlertFiles({', '.join((*sorted(self.secrets), *sorted(self.authorities)))})"


def read_alert_files(alerts: AlertsPlan | None) -> AlertFiles:
    """Read the operator's files.

    Raises:
        AlertFileError: one cannot be read, is empty, or holds no PEM.

    """
    secrets, authorities = {}, {}
    for name, (field, path) in _secret_paths(alerts).items():
        secrets[name] = _text(field, path).strip()
        if len(secrets[name].splitlines()) != 1:
            raise AlertFileError(f"`{field}`: {path} is not one line", hint="It holds the secret alone.")
    for name, (field, path) in _authority_paths(alerts).items():
        authorities[name] = _text(field, path)
        if "-----BEGIN CERTIFICATE-----" not in authorities[name]:
            raise AlertFileError(
                f"`{field}`: {path} holds no certificate in PEM",
                hint="`openssl x509 -inform der -in FILE` turns DER into it.",
            )
    return AlertFiles(secrets=secrets, authorities=authorities)


def place_alert_files(alerts: AlertsPlan | None, layout: Layout) -> None:
    """Copy them into the stack's folder, private; those of receivers that are no longer named are removed.

    Raises:
        AlertFileError: one cannot be used.

    """
    read = read_alert_files(alerts)
    folders = {layout.secrets: dict.fromkeys((TOKEN, PASSWORD), "") | read.secrets}
    folders[_folder(layout)] = dict.fromkeys((WEBHOOK_CA, EMAIL_CA), "") | read.authorities
    for folder, texts in folders.items():
        for name, text in texts.items():
            path = Path(folder, name)
            if not text:
                path.unlink(missing_ok=True)
            elif not path.is_file() or path.read_text(encoding="utf-8") != text:
                files.make_private_folder(path.parent)
                files.write(path, text)


def placed_authorities(alerts: AlertsPlan | None, layout: Layout) -> dict[str, str]:
    """Read the authorities from where `place_alert_files` has put them.

    Raises:
        OSError: one is not there.

    """
    return {name: Path(_folder(layout), name).read_text(encoding="utf-8") for name in _authority_paths(alerts)}


def _folder(layout: Layout) -> str:
    return f"{layout.config}/alertmanager"


def _secret_paths(alerts: AlertsPlan | None) -> dict[str, tuple[str, str]]:
    """Return the secret's name -> the profile's field, and the file that it names."""
    found = {}
    if alerts and alerts.webhook and alerts.webhook.token_file:
        found[TOKEN] = ("alerts.webhook.token_file", alerts.webhook.token_file)
    if alerts and alerts.email and alerts.email.password_file:
        found[PASSWORD] = ("alerts.email.password_file", alerts.email.password_file)
    return found


def _authority_paths(alerts: AlertsPlan | None) -> dict[str, tuple[str, str]]:
    found = {}
    if alerts and alerts.webhook and alerts.webhook.ca:
        found[WEBHOOK_CA] = ("alerts.webhook.ca", alerts.webhook.ca)
    if alerts and alerts.email and alerts.email.ca:
        found[EMAIL_CA] = ("alerts.email.ca", alerts.email.ca)
    return found


def _text(field: str, path: str) -> str:
    try:
        return files.read_text(Path(path), AT_MOST)
    except OSError as error:
        raise AlertFileError(
            f"`{field}`: {path} cannot be read ({error})",
            hint="Name a file that exists on this machine, or take the field out of the profile.",
        ) from None
