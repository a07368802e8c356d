# noqa: INP001 - Ansible loads this file by its folder; a package here would shadow Ansible's own
"""Ansible callback: one JSON object per line on stdout, for the program that started the play."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: progress_lines
type: stdout
short_description: One JSON object per line
description:
  - Tells of every task and every host's result as it comes, and of the totals at the end.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible ships no types
    """Tells of tasks, results and totals. What Ansible censors (`no_log`) comes here censored."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "progress_lines"

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        _tell("task", task=task.get_name())

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        _tell("task", task=task.get_name())

    def v2_runner_on_ok(self, result: Any) -> None:
        _result(result, "changed" if result.result.get("changed") else "ok")

    def v2_runner_on_skipped(self, result: Any) -> None:
        _result(result, "skipped")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        _result(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        _result(result, "unreachable")

    def v2_on_file_diff(self, result: Any) -> None:
        if result.result.get("changed") and (diff := self._get_diff(result.result.get("diff") or [])):
            _tell("diff", host=result.host.get_name(), task=result.task.get_name(), text=diff)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        _tell("totals", hosts={host: stats.summarize(host) for host in stats.processed})


def _result(result: Any, state: str) -> None:
    message = " ".join(_said(result.result))
    _tell("result", host=result.host.get_name(), task=result.task.get_name(), state=state, message=message[:2000])


def _said(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield all that a module said, or, where it runs others (facts are gathered so), all that they said."""
    yield from (str(found[key]) for key in ("msg", "stderr", "module_stderr") if found.get(key))
    for failed in (found.get("failed_modules") or {}).values():
        yield from _said(failed)


def _tell(event: str, **values: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()
