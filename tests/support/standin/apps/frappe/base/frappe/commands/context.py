# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every command shares: which sites it is about, and one line instead of a traceback where there is none."""

from __future__ import annotations

import contextlib
import functools
import sys
import typing as t

import click

import frappe
from frappe.exceptions import IncorrectSitePath, SiteNotSpecifiedError


def pass_context(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """Hand the command its context; an unknown site ends it with return code 1."""

    @functools.wraps(function)
    def run(ctx: click.Context, *args: t.Any, **kwargs: t.Any) -> t.Any:
        try:
            return function(frappe._dict(ctx.obj), *args, **kwargs)
        except SiteNotSpecifiedError as error:
            click.secho(str(error), fg="yellow")
            sys.exit(1)
        except IncorrectSitePath:
            click.secho(f"Site {(ctx.obj.get('sites') or [''])[0]} does not exist!", fg="yellow")
            sys.exit(1)

    return click.pass_context(run)


def get_site(context: t.Any, raise_err: bool = True) -> str | None:
    """The first site asked for."""
    if context.sites:
        return t.cast(str, context.sites[0])
    if raise_err:
        raise SiteNotSpecifiedError
    return None


@contextlib.contextmanager
def connected(site: str) -> t.Iterator[None]:
    """Work on one site."""
    frappe.init(site=site)
    try:
        frappe.connect()
        yield
    finally:
        frappe.destroy()


def all_sites(context: t.Any) -> list[str]:
    """Every site asked for; none is an error."""
    if not context.sites:
        raise SiteNotSpecifiedError
    return t.cast(list[str], context.sites)
