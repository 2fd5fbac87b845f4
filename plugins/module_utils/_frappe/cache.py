# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site's cache in one release: each has a Redis of its own, and knows nothing of what another one changed."""

from __future__ import annotations

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench


def clear_cache(bench: Bench, site: str) -> None:
    """Clear a site's cache, as Frappe does it: some keys are no cache and are left.

    Raises:
        LockstepError: It could not be done. With Redis down bench says nothing and returns 0; that is found elsewhere.
    """
    done = bench.run("--site", site, "clear-cache", check=False)
    if done.rc != 0:
        raise LockstepError(f"the cache of {site} in {bench.path} can't be cleared", detail=done.tail())
