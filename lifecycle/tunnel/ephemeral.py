"""A key pair that lives for one command, let in by EC2 Instance Connect for a minute at a time."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lifecycle import files
from lifecycle.aws.errors import told
from lifecycle.aws.session import AwsSession


class EphemeralKey:
    """An ed25519 key pair, held in memory."""

    def __init__(self) -> None:
        made = Ed25519PrivateKey.generate()
        self._private = made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
        self.key = paramiko.Ed25519Key.from_private_key(io.StringIO(self._private))

    @property
    def public(self) -> str:
        """The public half: kind and base64."""
        return f"{self.key.get_name()} {self.key.get_base64()}"

    @contextlib.contextmanager
    def as_files(self) -> Iterator[Path]:
        """Put both halves into a folder that only we enter, for programs that read files; they go with the block.

        Yields:
            The private key's file; the public one is beside it, with `.pub`.

        """
        with tempfile.TemporaryDirectory(prefix="cl-key-") as folder:
            path = Path(folder) / "key"
            files.write(path, self._private)
            files.write(path.with_suffix(".pub"), self.public + "\n")
            yield path


def let_in(session: AwsSession, instance_id: str, user: str, public_key: str) -> None:
    """Have an instance take a public key for sixty seconds: it is called right before each login.

    Raises:
        DeployError: AWS refuses.

    """
    with told("ec2-instance-connect:SendSSHPublicKey", session.region):
        session.instance_connect.send_ssh_public_key(
            InstanceId=instance_id, InstanceOSUser=user, SSHPublicKey=public_key
        )
