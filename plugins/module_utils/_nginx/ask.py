# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking a running nginx which generation of our file it serves: on our socket, and as each site's visitors do."""

from __future__ import annotations

import errno
import typing as t

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._health import http
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import claims
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.config import GENERATION
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx.parse import Directive

_TIMEOUT = 5.0
# What connecting to ::1 says where IPv6 is switched off, also when nginx could bind [::].
_NO_IPV6 = (errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EAFNOSUPPORT)
# PROXY protocol, version 1: "the connection is our own" (haproxy, doc/proxy-protocol.txt, 2.1).
_PROXY = b"PROXY UNKNOWN\r\n"


def generation(socket_path: str) -> str | None:
    """The generation told on a unix socket; None when nobody answers or it isn't told there."""
    try:
        answer = http.request(f"http://lockstep{GENERATION}", connect=f"unix:{socket_path}", timeout=_TIMEOUT)
    except http.NoAnswer:
        return None
    return answer.text.strip() if answer.status == 200 else None


def fronts(directives: t.Iterable[Directive], expected: str | None) -> None:
    """Ask for the generation by every name on every address, as a visitor would reach it.

    Args:
        directives: Our file; servers without the location for it are left out.
        expected: What each must answer.

    Raises:
        LockstepError: Something else answers for some of them, or nothing does.
    """
    wrong = []
    for server in directives:
        if server.name != "server" or not any(item.args[:1] == ("=",) for item in server.children("location")):
            continue
        for listen in server.children("listen"):
            if not listen.args[0].startswith("unix:"):
                wrong += [problem for name in claims.names(server) for problem in _ask(listen.args, name, expected)]
    if wrong:
        raise LockstepError(f"nginx does not serve our configuration for every site: {wrong[0]}", detail=wrong)


def _ask(listen: t.Sequence[str], name: str, expected: str | None) -> list[str]:
    where = claims.address(listen)
    host = name.replace("*", "lockstep", 1)
    try:
        answer = visit(listen, name, GENERATION)
    except http.NoAnswer as error:
        return [f"{host} on {where}: {error}"]
    if answer is None or (answer.status == 200 and answer.text.strip() == expected):
        return []
    return [f"{host} on {where} is answered by another server (status {answer.status})"]


def visit(listen: t.Sequence[str], name: str, path: str) -> http.Response | None:
    """Ask as a visitor does who comes by a name on an address.

    Args:
        listen: The words of a ``listen`` directive.
        name: A name of its server; for ``*.`` some name below it is asked for.
        path: What to ask for.

    Returns:
        The answer; None where no visitor can come that way.

    Raises:
        http.NoAnswer: Nobody answered.
    """
    where = claims.address(listen)
    scheme = "https" if "ssl" in listen else "http"
    try:
        return http.request(
            f"{scheme}://{name.replace('*', 'lockstep', 1)}{path}",
            connect=reachable(where),
            verify=False,
            timeout=_TIMEOUT,
            preface=_PROXY if "proxy_protocol" in listen else b"",
        )
    except http.NoAnswer as error:
        if where.startswith("[::]") and getattr(error.__cause__, "errno", None) in _NO_IPV6:
            return None
        raise


def reachable(where: str) -> str:
    """An address that leads to a listener of this server."""
    host, _colon, port = where.rpartition(":")
    return {"*": "127.0.0.1", "[::]": "[::1]"}.get(host, host) + ":" + port
