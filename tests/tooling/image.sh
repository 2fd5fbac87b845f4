#!/usr/bin/env bash
# Copyright (c) 2026, The lockstep.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Builds the image that the tests' bench servers run, from this machine's own distribution and package mirror, and prints
# its name. An engine that has it already is asked for nothing more. No image registry is needed; root is, for debootstrap.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly repository=lockstep-bench-server
readonly root=$PWD/.build/image/root
readonly packages=ca-certificates,dbus,git,iproute2,mariadb-server,nginx-light,nodejs,openssh-server,procps,python3,python3-venv,redis-server,sudo,supervisor,systemd-sysv,zstd
export PATH="$PATH:/usr/sbin:/sbin"

log() {
    printf 'image: %s\n' "$1" >&2
}

# One value of /etc/os-release.
release() {
    # shellcheck source=/dev/null
    (. /etc/os-release && printf '%s' "${!1}")
}

mirror() {
    # shellcheck disable=SC2016  # apt fills it in
    apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Codename: $1" | head -n 1
}

# The system with its programs; none of the services starts while it is made.
bootstrap() {
    local components=main suite
    suite=$(release VERSION_CODENAME)
    if [ "$(release ID)" = ubuntu ]; then components=main,universe; fi
    debootstrap --variant=minbase --components="$components" --include="$packages" "$suite" "$root" "$(mirror "$suite")" \
        >.build/image/debootstrap.log 2>&1 || {
        tail -n 20 .build/image/debootstrap.log >&2
        return 1
    }
}

# What the stand-in bench is made of, from the same lock file as on the controller, without any network in the image.
install_python() {
    local version='import sys; print(*sys.version_info[:2], sep=".")'
    if [ "$(chroot "$root" python3 -c "$version")" != "$(.build/venv/bin/python -c "$version")" ]; then
        log "this distribution's python3 is another version than .build/venv's: wheels of one don't fit the other"
        return 1
    fi
    .build/venv/bin/python -m pip download -qq --disable-pip-version-check --no-deps --require-hashes \
        --requirement requirements/demo.lock --dest "$root/wheels"
    cp requirements/demo.lock "$root/wheels/"
    chroot "$root" python3 -m venv /opt/lockstep/venv
    chroot "$root" /opt/lockstep/venv/bin/python -m pip install -qq --no-deps --require-hashes --no-index \
        --find-links /wheels --requirement /wheels/demo.lock
    rm -rf "$root/wheels"
}

configure() {
    chroot "$root" useradd --create-home --shell /bin/bash frappe
    # Who comes over ssh: not root, and with sudo like on most servers.
    chroot "$root" useradd --create-home --shell /bin/bash deploy
    printf 'deploy ALL=(ALL) NOPASSWD: ALL\n' >"$root/etc/sudoers.d/deploy"
    chmod 0440 "$root/etc/sudoers.d/deploy"
    # A bench brings its own Redis; timers and consoles have nothing to do in a container.
    chroot "$root" systemctl --quiet disable redis-server.service
    chroot "$root" systemctl --quiet mask getty.target console-getty.service systemd-resolved.service \
        apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
    : >"$root/etc/machine-id"
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/etc/ssh/ssh_host_*_key*
    # Each server makes host keys of its own when it first starts.
    mkdir -p "$root/etc/systemd/system/ssh.service.d"
    printf '[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n' \
        >"$root/etc/systemd/system/ssh.service.d/host-keys.conf"
}

tag=$(cat tests/tooling/image.sh requirements/demo.lock /etc/os-release | sha256sum | cut -c1-12)
readonly name=$repository:$tag
if docker image inspect "$name" >/dev/null 2>&1; then
    printf '%s\n' "$name"
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    log 'only root can build the image of the bench servers'
    exit 1
fi
log "building $name, about two minutes"
rm -rf "$root"
mkdir -p "$root"
trap 'rm -rf "$root"' EXIT
bootstrap
install_python
configure
tar --create --numeric-owner --one-file-system --directory "$root" . |
    docker import --change 'CMD ["/sbin/init"]' --change 'ENV container=docker' - "$name" >/dev/null
printf '%s\n' "$name"
