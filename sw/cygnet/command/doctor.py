# SPDX-License-Identifier: Apache-2.0
"""``cygnet doctor``: whether the tools are there, and how to mend what is missing."""

from __future__ import annotations

from dataclasses import asdict

import typer

from cygnet.command.common import AsJson, print_json, show
from cygnet.doctor import examine

__all__ = ["doctor"]


def doctor(as_json: AsJson = False) -> None:
    """Check Python, packages, compiler, simulators and synthesis tools, and say what to mend.

    Exit code 1 where something is missing that is required.

    Example: cygnet doctor
    """
    checks = examine()
    missing = [check for check in checks if check.required and not check.ok]
    if as_json:
        rows = [{**asdict(check), "ok": check.ok} for check in checks]
        print_json({"ok": not missing, "checks": rows})
    else:
        show(
            "What Cygnet calls",
            ["what", "state", "found", "needed for"],
            [
                [
                    check.name,
                    "ok" if check.ok else "MISSING" if check.required else "optional",
                    check.found,
                    check.needed,
                ]
                for check in checks
            ],
        )
        for check in checks:
            if not check.ok:
                typer.echo(f"{check.name}: {check.remedy}")
        typer.echo("next: cygnet demo" if not missing else "mend these, then: cygnet doctor")
    if missing:
        raise typer.Exit(1)
