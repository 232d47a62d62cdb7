# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Progress and failure, told in one line each.
BEGAN=${EPOCHREALTIME/[.,]/}

# step WHAT: says what is being done now, with the seconds since the beginning.
step() {
    local us=$((${EPOCHREALTIME/[.,]/} - BEGAN))
    printf '[%3d.%d s] %s\n' $((us / 1000000)) $((us / 100000 % 10)) "$1"
}

# die WHAT WHY DO: ends with one line.
die() {
    trap - ERR
    printf '%s: %s: %s. %s.\n' "${0##*/}" "$1" "$2" "$3" >&2
    exit 1
}

# last_line FILE: the last line that is not empty, for a reason.
last_line() { grep -v '^ *$' "$1" 2>/dev/null | tail -1; }

# until_true SECONDS COMMAND...: runs the command until it succeeds; code 1: it did not in time.
until_true() {
    local end=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.05
    done
}

# lock: only one up or down of an installation at a time; held until the script ends. Programs that
# go on after it must not get file descriptor 9.
lock() {
    mkdir -p "$LOGS"
    exec 9<"$LOGS"
    flock -n 9 || die "lock" "another deploy/up or deploy/down is at work" "Wait for it"
}
