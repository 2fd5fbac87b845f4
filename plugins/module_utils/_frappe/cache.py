# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A site's cache in one release: each has a Redis of its own, and knows nothing of what another one changed."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.redis import Connection

#: Lists in which Frappe keeps records until its scheduler writes them to the database: what was viewed, exported and
#: printed by whom, errors, and what its search shall find (frappe/deferred_insert.py, frappe/utils/global_search.py).
_WAITING = ("insert_queue_for_*", "global_search_queue")
_AT_ONCE = 500

#: Those that are there still, by what they are: a job of the release that is left may be writing them down meanwhile,
#: and whoever counts would remove what came after those that it took.
_REMOVE = """
for _, record in ipairs(ARGV) do redis.call('LREM', KEYS[1], 1, record) end
return 0
"""

_FORGET = """
local kept = cjson.decode(ARGV[2])
local function is_kept(key)
  for _, start in ipairs(kept) do
    if string.sub(key, 1, #start) == start then return true end
  end
  return false
end
local cursor = '0'
repeat
  local found = redis.call('SCAN', cursor, 'MATCH', ARGV[1], 'COUNT', 1000)
  cursor = found[1]
  for _, key in ipairs(found[2]) do
    if not is_kept(key) then redis.call('DEL', key) end
  end
until cursor == '0'
return 0
"""


def address(bench: Bench) -> str:
    """Where a bench's cache is."""
    return str(bench.common_config().get("redis_cache", ""))


def own_keys(database: str) -> str:
    """What the keys of a database's cache begin with (frappe/utils/redis_wrapper.py, make_key)."""
    return f"{database}|"


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
    with Connection(address(bench)) as connection:
        forget(connection, own_keys(name) + "*")


def forget(connection: Connection, pattern: str | bytes, kept: t.Sequence[str] = ()) -> None:
    """Remove every key that a pattern of Redis fits, but those that begin as one of ``kept`` does.

    Raises:
        LockstepError: The Redis does not answer, or refuses.
    """
    connection.call("EVAL", _FORGET, "0", pattern, json.dumps(list(kept)))


def kept_keys(bench: Bench, site: str, database: str) -> list[str]:
    """What keys of a site begin with that are no cache: clearing it leaves them (hook ``persistent_cache_keys``).

    Raises:
        LockstepError: The release can't be asked.
    """
    # An empty list would not be printed, so a default is asked for as well.
    patterns = bench.execute(site, "frappe.get_hooks", "persistent_cache_keys", list(_WAITING))
    return [own_keys(database) + str(pattern).partition("*")[0] for pattern in [*_WAITING, *patterns]]


def hand_over(source: Bench, target: Bench, database: str) -> int:
    """Take along what waits in a release's Redis to be written to the site's database, where another one serves it.

    Nobody's scheduler would come by where it is. Whoever dies in between leaves a record twice rather than never, and
    so does a job that takes one at that moment.

    Args:
        source: The release that was left.
        target: The release that serves the site.
        database: The name of the site's database.

    Returns:
        How many records came along.

    Raises:
        LockstepError: A Redis does not answer, or refuses.
    """
    if address(source) == address(target):
        return 0
    with Connection(address(source)) as left, Connection(address(target)) as taken:
        keys = [key for pattern in _WAITING for key in left.call("KEYS", own_keys(database) + pattern)]
        return sum(_take_along(left, taken, key) for key in keys)


def _take_along(left: Connection, taken: Connection, key: bytes) -> int:
    """Move what a list holds now; what comes to it meanwhile is taken along the next time."""
    count = int(left.call("LLEN", key))
    for done in range(0, count, _AT_ONCE):
        records = left.call("LRANGE", key, "0", str(min(_AT_ONCE, count - done) - 1))
        if records:
            taken.call("RPUSH", key, *records)
            left.call("EVAL", _REMOVE, "1", key, *records)
    return count
