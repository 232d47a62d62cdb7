# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# Settings of one private containerd, shared by the scripts of this folder. Several run side by side:
# give each its own CONTAINERS_NAME (the rest follows from it) and CONTAINERS_SUBNET.
: "${CONTAINERS_NAME:=edge0}"
: "${CONTAINERS_RUN:=/run/coracle/containers/$CONTAINERS_NAME}"          # socket, state, configuration
: "${CONTAINERS_ROOT:=/var/lib/coracle/containers/$CONTAINERS_NAME}"     # images and snapshots
: "${CONTAINERS_IMAGES:=/var/lib/coracle/images}"                        # image archives made here
: "${CONTAINERS_NETNS=}"              # network namespace of containerd and hostNetwork pods; empty: this one
: "${CONTAINERS_SUBNET:=10.88.0.0/24}" # addresses of pods; on a bridge inside that namespace
: "${CONTAINERS_SNAPSHOTTER:=overlayfs}"
: "${CONTAINERS_RUNTIME:=runc}"         # runc or crun: for Pods without a RuntimeClass
: "${CONTAINERS_CGROUP:=k8s.io}"      # where containerd puts tasks without a cgroup parent of their own
PATH=$PATH:/usr/sbin:/sbin
SOCK=$CONTAINERS_RUN/containerd.sock
# shellcheck disable=SC2034 # used by up and down
PIDFILE=$CONTAINERS_RUN/containerd.pid
# Interface names have at most 15 bytes: a name that is too long is cut and told apart by a checksum.
BRIDGE=cni-$CONTAINERS_NAME
if [ ${#BRIDGE} -gt 15 ]; then
    sum=$(printf %s "$CONTAINERS_NAME" | cksum)
    BRIDGE=cni-$(printf %.5s "$CONTAINERS_NAME")$(printf %.6s "${sum%% *}")
fi

innet() {
    if [ -n "$CONTAINERS_NETNS" ]; then
        nsenter --net="/run/netns/$CONTAINERS_NETNS" "$@"
    else
        "$@"
    fi
}

ctrk() { ctr -a "$SOCK" -n k8s.io "$@"; }

# Whether pid $1 is alive and carries this instance's folder in its command line (a zombie has none).
ours() {
    [ -n "$1" ] && [ -r "/proc/$1/cmdline" ] &&
        tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF -- "$CONTAINERS_RUN/"
}
