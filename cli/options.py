"""Options that several commands share: one spelling, one help text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

if TYPE_CHECKING:
    from lifecycle.home import StackHome
    from lifecycle.hosts.inventory import Host, Inventory
    from lifecycle.models import Hardware
    from planner.plan import Target as PlanTarget

DEFAULT_STACK = "default"

Stack = Annotated[
    str, typer.Option("--stack", "-s", help="Name of the stack.", envvar="CLOISTER_STACK", show_default=True)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout; progress stays on stderr.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ProfileName = Annotated[
    str, typer.Option("--profile", "-p", help="A shipped profile's name, or the path of a TOML file of your own.")
]
AcceptLicence = Annotated[
    bool,
    typer.Option(
        "--accept-licence", help="Say that the model's licence, which the refusal names, allows what you do with it."
    ),
]
UpstreamUrl = Annotated[
    str,
    typer.Option("--upstream", metavar="URL", help="Use this OpenAI-compatible server in the engine's place."),
]
UpstreamKeyEnv = Annotated[
    str,
    typer.Option("--upstream-key-env", metavar="NAME", help="Environment variable that holds the upstream's key."),
]
Backend = Annotated[
    str,
    typer.Option(
        "--backend",
        metavar="URL",
        help="Keep the state of a stack on AWS in a bucket that a team shares: s3://BUCKET/PATH?region=REGION.",
        show_default="the stack's folder",
    ),
]
SecretsProvider = Annotated[
    str,
    typer.Option(
        "--secrets-provider",
        metavar="URL",
        help="KMS key that seals secrets in that state: awskms://alias/NAME?region=REGION.",
        show_default=False,
    ),
]
Ttl = Annotated[
    str, typer.Option("--ttl", metavar="DURATION", help="How long it lives from now on, for example 8h, 2d12h or 90m.")
]
Until = Annotated[
    str, typer.Option("--until", metavar="TIME", help="When it ends: 2026-12-01T18:00, in UTC, or with its zone.")
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        metavar="USD",
        help="What its machines may cost on AWS: the deadline follows from their hourly price, and ends them. (An AWS "
        "budget is no limit: it tells of costs hours later, and not of all.)",
    ),
]
Count = Annotated[int, typer.Option("--count", min=1, max=1024, help="GPUs of one replica.")]
Target = Annotated[
    str,
    typer.Option(
        "--target",
        metavar="sandbox|metal|aws",
        help="Where nodes come from: an emulated account on this machine, hosts that SSH reaches, or AWS.",
        show_default="the stack's own, or sandbox",
    ),
]
InventoryFile = Annotated[
    Path | None, typer.Option("--inventory", "-i", help="TOML file that names the hosts.", show_default=False)
]
OneHost = Annotated[
    str, typer.Option("--host", metavar="USER@ADDRESS[:PORT]", help="One host, in an inventory's place.")
]
HostsKey = Annotated[
    Path | None,
    typer.Option(
        "--key", help="SSH private key for hosts; your agent's and usual ones when absent.", show_default=False
    ),
]
SudoPasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--sudo-password-file",
        metavar="FILE",
        help="File with the password that sudo asks for on hosts, readable by you alone; `-` to be asked.",
        envvar="CLOISTER_SUDO_PASSWORD_FILE",
        show_default=False,
    ),
]
OwnPrices = Annotated[
    Path | None, typer.Option("--prices", help="A TOML file of your own models, licences, machines and prices.")
]
CompareContext = Annotated[
    str,
    typer.Option(
        "--max-model-len", help="Longest request, in tokens: 32768, 32k or 32K.", show_default="32768, or the model's"
    ),
]


def target_of(text: str) -> PlanTarget | Literal[""]:
    """Return the target that an option names; empty for the stack's own.

    Raises:
        UsageError: there is no such target.

    """
    from planner.errors import UsageError

    if text in {"", "sandbox", "metal", "aws"}:
        return cast("PlanTarget | Literal['']", text)
    raise UsageError(f"--target: {text!r} is unknown", hint="Known: sandbox, metal, aws.", code="unknown_target")


def inventory_of(path: Path | None, host: str) -> Inventory | None:
    """Return the hosts that a file or the command line names; None where neither does.

    Raises:
        UsageError: both do, or the file cannot be read as an inventory.

    """
    from lifecycle.hosts.inventory import Inventory, host_from_words, parse_inventory
    from planner.errors import UsageError

    if path is not None and host:
        raise UsageError(
            "--inventory and --host contradict each other", hint="Give one of them.", code="two_inventories"
        )
    if host:
        return Inventory(host=(host_from_words(host),))
    if path is None:
        return None
    try:
        return parse_inventory(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="It is a TOML file with `[[host]]` tables.") from None


def stack_with_sudo(name: str, sudo_password_file: Path | None) -> StackHome:
    """Return the place of a stack whose hosts' users become root with a password, if one is given.

    Raises:
        UsageError: that is no name for a stack, or there is no terminal to ask for the password on.
        DeployError: the file with the password cannot be used.

    """
    from cli.secrets_input import sudo_password
    from lifecycle.home import Home
    from lifecycle.hosts.sudo import Sudo

    return Home.of_user().stack(name, Sudo(sudo_password(sudo_password_file)))


def confirm_host_key(host: Host, fingerprint: str) -> bool:
    """Ask on the terminal whether a host's key is its own; without one the answer is no."""
    from cli.show import confirm

    return confirm(f"{host.name} ({host.address}) shows the host key {fingerprint}. Is that its own?")


def hardware_of(gpu: str, count: int, max_model_len: str) -> Hardware:
    """Return the GPUs on which models are tried.

    Raises:
        UsageError: the context is no number of tokens.

    """
    from lifecycle.models import CONTEXT, Hardware
    from planner.units import parse_count

    context = parse_count(max_model_len, "--max-model-len") if max_model_len else CONTEXT
    return Hardware(gpu=gpu, count=count, context=context)
