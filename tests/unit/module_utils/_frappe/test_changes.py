# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Between two commits, what a migration reads is a reason to migrate, and nothing else is."""

from __future__ import annotations

import os
import pathlib
import pwd
import subprocess
import typing as t

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._frappe import changes
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.bench import Bench
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.layout import App
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.record import Release

ME = pwd.getpwuid(os.geteuid()).pw_name


class Side:
    """A bench with one app, on one release.

    Args:
        path: The bench's folder.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.bench = Bench(str(path), ME, "bench")
        self.app = path / "apps" / "shop"
        self.app.mkdir(parents=True)
        self._git("init", "--quiet", ".")
        self.write("shop/__init__.py", "yarn.lock", "shop/patches.txt", "shop/sales/doctype/order/order.json")

    def write(self, *paths: str, text: str = "x") -> None:
        """Write files and commit them."""
        for path in paths:
            (self.app / path).parent.mkdir(parents=True, exist_ok=True)
            (self.app / path).write_text(text)
        self._git("add", "--all")
        self._git("-c", "user.name=x", "-c", "user.email=x@example.invalid", "commit", "--quiet", "-m", "x")

    def release(self, *more: App) -> Release:
        """The release the bench is on."""
        app = App("shop", self._git("rev-parse", "HEAD").strip())
        return Release("r", self.bench.path, 0, {}, [app, *more], adopted=False, ready=True)

    def _git(self, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=self.app, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def sides(tmp_path: pathlib.Path) -> tuple[Side, Side]:
    return Side(tmp_path / "old"), Side(tmp_path / "new")


def reasons(sides: tuple[Side, Side], *more: App, gone: t.Sequence[App] = ()) -> list[str]:
    old, new = sides
    return changes.reasons_to_migrate(old.bench, new.bench, old.release(*gone), new.release(*more))


@pytest.mark.parametrize(
    "path",
    [
        "shop/patches.txt",
        "shop/hooks.py",
        "shop/patches/v1/set_totals.py",
        "shop/sales/doctype/order/order.json",
        "shop/sales/doctype/bill/bill.json",
        "shop/fixtures/role.json",
        "shop/sales/custom/order.json",
        "shop/sales/workspace/sales/sales.json",
        "shop/sales/report/orders/orders.json",
        "shop/sales/print_format/order/order.json",
        "shop/sales/notification/order/order.json",
    ],
)
def test_what_a_migration_reads_is_a_reason(sides: tuple[Side, Side], path: str) -> None:
    sides[1].write(path, text="other")
    assert reasons(sides) == [f"shop: {path}"]


@pytest.mark.parametrize("path", ["shop/patches.txt", "shop/sales/doctype/order/order.json"])
def test_what_is_gone_is_a_reason_too(sides: tuple[Side, Side], path: str) -> None:
    (sides[1].app / path).unlink()
    sides[1].write()
    assert reasons(sides) == [f"shop: {path}"]


@pytest.mark.parametrize(
    "path", ["shop/__init__.py", "shop/api.py", "README.md", "shop/sales/doctype/order/order.py", "shop/public/js/a.js"]
)
def test_code_alone_is_no_reason(sides: tuple[Side, Side], path: str) -> None:
    sides[1].write(path, text="other")
    assert reasons(sides) == []


def test_an_app_that_comes_or_goes_is_a_reason(sides: tuple[Side, Side]) -> None:
    extra = App("extra", "0" * 40)
    sides[1].write("README.md")
    assert reasons(sides, extra) == ["extra is new on this bench"]
    assert reasons(sides, gone=[extra]) == ["extra is no longer on the bench"]


def test_local_changes_of_the_live_release_are_a_reason_for_nobody_knows_what_they_did(
    sides: tuple[Side, Side],
) -> None:
    (sides[0].app / "shop" / "__init__.py").write_text("changed by hand")
    assert reasons(sides) == ["shop has local changes in the release that is live"]


def test_what_bench_itself_rewrites_is_no_local_change(sides: tuple[Side, Side]) -> None:
    (sides[0].app / "yarn.lock").write_text("rewritten by bench init")
    (sides[0].app / "node_modules").mkdir()
    (sides[0].app / "node_modules" / "a.js").write_text("untracked")
    assert reasons(sides) == []
