# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: judge
short_description: Judge by its users' requests whether a release does as well as it must
version_added: 0.1.0
description:
  - Looks at the error rate and the latency of one site over a time, from the access log that nginx writes for
    lockstep.deploy on this server, or from Prometheus, and applies the rules by which deployments are rolled back.
  - Differences are told from noise, by Wilson's interval for rates and Mann-Whitney's test for times. Too little data
    is V(inconclusive), and never V(pass).
  - It changes nothing, and does not fail over what it finds unless O(fail_on) says so.
author:
  - The lockstep.deploy authors (@lockstep-deploy)
extends_documentation_fragment:
  - lockstep.deploy.attributes.info
options:
  site:
    description: Name of the site.
    type: str
    required: true
  release:
    description: >-
      Id of the release that is judged. If not given, whatever answers is, except O(baseline).
    type: str
  baseline:
    description: Id of the release it is compared with, where that serves at the same time, or served in O(before).
    type: str
  routes:
    description: >-
      Whose side a request was on that no release answered, by where it was passed on to: C(live), C(slots/07) and so on
      as the log's C(route) has it, each V(candidate) or V(baseline). The empty name stands for lines without a route.
    type: dict
    default: {}
  period:
    description: Whether the last O(duration) seconds are judged, or the next, which ends early when a rule is broken.
    type: str
    choices: [last, next]
    default: last
  duration:
    description: How many seconds are judged. The rules look back 3 minutes, so less than that is inconclusive.
    type: float
    default: 180
  every:
    description: Seconds from one look to the next with O(period=next).
    type: float
    default: 10
  before:
    description: How many seconds of before that time latency is compared with, where O(baseline) does not serve too.
    type: float
    default: 0
  before_until:
    description: >-
      When those seconds ended, in seconds since 1970: best before backup and migration put a load on the server. The
      beginning of what is judged if not given.
    type: float
  rules:
    description:
      - When a release fails, where that shall not be as by default.
      - >-
        V(error_rate) (0.05) in each of V(minutes) (3) with at least V(min_requests) (100) requests each, unless as many
        failed in the time before.
      - >-
        V(latency_ratio) (1.5) times the median of the baseline, over V(latency_window) (180 s) with at least
        V(min_times) (200) requests on both sides, V(min_slowdown) (0.002 s), and V(significance) (0.01).
      - V(error_rate) and V(latency_ratio) can be switched off by V(false).
    type: dict
    default: {}
  log:
    description: The access log.
    type: path
    default: /var/log/nginx/lockstep-access.log
  prometheus:
    description: >-
      Ask Prometheus instead. In queries C($window) stands for a time such as C(60s), C($release) for the release,
      C($side) for V(candidate) or V(baseline), C($site) for the site, and C($$) for a dollar sign.
    type: dict
    suboptions:
      url:
        description: Where it answers.
        type: str
        required: true
      requests:
        description: How many requests there were in the window; one number.
        type: str
        required: true
      errors:
        description: >-
          How many failed; one number. No number is no data, so a counter that is only there once something failed needs
          C(or vector(0)).
        type: str
        required: true
      histogram:
        description: >-
          How many requests each bucket has in the window, by C(le). Latency fails only where this is given, since
          percentiles alone do not tell a difference from noise.
        type: str
      p50:
        description: The median of the window in seconds, where there is no histogram.
        type: str
      p95:
        description: The 95th percentile.
        type: str
      p99:
        description: The 99th percentile.
        type: str
      authorization:
        description: The header of that name.
        type: str
      timeout:
        description: Seconds one query may take.
        type: float
        default: 10
      verify:
        description: Whether its certificate must be valid.
        type: bool
        default: true
      ca_file:
        description: Certificates to trust instead of the system's.
        type: path
  fail_on:
    description: What makes the task fail. With V(inconclusive) a failed verdict does too.
    type: str
    choices: [never, fail, inconclusive]
    default: never
seealso:
  - module: lockstep.deploy.health_check
"""

EXAMPLES = r"""
- name: See how a site did in the last quarter of an hour
  lockstep.deploy.judge:
    site: site1.local
    duration: 900
  register: judged

- name: Watch a new release for ten minutes beside the old one
  lockstep.deploy.judge:
    site: site1.local
    release: 20261128t020000-1a2b3c
    baseline: 20261120t184500-9f8e7d
    routes:
      live: baseline
      slots/00: candidate
    period: next
    duration: 600
    fail_on: fail

- name: The same from Prometheus
  lockstep.deploy.judge:
    site: site1.local
    release: 20261128t020000-1a2b3c
    baseline: 20261120t184500-9f8e7d
    duration: 600
    prometheus:
      url: http://127.0.0.1:9090
      requests: sum(increase(http_requests_total{release="$release"}[$window]))
      errors: sum(increase(http_requests_total{release="$release", status=~"5.."}[$window])) or vector(0)
      histogram: sum by (le) (increase(http_request_seconds_bucket{release="$release"}[$window]))
"""

RETURN = r"""
status:
  description: V(fail) if a rule is broken, V(pass) if every rule is kept, else V(inconclusive).
  type: str
  choices: [pass, fail, inconclusive]
  returned: when the source could be read
reasons:
  description: What decided, in sentences.
  type: list
  elements: str
  returned: when the source could be read
rules:
  description: C(errors) and C(latency), each with its C(status), C(reason) and C(numbers).
  type: dict
  returned: when the source could be read
numbers:
  description: >-
    C(candidate) and C(baseline) with C(requests), C(errors), C(error_rate), C(probes) of the minutes that decided, and
    C(users) with C(p50), C(p95), C(p99) in seconds; C(before) with those of the time before.
  type: dict
  returned: when the source could be read
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lockstep.deploy.plugins.module_utils._core.errors import LockstepError
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement import access_log
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.judge import FAIL, INCONCLUSIVE
from ansible_collections.lockstep.deploy.plugins.module_utils._judgement.site import judge_site

_PROMETHEUS = {
    "url": {"type": "str", "required": True},
    "requests": {"type": "str", "required": True},
    "errors": {"type": "str", "required": True},
    **{name: {"type": "str"} for name in ("histogram", "p50", "p95", "p99")},
    "authorization": {"type": "str", "no_log": True},
    "timeout": {"type": "float", "default": 10.0},
    "verify": {"type": "bool", "default": True},
    "ca_file": {"type": "path"},
}
_FAILING = {"never": (), "fail": (FAIL,), "inconclusive": (FAIL, INCONCLUSIVE)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str", "required": True},
            "release": {"type": "str"},
            "baseline": {"type": "str"},
            "routes": {"type": "dict", "default": {}},
            "period": {"type": "str", "choices": ["last", "next"], "default": "last"},
            "duration": {"type": "float", "default": 180.0},
            "every": {"type": "float", "default": 10.0},
            "before": {"type": "float", "default": 0.0},
            "before_until": {"type": "float"},
            "rules": {"type": "dict", "default": {}},
            "log": {"type": "path", "default": access_log.PATH},
            "prometheus": {"type": "dict", "options": _PROMETHEUS},
            "fail_on": {"type": "str", "choices": ["never", "fail", "inconclusive"], "default": "never"},
        },
        supports_check_mode=True,
    )
    try:
        found = judge_site(module.params).as_dict()
    except LockstepError as error:
        module.fail_json(**error.result())
    if found["status"] in _FAILING[module.params["fail_on"]]:
        module.fail_json(msg=f"{module.params['site']}: {found['status']}: {'; '.join(found['reasons'])}", **found)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
