"""`deploy ca`."""

from __future__ import annotations

from pathlib import Path

from cli.options import DEFAULT_STACK, Json, Stack


def ca(stack: Stack = DEFAULT_STACK, as_json: Json = False) -> None:
    """Print the file of the authority that clients must trust, and how to trust it.

    While `deploy rotate ca` is under way the file holds two: the old one and the new one.

    \b
    Examples:
      deploy ca
      curl --cacert "$(deploy ca --json | jq -r .ca_file)" ...
    """
    from cli.show import emit_json, emit_text
    from cli.views import trust_advice
    from lifecycle.certificates import certificates_of, fingerprint
    from lifecycle.home import Home
    from lifecycle.stack import Stack as Made

    made = Made.load(Home.of_user().stack(stack))
    sha256, *others = map(fingerprint, certificates_of(Path(made.ca_file).read_bytes()))
    if as_json:
        emit_json({"stack": stack, "ca_file": made.ca_file, "sha256": sha256, "others": others})
    else:
        emit_text(trust_advice(made.ca_file, (sha256, *others)))
