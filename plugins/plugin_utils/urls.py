# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where an app's repository is, and how its address is shown."""

from __future__ import annotations

import os
import re
import typing as t
import urllib.parse

_SCHEMES = ("https", "http", "ssh", "git+ssh", "file")
_EXPECTED = "expected https://host/path, ssh://[user@]host/path, file:///path, user@host:path, or a path"
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)\Z", re.DOTALL)
_SCP = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9_][A-Za-z0-9_.-]*:[^:].*\Z", re.DOTALL)
_USERINFO = re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]*://)(?P<userinfo>[^/\s]*)@")
# How an address begins, its scheme whole or not.
_BEGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/{1,2}|[A-Za-z]*//|")
_QUERY = re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]*://[^\s?#\"']*)[?#][^\s\"']*")


def without_credentials(text: str) -> str:
    """A text with names, passwords and tokens removed from every URL in it.

    The user of an ssh address is no secret and stays; its password goes.
    """

    def strip(found: re.Match[str]) -> str:
        scheme, user = found["before"].lower(), found["userinfo"].split(":")[0]
        return f"{found['before']}{user}@" if "ssh" in scheme and user else found["before"]

    return _QUERY.sub(lambda found: found["before"], _USERINFO.sub(strip, text))


def _shown(source: str) -> str:
    """An address for errors: what may be a password is left out, also where it makes the address none.

    A password with a slash or a blank in it, which ought to be percent-encoded, is no user information to a parser.
    """
    begin = t.cast("re.Match[str]", _BEGIN.match(source))[0]
    userinfo, _at, rest = source.removeprefix(begin).rpartition("@")
    return without_credentials(begin + rest if ":" in userinfo.partition("@")[0] else source)


class Address(t.NamedTuple):
    """An app's source, checked.

    Args:
        url: What git is given: never with credentials, a path always absolute.
        local: Whether it is on this machine.
        username: Name for http(s), where the source had one.
        password: Password for http(s), where the source had one.
    """

    url: str
    local: bool
    username: str | None = None
    password: str | None = None


def parse(source: str, base: str) -> Address:
    """Check an app's source and take it apart.

    Args:
        source: As the user wrote it.
        base: Folder that relative paths start from.

    Raises:
        ValueError: It is no address that git would be given; the message holds no credentials.
    """
    shown = _shown(source)
    if re.search(r"[\s\x00-\x1f\x7f'\"\\`]", source):
        raise ValueError(f"found {shown!r}, with a blank, quote or control character; {_EXPECTED}")
    if source.startswith("-"):
        raise ValueError(f"found {shown!r}, which looks like an option; {_EXPECTED}")
    address = _ADDRESS.match(source)
    if address:
        return _remote(source, address["scheme"].lower(), shown)
    if "::" in source:
        raise ValueError(f"found {shown!r}, which names a transport helper; {_EXPECTED}")
    if source.startswith("//"):
        raise ValueError(f"found {shown!r}, without a scheme; {_EXPECTED}")
    if source.startswith(("/", "./", "../", "~/")) or source in (".", ".."):
        return Address(os.path.normpath(os.path.join(base, os.path.expanduser(source))), local=True)
    if _SCP.match(source):
        if "@" in source and source.index(":") < source.index("@"):
            raise ValueError(f"found {shown!r} with a password, which ssh can't be given; use a key")
        return Address(source, local=False)
    raise ValueError(f"found {shown!r}; {_EXPECTED} (absolute, or beginning with ./ or ../)")


def _remote(source: str, scheme: str, shown: str) -> Address:
    if scheme not in _SCHEMES:
        raise ValueError(f"found {shown!r}, with the scheme {scheme}; {_EXPECTED}")
    try:
        parts = urllib.parse.urlsplit(source)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"found {shown!r}, whose host or port can't be read; {_EXPECTED}") from None
    if scheme == "file":
        if host not in (None, "", "localhost") or not parts.path.startswith("/"):
            raise ValueError(f"found {shown!r}; {_EXPECTED}")
        return Address(f"file://{parts.path}", local=True)
    if not host or host.startswith("-") or not re.fullmatch(r"[A-Za-z0-9_.:-]+", host):
        raise ValueError(f"found {shown!r}, without a host that can be asked; {_EXPECTED}")
    if parts.port and "@" in parts.path:
        raise ValueError(f"found {shown!r}, whose host or port can't be read: write / in a password as %2F")
    if parts.path.strip("/") == "":
        raise ValueError(f"found {shown!r}, without a path to a repository; {_EXPECTED}")
    if "ssh" in scheme:
        if parts.password:
            raise ValueError(f"found {shown!r} with a password, which ssh can't be given; use a key")
        return Address(source, local=False)
    if parts.query or parts.fragment:
        raise ValueError(f"found {shown!r} with something behind '?' or '#'; {_EXPECTED}")
    unquote = urllib.parse.unquote
    return Address(
        without_credentials(source),
        local=False,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


def repository_name(source: str) -> str:
    """The last part of an address, without ``.git``: ``india-compliance``."""
    last = re.split(r"[/:]", without_credentials(source).rstrip("/"))[-1]
    return last.removesuffix(".git")
