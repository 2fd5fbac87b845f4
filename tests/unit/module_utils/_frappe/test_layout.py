# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that may become paths, hosts and arguments, and the folders made of them."""

from __future__ import annotations

import os

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import (
    App,
    Layout,
    app_of,
    release_id,
    valid_name,
)

BAD = [
    "",
    "..",
    ".",
    ".hidden",
    "../site1.local",
    "a/b",
    "/etc",
    "a b",
    " a",
    "a\n",
    "a\tb",
    "-rf",
    "--site",
    "it's",
    'a"b',
    "a;b",
    "a$b",
    "a`b`",
    "a\0b",
    "ä.local",
    "x" * 73,
]
LAYOUT = Layout(name="frappe-bench", root="/srv/bench/lockstep/", state_dir="/var/lib/lockstep")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("name", BAD)
def test_a_dangerous_name_is_refused_wherever_it_becomes_a_path(name: str) -> None:
    with pytest.raises(LockstepError, match="is no name for a site"):
        LAYOUT.data(name)
    with pytest.raises(LockstepError, match="is no name for a site"):
        LAYOUT.backups(name)
    with pytest.raises(LockstepError, match=r"is no name for an? app"):
        app_of({"name": name, "commit": COMMIT})
    with pytest.raises(LockstepError, match="is no name for a bench"):
        Layout(name=name, root="/srv", state_dir="/var")


@pytest.mark.parametrize("name", ["site1.local", "SITE_1", "1", "a-b.c_d", "x" * 72])
def test_a_plain_name_is_taken_as_it_is(name: str) -> None:
    assert valid_name("site", name) == name


@pytest.mark.parametrize("commit", ["", "main", "v1.0.0", COMMIT[:39], COMMIT + "0", COMMIT.upper(), f"{COMMIT}\n"])
def test_a_commit_is_40_hexadecimal_digits_and_nothing_else(commit: str) -> None:
    with pytest.raises(LockstepError, match="is no commit id"):
        app_of({"name": "frappe", "commit": commit})


def test_a_release_is_its_apps_and_commits_in_whatever_order() -> None:
    frappe, erpnext = App("frappe", COMMIT, "16.0.0"), App("erpnext", COMMIT[::-1], "16.0.0")
    assert release_id([frappe, erpnext]) == release_id([erpnext, frappe._replace(version=None)])
    assert release_id([frappe, erpnext]) != release_id([frappe])
    assert release_id([frappe, erpnext]) != release_id([frappe, erpnext._replace(commit=COMMIT)])


def test_benches_of_one_name_at_two_places_have_records_of_their_own() -> None:
    other = Layout(name="frappe-bench", root="/home/other/lockstep", state_dir="/var/lib/lockstep")
    assert other.record != LAYOUT.record
    assert os.path.dirname(other.record) == os.path.dirname(LAYOUT.record) == "/var/lib/lockstep/benches"


def test_backups_lie_where_the_user_wants_them() -> None:
    assert LAYOUT.backups("a") == "/srv/bench/lockstep/backups/a"
    elsewhere = Layout(name="frappe-bench", root="/srv", state_dir="/var", backup_dir="/mnt/backups")
    assert elsewhere.backups("a") == "/mnt/backups/a"


def test_two_commits_of_an_app_have_sources_of_their_own() -> None:
    one, other = App("frappe", COMMIT), App("frappe", COMMIT[::-1])
    assert LAYOUT.source(one) != LAYOUT.source(other)
    assert os.path.basename(LAYOUT.source(one)) == "frappe"
