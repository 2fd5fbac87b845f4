# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: validation_choices
short_description: Reads what is to be validated
version_added: 0.1.0
author:
  - The lockstep.deploy authors (@lockstep-deploy)
description:
  - Reads the variables of C(validate.yml) on the controller. An empty text counts as absent.
  - The extra variable C(environment) is read, too, which has to be the one of the deployment file.
options:
  variables:
    description: >-
      The variables C(types), C(duration) or C(performance_duration), C(performance_paths), C(performance_connections),
      C(performance_max_error_rate), C(performance_max_p95) and C(deployment_id); those that were given.
    type: dict
    default: {}
  deployment_environment:
    description: The environment of the deployment file.
    type: str
    required: true
attributes:
  check_mode:
    description: Reads in either mode.
    support: full
  diff_mode:
    description: Nothing of a server is changed.
    support: none
"""

EXAMPLES = r"""
- name: Read what is to be validated
  lockstep.deploy.validation_choices:
    variables:
      types: health,security
    deployment_environment: production
"""

RETURN = r"""
choices:
  description: >-
    C(types), C(duration), C(connections), C(paths) (null for the usual ones), C(max_error_rate), C(max_p95),
    C(deployment_id) and C(notes), what is good to know.
  type: dict
  returned: success
"""
