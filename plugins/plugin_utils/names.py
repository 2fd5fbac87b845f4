# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names as users list them after ``-e``."""

from __future__ import annotations

import json
import re
import typing as t


def refuse_cut(text: str) -> None:
    """Refuse a list that ends in a comma: what came after it is not known, and may be half of what was meant.

    Raises:
        ValueError: It does.
    """
    if text.rstrip().endswith(",") and text.strip(", \t\n"):
        raise ValueError(
            f'found "{text.strip()}", which ends in a comma: after -e, a value ends at the first blank, and what came '
            "after that is lost; expected a list without blanks between its entries"
        )


def split_names(value: t.Any) -> list[str]:
    """Names as a list, as JSON, or separated by blanks or commas; none for None.

    Raises:
        ValueError: It is something else, or the rest of a list that was cut off (:func:`refuse_cut`).
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            value = value.strip().strip("[]")
    if isinstance(value, str):
        refuse_cut(value)
        value = re.split(r"[\s,]+", value)
    if value is None:
        return []
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise ValueError("expected a list of names, or names separated by blanks or commas")
    found = [one.strip(" '\"") for one in value]
    return [one for one in found if one]
