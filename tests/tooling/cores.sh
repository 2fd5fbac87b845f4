#!/usr/bin/env bash
# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Unit and strategy tests on each other Python found here from 3.12 on, with the ansible-core the lock file has for it, and
# the code for managed nodes imported by Python 3.9. PYTHONS names interpreters that aren't on PATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Version managers put programs on PATH that only say that a version isn't chosen: ask for the interpreter behind them.
interpreter() {
    local candidate
    for candidate in ${PYTHONS:-} "/usr/bin/python$1" "$(command -v "python$1" || true)" \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/"python$1"; do
        if [ -x "$candidate" ] && [ "$("$candidate" -c 'import sys; print(*sys.version_info[:2], sep=".")' 2>/dev/null)" = "$1" ]; then
            printf '%s\n' "$candidate"
            return
        fi
    done
}

run_on() {
    local version=$1 python=$2 venv=.build/cores/$1
    printf '\n=== Python %s\n' "$version"
    VENV=$venv PYTHON=$python tests/tooling/setup.sh test
    "$venv/bin/ansible" --version | sed -n 1p
    PATH="$PWD/$venv/bin:$PATH" "$venv/bin/python" -m pytest -n auto tests/unit tests/integration/strategy
}

found=0
mkdir -p .build/cores
for version in 3.12 3.13; do
    python=$(interpreter "$version")
    if [ -n "$python" ]; then
        run_on "$version" "$python"
        found=1
    else
        printf 'not run: Python %s is not here\n' "$version"
    fi
done
python=$(interpreter 3.9)
if [ -n "$python" ]; then
    printf '\n=== Python 3.9 imports what runs on managed nodes\n'
    PYTHONPYCACHEPREFIX=$PWD/.build/cores/3.9 PYTHONPATH=.collections "$python" tests/tooling/import_module_utils.py
    found=1
else
    printf 'not run: Python 3.9 is not here\n'
fi
[ "$found" -eq 1 ]
