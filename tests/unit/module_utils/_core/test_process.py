# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a command that failed."""

from __future__ import annotations

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core import process
from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo begun; echo 'Traceback …' >&2; echo 'ValueError: a dozen' >&2; exit 1", "ValueError: a dozen"),
        ("echo 'cp: x: No space left on device' >&2; echo Aborted! >&2; exit 1", "cp: x: No space left on device"),
        ("echo 'ERROR: There was a problem'; echo Aborted! >&2; exit 1", "ERROR: There was a problem"),
        ("printf 'no such site\\rUpdating DocTypes'; exit 1", "no such site"),
        ("exit 1", "it said nothing"),
    ],
)
def test_a_command_that_failed_is_an_error_that_says_why(script: str, reason: str) -> None:
    with pytest.raises(LockstepError) as caught:
        process.run(["sh", "-c", script])
    assert caught.value.message.endswith(f"failed with return code 1: {reason}")
