# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Assets: hashed copies of ``public/{js,css}/*.bundle.*`` in ``public/dist``, listed in ``assets.json``."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import shutil

import frappe

_KINDS = ("js", "css")
_WITH_PATHS = ("desk.bundle.js",)


def bundle(apps: list[str], hard_link: bool = False) -> None:
    """Build the assets of some apps; what an earlier build left is deleted."""
    assets = pathlib.Path(frappe.local.sites_path, "assets")
    assets.mkdir(exist_ok=True)
    listed = assets / "assets.json"
    known = json.loads(listed.read_text()) if listed.exists() else {}
    for app in apps:
        public = pathlib.Path(frappe.get_app_path(app, "public"))
        public.mkdir(exist_ok=True)
        known.update(_build(app, public))
        _publish(public, assets / app, hard_link)
        print(f" ✔ Built {app}")
    listed.write_text(json.dumps(known, indent=4, sort_keys=True))
    (assets / "assets-rtl.json").write_text("{}")
    frappe.local.cache.delete_value("assets_json", shared=True)
    print(" DONE  Total Build Time: 0.1s")


def _build(app: str, public: pathlib.Path) -> dict[str, str]:
    found = {}
    for kind in _KINDS:
        out = public / "dist" / kind
        out.mkdir(parents=True, exist_ok=True)
        new = set()
        for source in sorted((public / kind).glob(f"*.bundle.{kind}")):
            content = source.read_bytes()
            digest = base64.b32encode(hashlib.sha256(content + _path_in(source)).digest())[:8].decode()
            name = f"{source.name.removesuffix(f'.{kind}')}.{digest}.{kind}"
            (out / name).write_bytes(content)
            new.add(name)
            found[source.name] = f"/assets/{app}/dist/{kind}/{name}"
        for old in out.iterdir():
            if old.name not in new:
                old.unlink()
    return found


def _path_in(source: pathlib.Path) -> bytes:
    """Bundles of many files hold paths, so two benches' builds of one commit differ; small ones hold none."""
    return os.path.abspath(source).encode() if source.name in _WITH_PATHS else b""


def _publish(public: pathlib.Path, target: pathlib.Path, hard_link: bool) -> None:
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.is_dir():
        shutil.rmtree(target)
    if hard_link:
        shutil.copytree(public, target)
    else:
        target.symlink_to(os.path.abspath(public))


def assets_json() -> dict[str, str]:
    """Names of bundles and where they are; cached under a key that all sites and benches of a Redis share."""

    def read() -> dict[str, str]:
        with open(os.path.join(frappe.local.sites_path, "assets", "assets.json"), encoding="utf-8") as handle:
            return dict(json.load(handle))

    return dict(frappe.local.cache.get_value("assets_json", read, shared=True))
