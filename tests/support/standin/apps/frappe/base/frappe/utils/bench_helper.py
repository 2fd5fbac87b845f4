# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``bench`` hands commands to: ``python -m frappe.utils.bench_helper frappe …`` in the folder of the sites."""

from __future__ import annotations

import importlib
import json
import os
import traceback
import typing as t

import click

import frappe
import frappe.utils


def main() -> None:
    group = click.Group(
        name="frappe",
        commands=_commands(),
        callback=_remember,
        params=[
            click.Option(["--site"]),
            click.Option(["--profile"], is_flag=True),
            click.Option(["--verbose"], is_flag=True),
            click.Option(["--force"], is_flag=True),
        ],
    )
    top = click.Group(
        commands={
            "frappe": group,
            "get-frappe-commands": click.Command("get-frappe-commands", callback=_names),
            "get-frappe-help": click.Command(
                "get-frappe-help", callback=lambda: print(click.Context(group).get_help())
            ),
        }
    )
    top(prog_name="bench")


@click.pass_context
def _remember(ctx: click.Context, site: str | None, profile: bool, verbose: bool, force: bool) -> None:
    ctx.obj = frappe._dict(sites=_sites(site), force=force, verbose=verbose)
    ctx.info_name = ""


def _sites(site: str | None) -> list[str]:
    if site == "all":
        return frappe.utils.get_sites()
    chosen = site or os.environ.get("FRAPPE_SITE") or frappe.get_conf().default_site
    return [chosen] if chosen else []


def _commands() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for app in frappe.get_all_apps(sites_path="."):
        found.update({command.name or "": command for command in _commands_of(app)})
    return found


def _commands_of(app: str) -> t.Sequence[click.Command]:
    try:
        module = importlib.import_module(f"{app}.commands")
    except ModuleNotFoundError as error:
        if error.name != f"{app}.commands":
            traceback.print_exc()
        return ()
    return t.cast("t.Sequence[click.Command]", getattr(module, "commands", ()))


def _names() -> None:
    print(json.dumps(list(_commands())))


if __name__ == "__main__":
    main()
