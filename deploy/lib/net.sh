# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Networks of further nodes: each has a namespace of its own, on one bridge with the cloud side.

net_bridge() {
    if ! ip link show "$BRIDGE" >/dev/null 2>&1; then
        ip link add "$BRIDGE" type bridge || die "network" "no bridge $BRIDGE" "The kernel must allow bridges"
    fi
    ip addr replace "$GATEWAY/24" dev "$BRIDGE"
    ip link set "$BRIDGE" up
}

# net_join: puts the current node (place_of) on the bridge. Link names have 15 bytes at most.
net_join() {
    local address=$CORACLE_NODE_NET.$((NODE_INDEX + 1)) link=$CORACLE_NAME.$NODE_INDEX
    net_bridge
    [ -e "/run/netns/$NODE_NETNS" ] || ip netns add "$NODE_NETNS"
    ip -n "$NODE_NETNS" link set lo up
    if ! ip -n "$NODE_NETNS" link show eth0 >/dev/null 2>&1; then
        ip link del "$link" 2>/dev/null || true
        ip link add "$link" type veth peer name eth0 netns "$NODE_NETNS" ||
            die "network" "no link for node $NODE" "The kernel must allow veth"
    fi
    ip link set "$link" master "$BRIDGE" up
    ip -n "$NODE_NETNS" addr replace "$address/24" dev eth0
    ip -n "$NODE_NETNS" link set eth0 up
    ip -n "$NODE_NETNS" route replace default via "$GATEWAY"
}

net_leave() {
    [ -z "$NODE_NETNS" ] || [ ! -e "/run/netns/$NODE_NETNS" ] || ip netns del "$NODE_NETNS"
}

# net_down: the bridge, and the mount that "ip netns add" makes, if no namespace has a name any more
# (who adds the next one gets it again); what containerd's shims leave empty.
net_down() {
    ip link del "$BRIDGE" 2>/dev/null || true
    if [ -d /run/netns ] && [ -z "$(ls -A /run/netns)" ] && mountpoint -q /run/netns; then
        umount /run/netns || true
    fi
    rmdir /run/netns /run/containerd/s /run/containerd 2>/dev/null || true
}
