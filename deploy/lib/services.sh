# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The table deploy/services, and the users and folders that follow from it.

# rows SIDE: prints the rows of a side: name user rights files memory start nice.
rows() {
    local name side user rights files memory start nice
    sed 's/#.*//' "$TOP/deploy/services" | while read -r name side user rights files memory start nice; do
        [ "$side" = "$1" ] || continue
        [ "$name" != kubelite ] || is_embedded || continue
        is_foreign "$name" || [ -x "$BUILD/bin/$name" ] || [ -x "$BIN/$name" ] || continue
        [ "$user" = root ] || user=coracle-$name
        echo "$name $user $rights $files $memory $start $nice"
    done
}

# is_foreign NAME: a program of Debian's, not ours.
is_foreign() { [ "$1" = containerd ] || [ "$1" = mosquitto ]; }

names() { rows "$1" | cut -d' ' -f1; }

user_add() {
    getent passwd "$1" >/dev/null && return 0
    useradd --system --gid coracle --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin "$1" || die "user $1" "useradd failed" "See above"
}

make_users() {
    local name user rest
    getent group coracle >/dev/null || groupadd --system coracle ||
        die "group coracle" "groupadd failed" "See above"
    user_add coracle-log
    while read -r name user rest; do
        [ "$user" = root ] || user_add "$user"
    done < <(rows cloud && rows edge)
}

# folder MODE OWNER PATH: makes it so.
folder() { install -d -m "$1" -o "${2%:*}" -g "${2#*:}" "$3"; }

# make_folders SIDE ETC STATE RUN: the folders of a side. Sockets are made by many users in one folder:
# it belongs to the group, new files too (setgid), and each may remove only its own (sticky).
make_folders() {
    local name user rest etc=$2 state=$3 run=$4
    folder 0755 root:root "$etc"
    folder 0755 root:root "$state"
    folder 0755 root:root "$run"
    folder 3770 root:coracle "$run/bus"
    folder 3770 root:coracle "$run/ctl"
    folder 0755 root:root "$run/tree"
    folder 0755 root:root "$state/log"
    folder 0750 coracle-log:coracle "$state/log/$1"
    while read -r name user rest; do
        folder 0700 "$user:coracle" "$state/$name"
    done < <(rows "$1")
}
