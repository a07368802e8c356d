"""The commands, in the order in which a person meets them."""

from __future__ import annotations

import typer

from cli.commands import (
    alerts,
    assess,
    audit,
    backup,
    bundle,
    ca,
    capacity,
    compare,
    connect,
    cost,
    doctor,
    down,
    drift,
    evidence,
    exposure,
    extend,
    hosts,
    iam_policy,
    listing,
    logs,
    models,
    open_,
    plan,
    policy,
    profiles,
    reap,
    rehearse,
    repair,
    restore,
    rotate,
    size,
    ssh,
    status,
    sweep,
    token,
    tunnel,
    up,
    verify,
    version,
    weights,
)
from planner.errors import EXIT_CODE_MEANINGS

EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code.value:<4} {text}" for code, text in EXIT_CODE_MEANINGS.items())

app = typer.Typer(
    name="deploy",
    help="Private LLM serving, as code: from a profile to a running, authenticated, observed endpoint.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,  # drawing help with rich would double the time that `--help` takes
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up")(up.up)
app.command("plan")(plan.plan)
app.command("size")(size.size)
app.command("cost")(cost.cost)
app.command("models")(models.models)
app.command("compare")(compare.compare)
app.command("assess")(assess.assess)
app.command("status")(status.status)
app.command("verify")(verify.verify)
app.command("exposure")(exposure.exposure)
app.command("audit")(audit.audit)
app.add_typer(policy.app, name="policy")
app.add_typer(evidence.app, name="evidence")
app.add_typer(token.app, name="token")
app.add_typer(rotate.app, name="rotate")
app.add_typer(alerts.app, name="alerts")
app.command("logs")(logs.logs)
app.command("open")(open_.open_)
app.command("ssh")(ssh.ssh)
app.command("connect")(connect.connect)
app.command("tunnel")(tunnel.tunnel)
app.command("list")(listing.list_)
app.command("extend")(extend.extend)
app.command("reap")(reap.reap)
app.command("down")(down.down)
app.command("rehearse")(rehearse.rehearse)
app.command("drift")(drift.drift)
app.command("sweep")(sweep.sweep)
app.command("repair")(repair.repair)
app.command("doctor")(doctor.doctor)
app.command("iam-policy")(iam_policy.iam_policy)
app.add_typer(hosts.app, name="hosts")
app.add_typer(capacity.app, name="capacity")
app.add_typer(bundle.app, name="bundle")
app.add_typer(weights.app, name="weights")
app.add_typer(profiles.app, name="profiles")
app.command("ca")(ca.ca)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.command("version")(version.version)
