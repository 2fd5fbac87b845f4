# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import tempfile
import typing as t

import pytest

from tests.integration.judgement.ground import Ground
from tests.integration.nginx.scene import BINARY, Scene


@pytest.fixture
def ground() -> t.Iterator[Ground]:
    """A site whose visitors are shared between two releases, in a folder with a short path: sockets need that."""
    if BINARY is None:
        pytest.skip("nginx is not installed")
    with tempfile.TemporaryDirectory(prefix="lk") as folder:
        scene = Scene(pathlib.Path(folder))
        try:
            yield Ground(scene.start())
        finally:
            scene.stop()
