# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Installing what is missing of lists of Debian packages (see deploy/packages).

# packages_wanted LIST...: prints the packages that the lists ask for on this machine.
packages_wanted() {
    local package unless command
    sed 's/#.*//' "$@" | while read -r package unless command; do
        [ -n "$package" ] || continue
        if [ "$unless" = unless ] && command -v "$command" >/dev/null; then
            continue
        fi
        echo "$package"
    done
}

# packages_missing LIST...: prints those of them that are not installed.
packages_missing() {
    local wanted
    wanted=$(packages_wanted "$@")
    # shellcheck disable=SC2086 # a list of words
    comm -23 <(echo "$wanted" | sort -u) \
        <({ dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' $wanted 2>/dev/null || true; } |
            sed -n 's/^ii *//p' | sort -u)
}

# packages_quietly COMMAND...: runs it while Debian's packages may not start services of their own:
# the broker and the container runtime run here under our supervisor with our configuration.
packages_quietly() {
    local policy=/usr/sbin/policy-rc.d code=0 ours=0
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 0755 "$policy"
        ours=1
    fi
    "$@" || code=$?
    [ "$ours" = 0 ] || rm -f "$policy"
    return "$code"
}

packages_apt() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

# packages_install LOG LIST...: installs what is missing. Its output goes to LOG. Code 1: it failed.
packages_install() {
    local log=$1 missing
    shift
    missing=$(packages_missing "$@")
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086 # a list of words
    packages_quietly packages_apt $missing >"$log" 2>&1 && return 0
    apt-get update -q >>"$log" 2>&1 </dev/null || return 1
    # shellcheck disable=SC2086
    packages_quietly packages_apt $missing >>"$log" 2>&1
}
