# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site's cache in one release: each has a Redis of its own, and knows nothing of what another one changed."""

from __future__ import annotations

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import redis
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench

# Frappe's keys begin with the database's name (frappe/utils/redis_wrapper.py, make_key).
_FORGET = """
local cursor = '0'
repeat
  local found = redis.call('SCAN', cursor, 'MATCH', ARGV[1], 'COUNT', 1000)
  cursor = found[1]
  for _, key in ipairs(found[2]) do redis.call('DEL', key) end
until cursor == '0'
return 0
"""


def clear_cache(bench: Bench, site: str) -> None:
    """Clear a site's cache, as Frappe does it: some keys are no cache and are left.

    Raises:
        LockstepError: It could not be done. With Redis down bench says nothing and returns 0; that is found elsewhere.
    """
    done = bench.run("--site", site, "clear-cache", check=False)
    if done.rc != 0:
        raise LockstepError(f"the cache of {site} in {bench.path} can't be cleared", detail=done.tail())


def forget_database(bench: Bench, name: str) -> None:
    """Remove all that a bench's cache knows of a database that will be gone.

    Args:
        bench: The bench.
        name: The database's name, which has none of the characters that patterns are made of.

    Raises:
        LockstepError: Its Redis does not answer, or refuses.
    """
    answer = redis.ask(str(bench.common_config().get("redis_cache", "")), "EVAL", _FORGET, "0", f"{name}|*")
    if answer.startswith("-"):
        raise LockstepError(f"the cache of {bench.path} can't be cleared: {answer.lstrip('-')}")
