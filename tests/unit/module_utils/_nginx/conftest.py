# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sockets need short paths: pytest's own folders are too deep for them on a machine that ran many tests."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
import typing as t

import pytest


@pytest.fixture
def tmp_path() -> t.Iterator[pathlib.Path]:
    """A folder of its own, with a path of a few characters."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lku-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
