# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A supervision tree: RUN/tree/SIDE has a folder per service for s6-supervise, under one s6-svscan.

# tree_row FOLDER NAME USER RIGHTS FILES MEMORY NICE: writes what coracle-keep reads (tools/keep/row.h). What is
# to be started is written by the caller, from stdin.
tree_row() {
    local mask=0027
    [ "$2" != mosquitto ] || mask=0007 # its socket is for the group
    [ "$2" != containerd ] || mask=0022 # it makes the root folders of containers, which users in them must enter
    mkdir -p "$1"
    {
        echo "service=$2 user=$3 rights=$4 files=$5 memory=$6 nice=$7 mask=$mask"
        cat
    } >"$1/row"
    ln -sfn "$BIN/coracle-keep" "$1/run"
    ln -sfn "$BIN/coracle-keep" "$1/finish"
    echo 3 >"$1/notification-fd"
    echo 10000 >"$1/timeout-kill"
}

# tree_check FOLDER: a shell command from stdin that says whether a foreign service is ready.
tree_check() {
    { echo '#!/bin/sh' && cat; } >"$1/check"
    chmod 0755 "$1/check"
}

tree_log() { # scan directory, folder
    mkdir -p "$1/log"
    echo "folder=$2" >"$1/log/row"
    [ -p "$1/log/fifo" ] || mkfifo -m 0600 "$1/log/fifo"
    ln -sfn "$LIB/s6/log" "$1/log/run"
    echo 3 >"$1/log/notification-fd"
}

tree_alive() { s6-svscanctl -z "$1" 2>/dev/null; }

# tree_scan SCANDIR NETNS [SOCKET...]: starts s6-svscan, unless it runs; its output and all its services'
# goes to the log's fifo, which it keeps open for reading too, so that nobody is cut off. It holds the
# listening sockets NAME=ADDRESS:PORT for them.
tree_scan() {
    local prefix=()
    tree_alive "$1" && return 0
    [ -z "$2" ] || prefix=(nsenter "--net=/run/netns/$2")
    [ $# -lt 3 ] || prefix+=("$BIN/coracle-sockets" "${@:3}" --)
    # The services have this environment, and what their rows add.
    (cd / && exec setsid env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "${prefix[@]}" \
        s6-svscan -t 0 "$1" </dev/null 1<>"$1/log/fifo" 2>&1 9<&-) &
    until_true 5 tree_alive "$1" || die "supervisor" "s6-svscan does not answer in $1" "Run up again"
    if ! until_true 5 s6-svstat "$1/log" || ! s6-svwait -U -t 5000 "$1/log"; then
        die "supervisor" "the log process does not start" "See $1/log"
    fi
}

# tree_up SCANDIR NAME...: starts services that do not run and waits until all are ready.
tree_up() {
    local scan=$1 name folders=()
    shift
    for name; do
        until_true 5 s6-svstat "$scan/$name" || die "$name" "not supervised" "Run up again"
        rm -f "$scan/$name/down"
        s6-svc -u "$scan/$name"
        folders+=("$scan/$name")
    done
    s6-svwait -U -a -t 30000 "${folders[@]}" 2>/dev/null && return 0
    for name; do
        [ "$(s6-svstat -o ready "$scan/$name" 2>/dev/null)" = true ] ||
            die "$name" "not ready after 30 s: $(tree_reason "$name" "$scan")" "Log: $(tree_log_of "$scan")/current"
    done
}

tree_log_of() { sed -n 's/^folder=//p' "$1/log/row"; }

# tree_reason NAME SCANDIR: the last thing that a service complained of.
tree_reason() {
    { grep -aE "$1.*(error|failed|fatal)|^[^ ]* $1: " "$(tree_log_of "$2")/current" 2>/dev/null || true; } |
        tail -1 | cut -c1-300
}

# tree_start SIDE SCANDIR: the services, level after level (column start of the table), in a tree that
# is scanned already.
tree_start() {
    local level names name
    for level in $(rows "$1" | awk '{ print $6 }' | sort -un); do
        mapfile -t names < <(rows "$1" | awk -v level="$level" '$6 == level { print $1 }')
        tree_up "$2" "${names[@]}"
    done
    tree_renew "$1" "$2"
}

# tree_renew SIDE SCANDIR: restarts services whose program was replaced since they started.
tree_renew() {
    local name
    for name in $(names "$1"); do
        case $(readlink "/proc/$(s6-svstat -o pid "$2/$name")/exe") in
            "$BIN/"*"(deleted)")
                step "restarting $name: its program is new"
                s6-svc -wR -T 10000 -r "$2/$name" || die "$name" "not ready after its restart" "Log: $(tree_log_of "$2")/current"
                ;;
        esac
    done
}

# tree_stop SCANDIR: ends services, supervisors and s6-svscan; waits until they are gone.
tree_stop() {
    local pid pids
    [ -d "$1" ] || return 0
    pids=$(tree_pids "$1" || true)
    if tree_alive "$1"; then
        s6-svscanctl -t "$1"
    fi
    for pid in $pids; do
        until_true 20 gone "$pid" || kill -KILL "$pid" 2>/dev/null
    done
    rm -rf "$1"
}

# tree_pids SCANDIR: s6-svscan's, its supervisors' and their services' process ids.
tree_pids() {
    local folder
    pgrep -f -x "s6-svscan -t 0 $1" || true
    for folder in "$1"/*/; do
        s6-svstat -o pid "$folder" 2>/dev/null | sed '/^-1$/d'
    done
}

# gone PID: not there, or a zombie that nobody has reaped yet.
gone() { ! grep -qa . "/proc/$1/cmdline" 2>/dev/null; }
