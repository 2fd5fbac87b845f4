#!/usr/bin/env bash
# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Resolves requirements/*.in into lock files that hold for Python 3.11 and newer. The tests' lock contains the demo's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly venv=.build/uv

compile() {
    local name=$1
    shift
    "$venv/bin/uv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
        --custom-compile-command 'make lock' --output-file "requirements/$name.lock" "$@" "requirements/$name.in"
}

if [ ! -x "$venv/bin/uv" ]; then
    .build/venv/bin/python -m venv "$venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes --requirement requirements/uv.lock
fi
compile uv
compile demo
compile test --constraint requirements/demo.lock
git --no-pager diff --stat -- requirements
