# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cache: keys carry the database's name and nothing of the bench; a Redis that is down is no error."""

from __future__ import annotations

import pickle
import typing as t

import frappe

_clients: dict[str, t.Any] = {}


class RedisCache:
    def __init__(self) -> None:
        self._seen: dict[bytes, t.Any] = {}

    def __call__(self) -> RedisCache:
        return self

    def _client(self) -> t.Any:
        import redis

        url = frappe.local.conf.redis_cache
        if url not in _clients:
            _clients[url] = redis.Redis.from_url(url, retry=None, socket_connect_timeout=2)
        return _clients[url]

    def _quietly(self, work: t.Callable[[t.Any], t.Any]) -> t.Any:
        import redis

        try:
            return work(self._client())
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            return None

    def make_key(self, key: str, shared: bool = False) -> bytes:
        return (key if shared else f"{frappe.local.conf.db_name}|{key}").encode()

    def connected(self) -> bool:
        return bool(self._quietly(lambda client: client.ping()))

    def get_value(self, key: str, generator: t.Callable[[], t.Any] | None = None, shared: bool = False) -> t.Any:
        """The cached value, else the generated one, which is cached then; in vain where it is a shared one."""
        name = self.make_key(key, shared)
        if name in self._seen:
            return self._seen[name]
        packed = self._quietly(lambda client: client.get(name))
        value = pickle.loads(packed) if packed is not None else None
        if value is None and generator:
            value = generator()
            # As Frappe 15 does: what is looked for as shared is written as the site's own, and so never found.
            self.set_value(key, value)
        self._seen[name] = value
        return value

    def set_value(self, key: str, value: t.Any, shared: bool = False) -> None:
        name = self.make_key(key, shared)
        self._seen[name] = value
        self._quietly(lambda client: client.set(name, pickle.dumps(value)))

    def delete_value(self, key: str, shared: bool = False) -> None:
        name = self.make_key(key, shared)
        self._seen.pop(name, None)
        self._quietly(lambda client: client.delete(name))

    def delete_keys(self, prefix: str, but: t.Sequence[str] = ()) -> None:
        start = self.make_key(prefix)
        kept = tuple(self.make_key(pattern.rstrip("*")) for pattern in but)
        self._seen = {name: value for name, value in self._seen.items() if not name.startswith(start)}

        def delete(client: t.Any) -> None:
            names = [name for name in client.keys(start + b"*") if not name.startswith(kept)]
            if names:
                client.delete(*names)

        self._quietly(delete)
