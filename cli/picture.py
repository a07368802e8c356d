"""`python -m cli.picture PROFILE FILE.svg`: a real run of `deploy up`, drawn as it looks at its end."""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from cli.progress_view import TreeView
from cli.show import card
from cli.views import next_steps, plan_summary
from lifecycle.down import down
from lifecycle.home import Home
from lifecycle.planning import PlanReport, Request
from lifecycle.up import up

COLUMNS = 110


def main(profile: str, path: Path) -> None:
    """Bring a stack up in a folder of its own, take it down, and write the picture."""
    with tempfile.TemporaryDirectory(prefix="cloister-picture-") as folder:
        home = Home(Path(folder)).stack("default")
        console = Console(record=True, width=COLUMNS, force_terminal=True, highlight=False, file=io.StringIO())
        view = TreeView(console)

        def agree(report: PlanReport) -> bool:
            view.note(plan_summary(report))
            return True

        report = up(home, Request(profile=profile), view, agree=agree)
        rows = [(label, text.replace(folder, "~/.local/state/cloister")) for label, text in next_steps(report)]
        down(home, view_of_nothing())
    console.print(f"[bold]$ ./deploy up --profile {profile}[/]")
    console.print(view)
    console.print(card(f"stack {report.stack} is up ({report.seconds:.1f} s)", rows))
    # Without rich's web fonts: whoever looks at the picture asks nobody else for anything.
    svg = re.sub(r"@font-face \{\{.*?\n    \}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    console.save_svg(str(path), title="deploy up", code_format=svg)


def view_of_nothing() -> TreeView:
    """Return a view that nobody sees: taking the stack down is not part of the picture."""
    return TreeView(Console(quiet=True))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
