# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A freeze is believed when no process can know the settings of before any more."""

from __future__ import annotations

import pathlib
import types
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_phases import freeze

FRAPPE_16 = "_cached_get_site_config = site_cache(ttl=60, maxsize=16)(_get_site_config)\n"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0),
        ("def get_site_config(): ...\n", 0),
        (FRAPPE_16, 60),
        ("_cached = another_way(_get_site_config)\n", 60),
    ],
)
def test_how_long_processes_go_by_old_settings_is_what_their_frappe_says(
    tmp_path: pathlib.Path, text: str | None, seconds: float
) -> None:
    folder = tmp_path / "apps" / "frappe" / "frappe"
    folder.mkdir(parents=True)
    if text is not None:
        (folder / "config.py").write_text(text)
    assert Bench(str(tmp_path), "frappe", "bench").settings_age() == seconds


def test_writes_are_only_stopped_after_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[t.Any] = []
    bench = types.SimpleNamespace(settings_age=lambda: 60.0, common_config=dict)
    site = types.SimpleNamespace(freeze=lambda: done.append("frozen"), refuses_readers=lambda: False)
    deployment: t.Any = types.SimpleNamespace(
        options=types.SimpleNamespace(drain_timeout=1.0, freeze="reads"),
        context=types.SimpleNamespace(bench=lambda _release: bench),
        site=site,
        database=lambda: None,
    )
    health = types.SimpleNamespace(wait_frozen=lambda _release: done.append("asked"))
    monkeypatch.setattr(freeze, "SiteHealth", lambda _deployment: health)
    monkeypatch.setattr(freeze, "drain_jobs", lambda *_arguments: 0)
    monkeypatch.setattr(freeze.watcher, "connection_ids", lambda _database: set())
    monkeypatch.setattr(freeze.watcher, "wait_for_old_connections", lambda *_arguments, **_more: [])
    monkeypatch.setattr(freeze.time, "sleep", done.append)
    freeze.stop_writes(deployment, [t.cast(t.Any, None)])
    assert done[:3] == ["frozen", 60.0, "asked"]
