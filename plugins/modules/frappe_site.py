# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: frappe_site
short_description: Take a Frappe site to another release, phase by phase
version_added: 0.1.0
description:
  - Freezes a site, backs it up, migrates it with the new release, verifies it there, moves its traffic and lets writes
    in again.
  - Every phase is written to a journal on the server before and after it is done.
    When a phase before the thaw fails, everything is undone by the same call, on the server, whether or not a
    controller is there.
  - A site that is where it shall be is not touched.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes
  - lockstep.deploy.unit
  - lockstep.deploy.unit.bench
  - lockstep.deploy.frappe.apps
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  site:
    description: Name of the site.
    type: str
    required: true
  phases:
    description: The phases to take it through, in order. One that was completed in this deployment is not repeated.
    type: list
    elements: str
    choices: [prepare, freeze, backup, migrate, verify, switch, thaw, shift, confirm, retire]
    default: [prepare, freeze, backup, migrate, verify, switch, thaw, shift, confirm, retire]
  site_apps:
    description: The apps the site shall have, each after what it depends on. Those it doesn't have are installed.
    type: list
    elements: str
    required: true
  config:
    description: Settings for the site's C(site_config.json).
    type: json
  freeze:
    description: >-
      What visitors get while writes are blocked.
      With V(reads) they go on reading, with V(full) nginx shows them a maintenance page.
      With V(auto) they go on reading if a rehearsal has shown that the migration only adds things.
    type: str
    choices: [reads, full, auto]
    default: reads
  rehearsal:
    description:
      - Whether the migration is rehearsed in the phase V(prepare), on a copy of the site that is removed again.
        The copy is the last finished backup of the site with what changed since, which users don't notice.
        Without a backup it is made of the database alone.
      - With V(auto) it is where something is decided by it, as with O(freeze=auto).
        With V(always) it has to be possible.
      - A migration that fails there ends the deployment before anything was changed.
      - Needs a database account that may make schemas and accounts, see O(bench.database.admin).
    type: str
    choices: [auto, always, never]
    default: auto
  backup:
    description: Whether the site is backed up. Without a backup a migration can't be undone.
    type: bool
    default: true
  tests:
    description: >-
      Commands that must succeed on the new release before traffic moves, each a list of its words, or a text that is
      split into words as a shell does it. They run as the bench's user in the new release's folder, with O(bench.env),
      E(LOCKSTEP_SITE) (the site), E(LOCKSTEP_BENCH) (that folder) and E(LOCKSTEP_SOCKET), the unix socket on which the
      new release answers. Its C(env/bin) and the folder of O(bench.bench_command) come first in their E(PATH).
    type: list
    elements: raw
    default: []
  health:
    description: >-
      Further requests the site must answer, with C(path) and what M(lockstep.deploy.health_check) can expect of them.
    type: list
    elements: dict
    default: []
  smoke_tests:
    description: >-
      What the new release must pass after the migration, before traffic moves and never again. A path or a mapping as
      in O(health) is asked of the new release itself. Everything else is a command as in O(tests), which run after.
    type: list
    elements: raw
    default: []
  timeout:
    description: Seconds the migration, and each test, may take.
    type: float
    default: 900
  drain_timeout:
    description: Seconds to wait for requests and background jobs that are under way when writes are stopped.
    type: float
    default: 300
  wait_time:
    description: Seconds to watch the site after writes were let in.
    type: float
    default: 30
  health_check_timeout:
    description: Seconds the new release may take to answer from outside.
    type: float
    default: 30
  steps:
    description: >-
      Shares of the visitors, in percent, in which they get to the new release before all of them do.
      Both releases work on the migrated data meanwhile, so it is refused unless the migration only adds things.
      Without any, all visitors get to it at once.
    type: list
    elements: int
    default: []
  step_wait:
    description: Seconds each of O(steps) is watched before the next one.
    type: float
    default: 300
  sticky:
    description: What visitors are told apart by, so that each stays on one side.
    type: str
    choices: [cookie, address]
    default: cookie
  hold:
    description: Whether the last of O(steps) stays until M(lockstep.deploy.site_split) ends it.
    type: bool
    default: false
  rules:
    description: >-
      When the new release fails, as for M(lockstep.deploy.judge): its O(lockstep.deploy.judge#module:rules).
      They hold while visitors are shared out and while the site is watched.
    type: dict
    default: {}
  on_inconclusive:
    description: What too little data to judge by means after each of O(steps), and with O(analysed).
    type: str
    choices: [back, go_on]
    default: back
  analysed:
    description: >-
      Whether O(wait_time) has to end with a pass, as between the waves of a canary.
      Otherwise only what fails is a failure.
    type: bool
    default: false
  blue_retention:
    description: >-
      Seconds that the release before keeps running when no site needs it any more, so that a way back finds it started.
      It is stopped by M(lockstep.deploy.frappe_bench_retire), or the next deployment of its bench, after that.
    type: float
    default: 0
  green_database:
    description:
      - Which database the new release migrates while writes are blocked.
        With V(shared) it is the site's own, as the release before reads it.
      - With V(clone) it is a copy, made of the backup that was just taken, which becomes the site's own in one step
        when it was verified. Readers see nothing of the migration, and one that fails needs no restore.
        Writes are blocked for longer, by what the copy takes.
      - V(clone) excludes O(steps), and needs a database account as for O(rehearsal). A database with foreign keys to or
        from others is refused, and so is one that keeps the history of its tables.
    type: str
    choices: [shared, clone]
    default: shared
  rollback_on_failure:
    description: Whether a failure before the thaw is undone. Otherwise the site stays as it is, with writes blocked.
    type: bool
    default: true
  project:
    description: The project, for the manifest.
    type: str
    required: true
  environment:
    description: The environment, for the manifest.
    type: str
    required: true
  version:
    description: What is deployed, in a word, for the manifest.
    type: str
    required: true
  deployed_by:
    description: Who deploys, for the manifest.
    type: str
    required: true
  git_sha:
    description: The commit that O(version) was made from, for the manifest.
    type: str
seealso:
  - module: lockstep.deploy.frappe_bench
  - module: lockstep.deploy.frappe_site_rollback
"""

EXAMPLES = r"""
- name: Take site1.local to the new release
  lockstep.deploy.frappe_site:
    unit: site1.local
    site: site1.local
    deployment_id: 20261120T184500Z-1a2b3c
    project: erp
    environment: production
    version: custom_app v1.0.0
    deployed_by: ada
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench
    apps:
      - name: frappe
        commit: 0123456789abcdef0123456789abcdef01234567
    site_apps:
      - frappe
"""

RETURN = r"""
lockstep:
  description: The unit's state and what was done, for the ledger.
  type: dict
  returned: always
done:
  description: Whether the site was already where it shall be, so that none of O(phases) has anything to do.
  type: bool
  returned: success
to_do:
  description: What was, or would be, done.
  type: dict
  returned: success
  contains:
    from:
      description: Id of the release the site is live on.
      type: str
    to:
      description: Id of the release it shall be on.
      type: str
    install:
      description: Apps that are installed.
      type: list
      elements: str
    configure:
      description: Settings that differ, without their values.
      type: list
      elements: str
judgement:
  description: What was seen of both releases while they shared the site's visitors.
  type: dict
  returned: when phase V(shift) was gone through with O(steps), also when it failed
  contains:
    status:
      description: V(pass), V(fail), or V(inconclusive) if there was too little data to say.
      type: str
    reasons:
      description: What decided, in sentences.
      type: list
      elements: str
    percent:
      description: The last share of the visitors, in percent.
      type: int
    seconds:
      description: How long that share lasted, as far as the log was looked at.
      type: float
    candidate:
      description: The new release with its C(versions).
      type: dict
    live:
      description: The release before with its C(versions).
      type: dict
    sides:
      description: >-
        C(candidate) and C(live), each with C(requests), C(errors), C(error_rate) (a share) and C(p50), C(p95), C(p99)
        in seconds, during the last share. Null if the log can't be read.
      type: dict
rehearsal:
  description: What the rehearsal of the migration found.
  type: dict
  returned: when phase V(prepare) was gone through and the migration was rehearsed, or need not be
  contains:
    additive:
      description: Whether the migration only adds things, so that the release before can live with what it leaves.
      type: bool
    reasons:
      description: What is no addition, in words.
      type: list
      elements: str
    source:
      description: Id of the backup that was rehearsed on, or C(live copy).
      type: str
    source_age:
      description: Seconds since that was taken.
      type: float
    refreshed:
      description: How many tables were taken from the live database.
      type: int
    seconds:
      description: Seconds that C(restore), C(migrate), C(verify) took, and C(refresh) after a backup was restored.
      type: dict
    touched_tables:
      description: The tables that the migration touched.
      type: list
      elements: str
    schema_difference:
      description: What is new, gone and changed in the schema.
      type: dict
    checks:
      description: Names of the checks that C(passed), and what of those that C(failed).
      type: dict
    freeze_seconds:
      description: Seconds for which writes will be blocked, as far as can be said.
      type: float
    clone_seconds:
      description: How much of that it takes to clone the database, with O(green_database=clone).
      type: float
    jobs:
      description:
        - How many jobs the migration queues that have to end before writes are let in, with O(green_database=clone).
        - 0 once such a deployment of before says how long they take. C(freeze_seconds) has that in it then.
      type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._core.journal import Journal
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.arguments import (
    APPS_OPTIONS,
    UNIT_OPTIONS,
    apps_of,
    report,
    site_options,
    version_diff,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.rehearsal import told
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_unit import (
    DRIVER,
    PHASES,
    Identity,
    SiteUnit,
)
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext

ARGUMENTS = {
    **UNIT_OPTIONS,
    **APPS_OPTIONS,
    "bench": {"type": "dict", "required": True, "options": BENCH_OPTIONS},
    "site": {"type": "str", "required": True},
    "phases": {"type": "list", "elements": "str", "choices": list(PHASES), "default": list(PHASES)},
    "site_apps": {"type": "list", "elements": "str", "required": True},
    # Values may be secrets. As one JSON text, only the whole of it is masked in results, not every "1" in them.
    "config": {"type": "json", "no_log": True},
    "freeze": {"type": "str", "choices": ["reads", "full", "auto"], "default": "reads"},
    "rehearsal": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
    "backup": {"type": "bool", "default": True},
    "tests": {"type": "list", "elements": "raw", "default": []},
    "health": {"type": "list", "elements": "dict", "default": []},
    "smoke_tests": {"type": "list", "elements": "raw", "default": []},
    "timeout": {"type": "float", "default": 900},
    "drain_timeout": {"type": "float", "default": 300},
    "wait_time": {"type": "float", "default": 30},
    "health_check_timeout": {"type": "float", "default": 30},
    "steps": {"type": "list", "elements": "int", "default": []},
    "step_wait": {"type": "float", "default": 300},
    "sticky": {"type": "str", "choices": ["cookie", "address"], "default": "cookie"},
    "hold": {"type": "bool", "default": False},
    "rules": {"type": "dict", "default": {}},
    "on_inconclusive": {"type": "str", "choices": ["back", "go_on"], "default": "back"},
    "analysed": {"type": "bool", "default": False},
    "blue_retention": {"type": "float", "default": 0},
    "green_database": {"type": "str", "choices": ["shared", "clone"], "default": "shared"},
    "rollback_on_failure": {"type": "bool", "default": True},
    "project": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "deployed_by": {"type": "str", "required": True},
    "git_sha": {"type": "str"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    unit = None
    changed = False
    try:
        identity = Identity(**{name: params[name] for name in Identity._fields})
        options = site_options(params)
        unit = SiteUnit(BenchContext(params["bench"]), params["site"], identity, apps_of(params), options)
        to_do = unit.to_do()
        done = unit.is_done(to_do)
        if not done:
            changed = module.check_mode or unit.advance(
                params["phases"], to_do, undo_on_failure=params["rollback_on_failure"]
            )
    except LockstepError as error:
        error.unit = error.unit or params["unit"]
        reported = {"lockstep": report(DRIVER, unit.journal, unit.state())} if unit else {}
        seen = _judged(unit.journal, params["phases"]) if unit else {}
        module.fail_json(**{**error.result(), **reported, **seen})
    if changed and not module.check_mode:
        for step in unit.journal.steps():
            for warning in step.result.get("warnings", []) if step.phase in params["phases"] else []:
                module.warn(f"{params['unit']}: {warning}")
    # The phases are called in parts, and what becomes of the site is told with the first one.
    diff = (
        version_diff(params["unit"], to_do, _settings(to_do)) if module._diff and PHASES[0] in params["phases"] else {}
    )
    more = _rehearsed(unit.journal) if changed and PHASES[0] in params["phases"] else {}
    if changed and not module.check_mode:
        more.update(_judged(unit.journal, params["phases"]))
    reported = {"lockstep": report(DRIVER, unit.journal, unit.state())}
    module.exit_json(changed=changed, done=done, to_do=to_do, **reported, **diff, **more)


def _judged(journal: Journal, phases: t.Sequence[str]) -> dict[str, t.Any]:
    """What was seen of the releases that shared visitors, if they did in one of these phases."""
    step = journal.last("shift") if journal.content and "shift" in phases else None
    found = (step.result.get("judgement") or step.intent.get("judgement")) if step else None
    return {"judgement": found} if found else {}


def _rehearsed(journal: Journal) -> dict[str, t.Any]:
    """What a rehearsal found, and the same in a sentence."""
    found = journal.content.get("data", {}).get("rehearsal")
    return {"rehearsal": found, "msg": told(found)} if found else {}


def _settings(to_do: t.Mapping[str, t.Any]) -> str:
    """The settings that are to change, by name: their values may be secrets."""
    return "".join(f"setting: {name}\n" for name in to_do["configure"])


if __name__ == "__main__":
    main()
