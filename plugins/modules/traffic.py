# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic
short_description: Stop a site's traffic, let it in again, or write nginx's configuration anew
version_added: 0.1.0
description:
  - Closes a site to its visitors, or opens it again, without a reload of nginx, and believes it only when it was seen
    from outside, by every name and address of the site.
  - Writes our file of nginx from the records of the server. Many changes at a time take one reload.
  - Requests and websockets that are open already go on. Jobs and the scheduler of the site do, too.
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
  state:
    description:
      - V(stopped) answers every request with a bare 503 and closes the connection. Nobody gets in.
      - V(maintenance) shows people a page and tells programs the same as JSON. O(allow) gets in.
      - V(live) takes both away. What an unfinished deployment closed stays closed, and that is an error.
      - V(rendered) writes our file of nginx, and changes nothing else.
      - All answers of a closed site have status 503, C(Retry-After), and its state in C(X-Lockstep-Traffic).
    type: str
    required: true
    choices: [stopped, maintenance, live, rendered]
  unit:
    description: Name of the unit, as the inventory has it.
    type: str
    required: true
  site:
    description: Name of the site. Needed for every O(state) but V(rendered).
    type: str
  by:
    description: Who wants it, for the status.
    type: str
  reason:
    description: Why, for the status. Visitors are not told.
    type: str
  allow:
    description: IP addresses that get in during V(state=maintenance). Networks are not possible.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds that a site which was opened may take to answer.
    type: float
    default: 30
  projects:
    description:
      - Projects of containers on this server, in the one form that the inventory gives a deployment file's. nginx
        serves them from then on, and none that O(projects_of) had before. For V(state=rendered) only.
    type: list
    elements: dict
  projects_of:
    description: Whose projects these are; other deployments of the server keep theirs.
    type: str
  force:
    description: >-
      Whether our file of nginx is written although somebody changed it by hand. A copy is kept below
      C(nginx/overwritten) of the state folder.
    type: bool
    default: false
seealso:
  - module: lockstep.deploy.unit_info
"""

EXAMPLES = r"""
- name: Show the maintenance page to everybody but the office
  lockstep.deploy.traffic:
    state: maintenance
    unit: site1.local
    site: site1.local
    reason: data of the branch in Pune are imported
    allow: [203.0.113.7]
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench

- name: Write nginx's configuration from the records alone
  lockstep.deploy.traffic:
    state: rendered
    unit: frappe-bench@app1
    bench:
      name: frappe-bench
      path: /home/frappe/frappe-bench
"""

RETURN = r"""
traffic:
  description: What visitors of the site get now, or would get in check mode.
  type: dict
  returned: success, and O(state) is not V(rendered)
  contains:
    state:
      description: V(live), V(maintenance), V(stopped), or V(closed) by a deployment.
      type: str
    by:
      description: Who closed it.
      type: str
    since:
      description: Since when.
      type: str
    reason:
      description: Why.
      type: str
    allowed:
      description: Addresses that get in during maintenance.
      type: list
      elements: str
    release:
      description: The release that is live.
      type: str
    paused:
      description: >-
        Percent of the visitors that are on the new release of a deployment which waits until the site is live again;
        null if none does.
      type: int
drift:
  description: How our file differed from what the records say.
  type: dict
  returned: success, and O(state) is V(rendered)
  contains:
    kind:
      description: V(edited), V(foreign), V(missing), V(outdated), V(not served) or V(none).
      type: str
    by_hand:
      description: Whether somebody's work would be overwritten, so that O(force) is needed.
      type: bool
    message:
      description: The same as a sentence.
      type: str
overwritten:
  description: Copies of what was changed by hand and overwritten.
  type: list
  elements: str
  returned: success, and O(state) is V(rendered)
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.fronts import Fronts
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.site_traffic import Request, SiteTrafficState
from ansible_collections.lockstep.deploy.plugins.module_utils._frappe.spec import BENCH_OPTIONS, BenchContext
from ansible_collections.lockstep.deploy.plugins.module_utils._nginx import gate

RENDERED = "rendered"
ARGUMENTS = {
    "bench": {"type": "dict", "required": True, "options": BENCH_OPTIONS},
    "state": {
        "type": "str",
        "required": True,
        "choices": ["stopped", "maintenance", "live", RENDERED],
    },
    "unit": {"type": "str", "required": True},
    "site": {"type": "str"},
    "by": {"type": "str"},
    "reason": {"type": "str"},
    "allow": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float", "default": 30},
    "projects": {"type": "list", "elements": "dict"},
    "projects_of": {"type": "str"},
    "force": {"type": "bool", "default": False},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_if=[("state", state, ["site"]) for state in ("stopped", "maintenance", "live")],
        required_by={"projects": ["projects_of"]},
        supports_check_mode=True,
    )
    params = module.params
    try:
        context = BenchContext(params["bench"])
        act = _render if params["state"] == RENDERED else _move
        result = act(context, params, module.check_mode)
    except LockstepError as error:
        error.unit = error.unit or params["unit"]
        module.fail_json(**error.result())
    for path in result.get("overwritten", []):
        module.warn(f"what was changed by hand in nginx's configuration was overwritten; a copy is kept in {path}")
    if not module._diff:
        result.pop("diff", None)
    module.exit_json(**result)


def _render(context: BenchContext, params: t.Mapping[str, t.Any], check: bool) -> dict[str, t.Any]:
    fronts = Fronts(context, params["projects_of"], params["projects"])
    drift = fronts.drift()
    if drift is None:
        return {"changed": False, "drift": {"kind": "none", "by_hand": False, "message": ""}, "overwritten": []}
    found = {"kind": drift.kind, "by_hand": drift.by_hand, "message": drift.sentence()}
    headers = {"before_header": drift.path, "after_header": f"{drift.path} by the records of this server"}
    diff = {"before": drift.found or "", "after": drift.wanted or "", **headers}
    if check:
        return {"changed": True, "drift": found, "diff": diff, "overwritten": []}
    # Who waited for another change may find that it did this one, too.
    applied = fronts.apply(overwrite=params["force"])
    return {"changed": applied.changed, "drift": found, "diff": diff, "overwritten": list(applied.overwritten)}


def _move(context: BenchContext, params: t.Mapping[str, t.Any], check: bool) -> dict[str, t.Any]:
    allow = tuple(gate.address(text) for text in params["allow"])
    if allow and params["state"] != gate.MAINTENANCE:
        raise LockstepError(
            "addresses get in during maintenance only", hint="leave allow out, or use state=maintenance"
        )
    request = Request(params["state"], params["by"], params["reason"] or None, allow)
    site = SiteTrafficState(context, params["unit"], params["site"], params["timeout"])
    before = site.look()
    if check:
        site.require_possible(request)
        changed = site.differs(request)
        after = {**before, "state": request.state, "allowed": sorted(allow)} if changed else before
    else:
        changed = site.change(request)
        after = site.look()
    sides = {"before": _lines(before), "after": _lines(after)}
    headers = {"before_header": params["site"], "after_header": params["site"]}
    return {"changed": changed, "traffic": after, "diff": {**sides, **headers}}


def _lines(traffic: t.Mapping[str, t.Any]) -> str:
    lines = [f"traffic: {traffic['state']}", *(f"allowed: {text}" for text in traffic["allowed"])]
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    main()
