# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a site's user made is looked at without waiting for that user."""

from __future__ import annotations

import fcntl
import os
import pathlib

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site import is_locked


def test_a_lock_is_somebodys_and_not_a_files(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bench_migrate.lock"
    assert not is_locked(str(path))
    with path.open("w") as handle:
        assert not is_locked(str(path))
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert is_locked(str(path))


def test_a_pipe_in_the_place_of_a_lock_is_refused_at_once(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "bench_migrate.lock")
    with pytest.raises(LockstepError, match="is no regular file"):
        is_locked(str(tmp_path / "bench_migrate.lock"))
