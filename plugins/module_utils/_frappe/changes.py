# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the way from one commit of an app to another needs a migration."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release

# What `bench migrate` reads, as Frappe Cloud's agent decides it, plus patch code itself: an edited patch that is still
# to run changes what the migration does.
_MATTERS = re.compile(
    r"(^|/)(patches\.txt|hooks\.py|languages\.json)$"
    r"|(^|/)(patches|fixtures|custom|workspace|dashboard|dashboard_chart|notification|print_format|report|web_form)/"
    r"|/doctype/[^/]+/[^/]+\.json$"
)


def files(bench: Bench, app: str) -> dict[str, str]:
    """Object id by path of what matters to a migration, at the commit that is checked out."""
    listing = bench.git(app, "ls-tree", "-r", "-z", "HEAD").stdout
    found = {}
    for entry in filter(None, listing.split("\0")):
        meta, path = entry.split("\t", 1)
        if _MATTERS.search(path):
            found[path] = meta.split()[2]
    return found


def is_dirty(bench: Bench, app: str) -> bool:
    """Whether tracked files differ from the commit; ``yarn.lock``, which bench init itself rewrites, doesn't count."""
    listing = bench.git(app, "status", "--porcelain", "--untracked-files=no").stdout
    return any(not line.endswith("yarn.lock") for line in listing.splitlines())


def reasons_to_migrate(old: Bench, new: Bench, before: Release, after: Release) -> list[str]:
    """Why a site that moves from one release to the other must be migrated.

    Args:
        old: The bench the site is live on.
        new: The bench it goes to.
        before: The release that is live.
        after: The release that shall be.

    Returns:
        One line per reason, none if there is none: then code is all that changes.
    """
    commits = before.commits()
    found: list[str] = []
    for app in after.apps:
        if app.name not in commits:
            found.append(f"{app.name} is new on this bench")
        elif commits[app.name] != app.commit:
            found.extend(_differing(files(old, app.name), files(new, app.name), app.name))
        if app.name in commits and is_dirty(old, app.name):
            found.append(f"{app.name} has local changes in the release that is live")
    found.extend(f"{name} is no longer on the bench" for name in commits if name not in after.commits())
    return found


def _differing(before: t.Mapping[str, str], after: t.Mapping[str, str], app: str) -> list[str]:
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return [f"{app}: {path}" for path in changed]
