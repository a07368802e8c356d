"""Options that several commands share: one spelling, one help text."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_STACK = "default"

Stack = Annotated[
    str, typer.Option("--stack", "-s", help="Name of the stack.", envvar="CLOISTER_STACK", show_default=True)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout; progress stays on stderr.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ProfileName = Annotated[
    str, typer.Option("--profile", "-p", help="A shipped profile's name, or the path of a TOML file of your own.")
]
UpstreamUrl = Annotated[
    str,
    typer.Option("--upstream", metavar="URL", help="Use this OpenAI-compatible server in the engine's place."),
]
UpstreamKeyEnv = Annotated[
    str,
    typer.Option("--upstream-key-env", metavar="NAME", help="Environment variable that holds the upstream's key."),
]
