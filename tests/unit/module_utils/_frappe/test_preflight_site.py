# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What would make a site's freeze worthless."""

from __future__ import annotations

import json
import pathlib

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.preflight_site import sharing


def test_a_site_in_the_same_database_is_named(tmp_path: pathlib.Path) -> None:
    config = {"db_name": "_1bd3"}
    others = {"same.local": config, "server.local": {**config, "db_host": "db2"}, "own.local": {"db_name": "_2ce4"}}
    for name, content in {"site1.local": config, **others}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "site_config.json").write_text(json.dumps(content))
    (tmp_path / "broken.local").mkdir()
    (tmp_path / "broken.local" / "site_config.json").write_text("")
    (tmp_path / "www.site1.local").symlink_to(tmp_path / "site1.local")
    (tmp_path / "apps.txt").write_text("frappe\n")
    assert sharing(str(tmp_path), config, str(tmp_path / "site1.local" / "site_config.json")) == ["same.local"]
