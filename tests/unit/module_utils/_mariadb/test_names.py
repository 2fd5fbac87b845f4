# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No name and no value gets out of its quotes."""

from __future__ import annotations

import pytest

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.names import quote, text, texts
from ansible_collections.lockstep.deploy.plugins.module_utils._mariadb.optionfile import quote_option, render


def test_backticks_in_a_name_are_doubled() -> None:
    assert quote("a`b") == "`a``b`"


@pytest.mark.parametrize("name", ["", "x" * 65, "nul\0", "ends with a space "])
def test_what_no_server_takes_as_a_name_is_refused(name: str) -> None:
    with pytest.raises(LockstepError, match="can't be a name"):
        quote(name)


def test_quotes_and_backslashes_in_a_text_are_escaped() -> None:
    assert text("it's \\ 5\" \0") == "'it\\'s \\\\ 5\" \\0'"


def test_an_empty_list_matches_nothing_instead_of_breaking_the_statement() -> None:
    assert texts([]) == "NULL"
    assert texts(["a", "b"]) == "'a', 'b'"


def test_an_option_file_has_one_line_for_each_option_that_has_a_value() -> None:
    assert render({"client": {"user": "u", "socket": None}}) == '[client]\nuser="u"\n'


def test_no_value_can_begin_another_line_of_an_option_file() -> None:
    assert "\n" not in quote_option("secret\nhost=elsewhere")
