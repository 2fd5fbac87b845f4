# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of required apps and version ranges, as Frappe apps and users write them, matched by bench's rules.

bench compares with ``semantic_version.SimpleSpec``, not by PEP 440: ``16.0.0-dev`` satisfies ``>=16.0.0-dev``, but
neither ``>=16.0.0`` nor ``<16.0.0``.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils.libraries import need
from ansible_collections.lockstep.deploy.plugins.plugin_utils.urls import repository_name

_NAME = re.compile(r"(?P<name>.*?)(?P<range>\s*[<>=!~^].*)?\Z", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_PEP_440_TAIL = re.compile(r"(?P<numbers>\d+(?:\.\d+)*)[.-]?(?P<kind>dev|a|b|rc|alpha|beta)[.-]?(?P<count>\d*)\Z")


class Requirement(t.NamedTuple):
    """One app that another one needs."""

    name: str
    range: str = ""


def app_name(text: str) -> str:
    """An app's name in its one spelling: a hyphen and an underscore mean the same."""
    return text.replace("-", "_")


def parse(text: str) -> Requirement:
    """Read ``erpnext``, ``erpnext>=15``, ``frappe/erpnext``, ``https://…/erpnext.git`` or ``git@…:x/erpnext@branch``.

    Raises:
        ValueError: There is no app's name in it, or the range can't be read.
    """
    written = text.strip()
    match = _NAME.match(written)
    address, limits = (match["name"].strip(), (match["range"] or "").strip()) if match else (written, "")
    last = repository_name(address)
    name = last.split("@")[0].removesuffix(".git")
    if not _PLAIN.match(name):
        raise ValueError(f"{text!r} does not name an app")
    check_range(limits)
    return Requirement(app_name(name), clean(limits))


def clean(limits: str | None) -> str:
    """A range without blanks; empty for any version."""
    text = re.sub(r"\s+", "", limits or "")
    return "" if text == "*" else text


def check_range(limits: str | None) -> None:
    """Make sure that a range can be read.

    Raises:
        ValueError: It can't.
    """
    if clean(limits):
        _spec(clean(limits))


def matches(version: str, limits: str) -> bool:
    """Whether a version lies in a range, by bench's rules.

    Raises:
        ValueError: The version or the range can't be read.
    """
    return not limits or bool(_spec(limits).match(_version(version)))


def _spec(limits: str) -> t.Any:
    try:
        return need("semantic_version").SimpleSpec(limits)
    except ValueError:
        raise ValueError(f"{limits!r} is no version range such as >=15.0.0,<16.0.0") from None


def _version(text: str) -> t.Any:
    """``16.0.0-dev`` as it is, ``14.81`` and ``v15.0`` filled up, ``16.0.0.dev0`` as the development version it is."""
    semantic_version, plain = need("semantic_version"), text.strip().removeprefix("v")
    if semantic_version.validate(plain):
        return semantic_version.Version(plain)
    tail = _PEP_440_TAIL.match(plain)
    if tail:
        plain = f"{tail['numbers']}-{tail['kind']}{tail['count'] and '.' + tail['count']}"
    try:
        return semantic_version.Version.coerce(plain)
    except ValueError:
        raise ValueError(f"{text!r} is no version") from None
