"""One authority of a stack follows another, with a time in which clients trust both.

The new one lies in one file among the secrets, beside the old one: first announced (the old one signs, clients are
given both), then signing (clients still trust both), then in the old one's place. The file is replaced in one step, so
that a run that is killed leaves one of these states and nothing between them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509

from lifecycle import certificates, files
from lifecycle.certificates import Pair
from planner.errors import DeployError
from planner.layout import Layout


class Succession(msgspec.Struct, frozen=True, kw_only=True):
    """A new authority that is to follow.

    Attributes:
        began: when it was made, and given to clients.
        until: how long clients have to take it.
        signs: the new one signs already.
        certificate: of the new one, PEM.
        key: of that, PEM.

    """

    began: datetime
    until: datetime
    certificate: str
    key: str
    signs: bool = False

    def __repr__(self) -> str:
        """Leave the key out, so that no log or traceback shows it."""
        return f"Succession(began={self.began.isoformat()}, signs={self.signs})"

    @property
    def pair(self) -> Pair:
        """The new authority."""
        (certificate,) = certificates.certificates_of(self.certificate.encode())
        return Pair(certificate, certificates.key_of(self.key.encode()))


def own_authority(layout: Layout) -> tuple[Path, Path]:
    """Return where a stack keeps its own authority: the certificate, and its key."""
    return Path(layout.secrets, "ca.pem"), Path(layout.secrets, "ca.key")


def succession_of(layout: Layout) -> Succession | None:
    """Return the new authority that is to follow; None where none is.

    Raises:
        DeployError: its file is damaged. It is not left out: clients may trust nothing else by now.

    """
    path = _file(layout)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Succession)
        found.pair  # noqa: B018 - reads both, and says what is wrong with them
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        raise DeployError(
            f"the stack's new certificate authority cannot be read: {path}: {error}",
            hint="Restore the stack from a backup; or delete the file and run `deploy up`: the old one goes on, and "
            "clients that took the new one alone must take the old one again.",
            code="succession_damaged",
        ) from error
    return found


def announce(layout: Layout, now: datetime, overlap: timedelta) -> Succession:
    """Make a new authority, which signs nothing yet; one that is there already stays as it is."""
    if found := succession_of(layout):
        return found
    pair = certificates.make_authority(Path(layout.stack).name, now)
    made = Succession(
        began=now,
        until=now + overlap,
        certificate=certificates.pem_of([pair.certificate]).decode(),
        key=certificates.key_pem(pair.key).decode(),
    )
    _keep(layout, made)
    return made


def let_sign(layout: Layout, coming: Succession, *, signs: bool) -> None:
    """Let the new authority sign from now on, or the old one again."""
    if coming.signs != signs:
        _keep(layout, msgspec.structs.replace(coming, signs=signs))


def settle(layout: Layout, coming: Succession) -> None:
    """Put the new authority in the old one's place, of which nothing is left; `forget` ends it."""
    certificate, key = own_authority(layout)
    files.write(key, coming.key, files.PRIVATE)
    files.write(certificate, coming.certificate, files.PRIVATE)


def forget(layout: Layout) -> None:
    """Forget that an authority is to follow: it has, or it shall not."""
    _file(layout).unlink(missing_ok=True)
    files.sync_folder(_file(layout).parent)


def old_certificates(layout: Layout) -> list[x509.Certificate]:
    """Return the certificate of the authority that was there before; none where it cannot be read."""
    try:
        return certificates.certificates_of(own_authority(layout)[0].read_bytes())
    except (OSError, ValueError):
        return []


def _file(layout: Layout) -> Path:
    return Path(layout.secrets, "ca-next.json")


def _keep(layout: Layout, one: Succession) -> None:
    files.write(_file(layout), msgspec.json.encode(one), files.PRIVATE)
