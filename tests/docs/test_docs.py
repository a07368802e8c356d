"""What the pages say is so: commands parse, links lead somewhere, and every report has its schema."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.app import app
from cli.contract import REPORTS
from cli.main import run as run_command

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SPAN = re.compile(r"(?<!`)`(?:\./)?deploy(\s[^`]*)?`(?!`)")
LINE = re.compile(r"^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\./)?deploy(\s.*)?$")
SUBSTITUTION = re.compile(r"\$\((?:\./)?deploy(\s[^)]*)\)")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PLACEHOLDERS = re.compile(r"\s(?:\.\.\.|…)(?=\s|$)")


def commands_in(text: str) -> Iterator[str]:
    """Yield the words after `deploy` of every command line on a page: in code blocks, and in the running text."""
    prose, in_block = [], False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            in_block = not in_block
        elif in_block or line.startswith("    "):
            found = LINE.match(line)
            yield from [found[1] or ""] if found else SUBSTITUTION.findall(line)
        else:
            prose.append(line)
    yield from SPAN.findall("\n".join(prose))


def parse(words: str) -> None:
    """Parse as the real command line does, and do nothing.

    Raises:
        typer.TyperException: there is no such command or option, or one is missing.

    """
    command: Any = typer.main.get_command(app)
    arguments = shlex.split(re.split(r"\s[|>]|;|&&", PLACEHOLDERS.sub("", words))[0], comments=True)
    disarm(command)
    if arguments:
        command(args=arguments, prog_name="deploy", standalone_mode=False)


def disarm(command: Any) -> None:
    command.callback = None
    command.no_args_is_help = False
    for child in getattr(command, "commands", {}).values():
        disarm(child)
    if hasattr(command, "commands"):
        command.invoke_without_command = True  # a group may be named as such


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    children = getattr(command, "commands", {})
    if not children or command.invoke_without_command:
        yield " ".join(path)
    for name, child in children.items():
        yield from leaves(child, (*path, name))


def slugs(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made from their text."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def leads_nowhere(page: Path, link: str) -> bool:
    """Tell whether a link within the repository has no end; others are not followed."""
    if re.match(r"[a-z]+:", link):
        return False
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in slugs(target)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_on_a_page_parses(page: Path) -> None:
    wrong = {}
    for words in commands_in(page.read_text(encoding="utf-8")):
        try:
            parse(words)
        except typer.TyperException as error:
            wrong[f"deploy{words}"] = error.format_message()
    assert wrong == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    links = LINK.findall(re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL))
    assert [link for link in links if leads_nowhere(page, link)] == []


def test_commands_are_found_in_code_and_in_text() -> None:
    page = """Run `deploy up` or `deploy
    token list`, not `redeploy up`.

        $ ./deploy down --yes

    ```sh
    export KEY=$(deploy token issue --client me)
    deploy list | head
    Usage: deploy up [OPTIONS]
    ```
    """.replace("\n    ", "\n")
    found = [" ".join(words.split()) for words in commands_in(page)]
    assert sorted(found) == ["down --yes", "list | head", "token issue --client me", "token list", "up"]
    assert sum(len(list(commands_in(page.read_text(encoding="utf-8")))) for page in PAGES) > 50


@pytest.mark.parametrize("words", ["upp", "up --profil x", "token issue", "token emit", "down extra", "up --profile"])
def test_a_command_that_is_wrong_is_seen(words: str) -> None:
    with pytest.raises(typer.TyperException):
        parse(words)


@pytest.mark.parametrize("words", ["up -p x # why", "list | head", "token", "logs ...", "status --json > file"])
def test_a_command_that_is_right_is_let_be(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    parse(words)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("link", ["nowhere.md", "README.md#nothing", "#nothing", "../outside"])
def test_a_link_that_leads_nowhere_is_seen(link: str) -> None:
    assert leads_nowhere(ROOT / "README.md", link)


def test_every_command_has_its_report_and_every_report_its_schema() -> None:
    assert set(leaves(typer.main.get_command(app))) == {name for name in REPORTS if not name.startswith("(")}
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^#+ ([^\n]*)\n\n```json\n(.*?)```", page, re.MULTILINE | re.DOTALL))
    for name, report in REPORTS.items():
        assert json.loads(sections[f"deploy {name}"]) == {"$ref": f"#/$defs/{report.__name__}"}
    referred = set(re.findall(r'"#/\$defs/([^"]+)"', page))
    assert referred <= sections.keys()


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for name in leaves(typer.main.get_command(app)):
        assert run_command([*name.split(), "--help"]) == 0
        assert "Usage: deploy" in capsys.readouterr().out
