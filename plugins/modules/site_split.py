# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_split
short_description: Look at visitors that two releases share, and end that
version_added: 0.1.0
description:
  - Tells how many visitors of a site are on its new release, since when, and what those of both releases see.
  - Ends a share. All visitors can be taken back at any time; they can be taken to the new release while the share is
    held, as with C(traffic_strategy=a_b_test). The deployment that shares them out hears of it within seconds and does
    what was decided, so its process has to be there.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes
  - lockstep.deploy.unit.bench
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  unit:
    description: Name of the unit, as the inventory has it.
    type: str
    required: true
  site:
    description: Name of the site.
    type: str
    required: true
  end:
    description: >-
      What becomes of the visitors. With V(promote) all of them get to the new release, with V(back) all of them get
      back to the one before, and the deployment fails. Without it, the module only looks.
    type: str
    choices: [promote, back]
  by:
    description: Who ends it. Needed with O(end).
    type: str
  reason:
    description: Why it is ended. Needed with O(end).
    type: str
  timeout:
    description: Seconds to wait with O(end) until all visitors are on one release.
    type: float
    default: 180
  window:
    description: Seconds that figures reach back at most. With V(0) there are none, and the log is not looked at.
    type: float
    default: 86400
seealso:
  - module: lockstep.deploy.frappe_site
  - module: lockstep.deploy.judge
"""

EXAMPLES = r"""
- name: See how visitors of site1.local fare on either release
  lockstep.deploy.site_split:
    unit: site1.local
    site: site1.local
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench
  register: shared

- name: Take all of them to the new one
  lockstep.deploy.site_split:
    unit: site1.local
    site: site1.local
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench
    end: promote
    by: ada
    reason: it sells more
  register: ended
  failed_when: ended.after.state != 'none'
"""

RETURN = r"""
split:
  description: How visitors are shared out. With O(end), as it was before that.
  type: dict
  returned: success
  contains:
    deployment_id:
      description: The newest deployment of the unit; null if there was none.
      type: str
    state:
      description: >-
        V(none) if visitors are not shared, V(beginning) if the new release is there for testers only, V(rising) if the
        share rises, V(held) if it stays until it is ended, V(ending) if that was done, V(abandoned) if the process that
        watched it is gone.
      type: str
      choices: [none, beginning, rising, held, ending, abandoned]
    percent:
      description: Percent of the visitors that are on the new release beside the live one.
      type: int
    since:
      description: Since when they are that many.
      type: str
    holding:
      description: Whether the share stays until somebody ends it.
      type: bool
    decision:
      description: What was decided for that deployment, with C(promote), C(by), C(reason), C(at); null if nothing was.
      type: dict
    candidate:
      description: The new release with its C(versions); null if visitors are not shared.
      type: dict
    live:
      description: The release before with its C(versions); the one that serves all if visitors are not shared.
      type: dict
    sides:
      description: >-
        C(candidate) and C(live), each with C(requests), C(errors), C(error_rate) (a share) and C(p50), C(p95), C(p99)
        in seconds, from the access log since the share began. Null if visitors are not shared, it can't be read, or
        O(window=0).
      type: dict
    judgement:
      description: >-
        Whether the new release serves as well by the rules of the deployment, from visitors' requests alone, with
        C(status), C(reasons) and C(seconds), how long was looked at. V(inconclusive) is too little data to say.
      type: dict
after:
  description: >-
    The same when it was waited for with O(end), without figures. Its C(state) is V(none) unless the time was up or the
    process that watched it is gone.
  type: dict
  returned: success, with O(end), not under C(--check)
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.split import ENDS, PROMOTE, WINDOW, Split


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "site": {"type": "str", "required": True},
            "bench": {"type": "dict", "required": True, "options": BENCH_OPTIONS},
            "end": {"type": "str", "choices": list(ENDS)},
            "by": {"type": "str"},
            "reason": {"type": "str"},
            "timeout": {"type": "float", "default": 180},
            "window": {"type": "float", "default": WINDOW},
        },
        required_by={"end": ("by", "reason")},
        supports_check_mode=True,
    )
    params = module.params
    changed, more = False, {}
    try:
        split = Split(BenchContext(params["bench"]), params["unit"], params["site"])
        found = split.look(params["window"])
        if params["end"]:
            promote = params["end"] == PROMOTE
            changed = split.needs_end(promote=promote)
            if not module.check_mode:
                if changed:
                    split.end(promote=promote, by=params["by"], reason=params["reason"])
                more["after"] = split.await_end(params["timeout"])
    except LockstepError as error:
        error.unit = error.unit or params["unit"]
        module.fail_json(**error.result())
    diff = _diff(params["unit"], found["percent"], 100 if params["end"] == PROMOTE else 0) if changed else {}
    module.exit_json(changed=changed, split=found, **more, **diff)


def _diff(unit: str, before: int, after: int) -> dict[str, object]:
    """The share as a text that changes."""
    sides = {"before": before, "after": after}
    texts = {name: f"visitors on the new release: {percent} %\n" for name, percent in sides.items()}
    return {"diff": {**texts, "before_header": unit, "after_header": unit}}


if __name__ == "__main__":
    main()
