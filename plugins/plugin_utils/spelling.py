# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extra variables whose names are nearly ours: they would decide nothing, without a word."""

from __future__ import annotations

import difflib
import typing as t

from ansible_collections.lockstep.deploy.plugins.plugin_utils import validation, validation_choices

#: What playbooks read beside options: of the deployment, then of whom they act on, then what they write.
VARIABLES = (
    *("deployment_config", "strategy", "deployment_strategy", "only", "only_closure", "target_sites"),
    *("lockstep_bench_path", "lockstep_bench_user", "lockstep_server", "lockstep_ledger_url"),
    *("sites", "state", "allow", "end", "reason", "backup", "manual", "now", "history", "rollback_options"),
    *("plan_file", "plan_graph", "preflight_file", "split_file", "status_file", "validation_file", "deployed_by"),
    *validation_choices.VARIABLES,
)

#: One letter that is missing or too much in a name of four is a slip; another letter in a name of five may be a word.
_CUTOFF = 0.86


def find_slips(names: t.Iterable[str]) -> list[str]:
    """Say which names were probably meant to be ours. Extra variables are anybody's, so none is refused.

    Args:
        names: Names of all extra variables.

    Returns:
        A sentence for each name that is close to one of ours and equal to none.
    """
    known = [*dict.fromkeys((*validation.option_schemas(), *VARIABLES))]
    said = []
    for name in names:
        near = difflib.get_close_matches(str(name), known, 1, _CUTOFF)
        if near and near[0] != name:
            said.append(f'-e {name}= is nothing of lockstep.deploy\'s, and decides nothing: did you mean "{near[0]}"?')
    return said
