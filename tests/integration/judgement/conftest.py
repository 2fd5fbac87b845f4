# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import tempfile
import typing as t

import pytest

from tests.integration.nginx.scene import BINARY, Scene


@pytest.fixture
def scene() -> t.Iterator[Scene]:
    """A server whose nginx runs. Its folder has a short path: those of sockets end at 107 bytes."""
    if BINARY is None:
        pytest.skip("nginx is not installed")
    with tempfile.TemporaryDirectory(prefix="lk") as folder:
        found = Scene(pathlib.Path(folder))
        try:
            yield found.start()
        finally:
            found.stop()
