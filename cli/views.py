"""How reports are put into words: shared by the commands that show them."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lifecycle.aws.preflight import Room
    from lifecycle.planning import PlanReport
    from lifecycle.stack import Stack
    from lifecycle.up_report import UpReport
    from planner.plan import CostPlan, DeadlinePlan, StandingCost


def price(cost: CostPlan) -> str:
    """Say what it costs, and how sure that is."""
    if cost.usd_per_hour_on_aws is None:
        return f"unknown: {cost.basis}"
    sure = "" if cost.verified else ", not from a primary source"
    return f"{cost.usd_per_hour_on_aws:.2f} USD/h: {cost.basis} of {cost.as_of}{sure}"


def beside(lines: tuple[StandingCost, ...]) -> list[RenderableType]:
    """Lay out what a stack on AWS has beside its machines, and what that costs."""
    from cli.show import table

    if not lines:
        return []
    rows = [
        (
            line.what,
            f"{line.count:g}",
            "unknown" if line.usd_per_month is None else f"{line.usd_per_month:,.2f}",
            " ".join(filter(None, (line.source, line.as_of, "" if line.verified else "(unverified)"))),
        )
        for line in lines
    ]
    return [table(["beside the machines, on AWS", "count", "USD/month", "source"], rows)]


def at_most(deadline: DeadlinePlan | None) -> list[str]:
    """Say when the stack ends, and what its machines can have cost by then; nothing where it stays."""
    from planner.capacity import moment

    if deadline is None:
        return []
    most = "nobody knows what" if deadline.worst_case_usd is None else f"at most {deadline.worst_case_usd:.2f} USD"
    return [f"Worst case: until {moment(deadline.until)} the machines cost {most} on AWS."]


def plan_summary(report: PlanReport) -> str:
    """Say in one line what the plan comes to."""
    work = ", ".join(f"{count} to {op}" for op, count in report.changes.items() if op != "same") or "nothing to change"
    cost = report.cost.usd_per_hour
    here = "price unknown" if cost is None else f"{cost:,.2f} USD per hour" if cost else "here at no cost"
    summary = f"{len(report.resources)} resources ({work}), {len(report.plan.services)} services, {here}"
    return "\n".join([summary, *at_most(report.plan.deadline)])


def flags(stack: str) -> str:
    """Return the option that names a stack, where it is not the default one."""
    return "" if stack == "default" else f" --stack {stack}"


def next_steps(report: UpReport) -> list[tuple[str, str]]:
    """Return the card at the end of `up`."""
    named = flags(report.stack)
    return [
        ("endpoint", f"{report.url}/v1"),
        ("model", ", ".join(report.models) or report.plan.model.served_name),
        ("token", f"deploy token issue --client me --ttl 1h{named}"),
        ("try it", f"deploy open{named}"),
        ("check it", f"deploy verify{named}"),
        ("take it down", f"deploy down{named}"),
        *([] if report.target == "metal" else [("on AWS", price(report.plan.cost))]),
    ]


def plan_page(report: PlanReport) -> list[RenderableType]:
    """Return the whole plan, laid out."""
    from cli.agreement import hosts_told, told
    from cli.findings import told as findings_told
    from cli.show import card, table
    from planner.transfer import minutes

    plan = report.plan
    ports = {s.name: ", ".join(f"{p.name} {p.number}" for p in s.ports) for s in plan.services}
    counted: dict[str, int] = {}
    for resource in report.resources:
        counted[resource.type] = counted.get(resource.type, 0) + 1
    page: list[RenderableType] = [
        table(["what", "choice", "why"], [(d.what, d.choice, d.why) for d in plan.decisions], title="Decisions"),
        table(
            ["resource", "count"], [(kind, str(count)) for kind, count in sorted(counted.items())], title="Resources"
        ),
        table(
            ["service", "program", "ports"],
            [(s.name, f"{s.artefact} {s.version}", ports[s.name]) for s in plan.services],
            title="Services",
        ),
    ]
    if report.findings:
        page += ["Policies", *findings_told(report.findings)]
    else:
        page.append("Policies: every rule holds.")
    if report.push_s:
        push = report.push_s
        taking = f"{minutes(push.low)} to {minutes(push.high)}, likely {minutes(push.typical)}"
        page.append(f"Weights to the bucket over this line: {taking} (`deploy bundle push`)")
    if plan.target == "metal":
        return [*page, card("On hosts", hosts_told(report), style="yellow")]
    page += beside(plan.cost.beside)
    if plan.target == "sandbox":
        return [*page, f"Cost: nothing in the sandbox. On AWS: {price(plan.cost)}", *at_most(plan.deadline)]
    return [*page, card("On AWS", [*told(report), *_room(report.room), ("price", price(plan.cost))], style="yellow")]


def _room(room: Room | None) -> list[tuple[str, str]]:
    """Say what the account has for the nodes."""
    if room is None or not room.nodes:
        return []
    rows = [("zones", f"{', '.join(room.zones)}: offer the machine today")]
    if room.quota:
        use = room.quota
        why = f"{use.running} of {use.limit} vCPUs in use, {use.wanted} wanted ({use.quota.code}, {use.quota.title})"
        rows.append(("quota", why))
    if room.held:
        held = room.held
        rows.append((held.kind, f"{held.id}, {held.available} of {held.total} free in {held.zone}"))
    return rows


def curl_example(stack: Stack) -> str:
    """Return a command that asks the endpoint a question."""
    model = stack.plan.model
    asked = {"input": "Hello!"} if model.kind == "embedding" else {"messages": [{"role": "user", "content": "Hello!"}]}
    body = json.dumps({"model": model.served_name, **asked})
    path = "/v1/embeddings" if model.kind == "embedding" else "/v1/chat/completions"
    return "\n".join(
        [
            f"curl --cacert {shlex.quote(stack.ca_file)} {stack.url}{path} \\",
            f'  -H "Authorization: Bearer $(deploy token issue --client me{flags(stack.plan.stack)})" \\',
            f"  -H 'Content-Type: application/json' -d '{body}'",
        ]
    )


def python_example(stack: Stack) -> str:
    """Return a program that streams an answer with the official client."""
    return "\n".join(
        [
            "import ssl",
            "from openai import DefaultHttpxClient, OpenAI",
            "",
            f"trust = ssl.create_default_context(cafile={stack.ca_file!r})",
            "# OPENAI_API_KEY holds the token",
            f'client = OpenAI(base_url="{stack.url}/v1", http_client=DefaultHttpxClient(verify=trust))',
            *_asking(stack),
        ]
    )


def _asking(stack: Stack) -> list[str]:
    """Return the lines that ask, by what the model answers with."""
    model = stack.plan.model
    if model.kind == "embedding":
        return [
            f'answer = client.embeddings.create(model="{model.served_name}", input=["Hello!"])',
            "print(answer.data[0].embedding[:8])",
        ]
    return [
        "stream = client.chat.completions.create(",
        f'    model="{model.served_name}", stream=True, messages=[{{"role": "user", "content": "Hello!"}}]',
        ")",
        "for chunk in stream:",
        '    print(chunk.choices[0].delta.content or "", end="", flush=True)',
    ]


def trust_advice(ca_file: str, sha256: tuple[str, ...]) -> str:
    """Say how the usual clients come to trust the authority; or the two, while one follows the other."""
    quoted = shlex.quote(ca_file)
    return "\n".join(
        [
            ca_file,
            *(f"SHA-256 fingerprint: {one}" for one in sha256),
            "",
            f"curl             --cacert {quoted}",
            f"Python (httpx)   httpx.Client(verify=ssl.create_default_context(cafile={ca_file!r}))",
            f"Node.js          NODE_EXTRA_CA_CERTS={quoted}",
            f"Debian, Ubuntu   sudo cp {quoted} /usr/local/share/ca-certificates/cloister.crt",
            "                 sudo update-ca-certificates",
            "",
            "Compare the fingerprint on every machine that is to trust it.",
        ]
    )
