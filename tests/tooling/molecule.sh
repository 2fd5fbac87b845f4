#!/usr/bin/env bash
# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# molecule.sh [command [scenario …]]: runs Molecule against the Docker engine that answers; all scenarios unless some are named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! timeout 20 docker version >/dev/null 2>&1; then
    printf 'molecule: no Docker engine answers; "make engine" starts one as root\n' >&2
    exit 1
fi
LOCKSTEP_IMAGE=$(tests/tooling/image.sh)
export LOCKSTEP_IMAGE
export MOLECULE_EPHEMERAL_DIRECTORY=$PWD/.build/molecule
# The link below .collections makes the clone a collection; Molecule doesn't read the clone's ansible.cfg.
export ANSIBLE_COLLECTIONS_PATH=$PWD/.collections
# Without a terminal Molecule draws boxes around everything all the same, unless told.
[ -t 1 ] || export NO_COLOR=1
mkdir -p "$MOLECULE_EPHEMERAL_DIRECTORY"
command=${1:-test}
scenarios=("${@:2}")
if [ "${#scenarios[@]}" -eq 0 ]; then
    mapfile -t scenarios < <(for file in molecule/*/molecule.yml; do basename "${file%/*}"; done)
fi
exec .build/venv/bin/molecule "$command" "${scenarios[@]/#/--scenario-name=}"
