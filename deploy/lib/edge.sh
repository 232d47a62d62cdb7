# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# One edge node: its folders, configuration, containerd, broker, services. All functions work on the
# current node (place_of).

# containers_env: the settings of deploy/containers for this node.
containers_env() {
    export CONTAINERS_NAME=$CORACLE_CONTAINERS$NODE CONTAINERS_RUN=$NODE_RUN/containers
    export CONTAINERS_ROOT=$NODE_STATE/containers CONTAINERS_IMAGES=$CORACLE_STATE/images
    export CONTAINERS_NETNS=$NODE_NETNS CONTAINERS_SUBNET=$CORACLE_POD_NET.$NODE_INDEX.0/24
}

# node_index: gives a further node the first number that is free, and remembers it.
node_index() {
    local index=1
    [ -n "$NODE_NETNS" ] && [ "$NODE_INDEX" = 0 ] || return 0
    while grep -qx "$index" "$CORACLE_STATE"/nodes/*/index 2>/dev/null; do
        index=$((index + 1))
    done
    [ "$index" -lt 250 ] || die "node $NODE" "there are 249 already" "Remove one"
    mkdir -p "$NODE_STATE"
    echo "$index" >"$NODE_STATE/index"
    NODE_INDEX=$index
}

mosquitto_config() {
    [ ! -e "$NODE_ETC/mosquitto.conf" ] || return 0
    cat >"$NODE_ETC/mosquitto.conf.new" <<CONF
# The broker of edge node $NODE. Written once by deploy/up; yours to change.
# For eventbus; the folder lets only the group coracle in.
listener 0 $NODE_RUN/mosquitto/mqtt.sock
# For devices and programs on this node.
listener $CORACLE_MQTT_PORT 127.0.0.1
allow_anonymous true
# eventbus takes as much as it can commit at once; 0: no limit.
max_inflight_messages 0
# While eventbus is away its messages wait here: what is beyond either bound is acknowledged to its
# device and dropped (docs/reliability.md). Together they stay below memory_limit.
max_queued_messages 100000
max_queued_bytes 67108864
max_packet_size 2097152
memory_limit 268435456
max_keepalive 3600
persistence true
persistence_location $NODE_STATE/mosquitto/
# What waits is saved so often (seconds), and when the broker is asked to end.
autosave_interval 10
persistent_client_expiration 30d
log_dest stderr
log_type error
log_type warning
connection_messages false
CONF
    chmod 0644 "$NODE_ETC/mosquitto.conf.new"
    mv "$NODE_ETC/mosquitto.conf.new" "$NODE_ETC/mosquitto.conf"
}

# node_options SERVICE: the options in which a service differs from what it has by itself.
node_options() {
    echo "run-dir=\"$NODE_RUN\""
    case $1 in
        edgehub)
            echo "node.name=\"$NODE\""
            echo "cloud.host=\"$([ -z "$NODE_NETNS" ] && echo "$CORACLE_ADDRESS" || echo "$GATEWAY")\""
            echo "cloud.port=$CORACLE_HUB_PORT"
            echo "cloud.enrol-port=$CORACLE_ENROL_PORT"
            echo "identity=\"$NODE_STATE/edgehub\""
            echo "token-file=\"$NODE_STATE/edgehub/token\""
            ;;
        edged)
            echo "node.name=\"$NODE\""
            echo "runtime.socket=\"$NODE_RUN/containers/containerd.sock\""
            echo "pods.dir=\"$NODE_KUBELET\""
            echo "pods.log-dir=\"$NODE_PODLOGS\""
            echo "pods.static-dir=\"$NODE_ETC/manifests\""
            [ -z "$NODE_CGROUP" ] || echo "pods.cgroup-root=\"$NODE_CGROUP\""
            ;;
        metamanager) echo "database=\"$NODE_STATE/metamanager/meta.db\"" ;;
        devicetwin)
            echo "node.name=\"$NODE\""
            echo "database=\"$NODE_STATE/devicetwin/twin.db\""
            ;;
        eventbus)
            echo "database=\"$NODE_STATE/eventbus/bus.db\""
            echo "broker=\"unix:$NODE_RUN/mosquitto/mqtt.sock\""
            ;;
    esac
}

node_config() {
    local name options
    mosquitto_config
    for name in $(names edge); do
        is_foreign "$name" && continue
        mapfile -t options < <(node_options "$name")
        config_write "$name" "$NODE_ETC/$name.yaml" "${options[@]}"
    done
}

# node_tree: writes the tree of this node.
node_tree() {
    local scan=$NODE_RUN/tree/edge name user rights files memory nice
    tree_log "$scan" "$NODE_STATE/log/edge"
    while read -r name user rights files memory _ nice; do
        [ -d "$scan/$name" ] || { mkdir -p "$scan/$name" && : >"$scan/$name/down"; }
        tree_row "$scan/$name" "$name" "$user" "$rights" "$files" "$memory" "$nice" < <(node_command "$name")
    done < <(rows edge)
    tree_check "$scan/containerd" <<CHECK
exec ctr --timeout 1s -a $NODE_RUN/containers/containerd.sock version >/dev/null 2>&1
CHECK
    tree_check "$scan/mosquitto" <<CHECK
[ -S $NODE_RUN/mosquitto/mqtt.sock ]
CHECK
}

# node_command NAME: how the service is started, for ./row.
node_command() {
    case $1 in
        containerd)
            echo "arg=containerd arg=-c arg='$NODE_RUN/containers/config.toml'"
            ;;
        mosquitto)
            echo "remove='$NODE_RUN/mosquitto/mqtt.sock'"
            echo "arg=mosquitto arg=-c arg='$NODE_ETC/mosquitto.conf'"
            ;;
        *)
            echo "program='$BIN/$1' config='$NODE_ETC/$1.yaml'"
            ;;
    esac
}

# node_token: lets the node enrol, unless it has an identity. The token is good once, for this node.
node_token() {
    local file=$NODE_STATE/edgehub/token said
    if [ -e "$NODE_STATE/edgehub/identity.pem" ] || [ ! -d "$CORACLE_RUN/tree/cloud/cloudhub" ]; then
        return 0
    fi
    step "node $NODE: making a token to enrol with"
    said=$("$BIN/coracle" token create --run-dir="$CORACLE_RUN" --node="$NODE" --ttl=1h 2>&1 >"$file.new") ||
        die "token" "${said//$'\n'/ }" "See $LOGS/cloud/current"
    chown coracle-edgehub:coracle "$file.new"
    chmod 0600 "$file.new"
    mv "$file.new" "$file"
}

# edge_up NODE: everything of one node, up to running services.
edge_up() {
    place_of "$1"
    node_index
    containers_env
    [ -z "$NODE_NETNS" ] || net_join
    make_folders edge "$NODE_ETC" "$NODE_STATE" "$NODE_RUN"
    folder 2750 coracle-mosquitto:coracle "$NODE_RUN/mosquitto"
    step "node $NODE: images and configuration"
    "$TOP/deploy/containers/images" 2>"$LOGS/images.log" ||
        die "images" "$(last_line "$LOGS/images.log")" "See $LOGS/images.log"
    tree_alive "$NODE_RUN/tree/edge" || "$TOP/deploy/containers/configure"
    node_config
    node_tree
    node_token
    step "node $NODE: starting $(names edge | tr '\n' ' ')"
    tree_scan "$NODE_RUN/tree/edge" "$NODE_NETNS"
    s6-svscanctl -a "$NODE_RUN/tree/edge"
    tree_up "$NODE_RUN/tree/edge" containerd
    # Before edged starts: it may have Pods to run.
    "$TOP/deploy/containers/load" 2>"$LOGS/load.log" ||
        die "images" "$(last_line "$LOGS/load.log")" "See $LOGS/load.log"
    tree_start edge "$NODE_RUN/tree/edge"
}

# edge_down NODE: ends services, Pods, containerd and what they mounted.
edge_down() {
    place_of "$1"
    containers_env
    local scan=$NODE_RUN/tree/edge name stop=()
    for name in $(names edge); do
        [ "$name" = containerd ] || [ ! -d "$scan/$name" ] || stop+=("$scan/$name")
    done
    if [ "${#stop[@]}" != 0 ] && tree_alive "$scan"; then
        step "node $NODE: stopping services"
        for name in "${stop[@]}"; do s6-svc -d "$name"; done
        s6-svwait -D -a -t 20000 "${stop[@]}" 2>/dev/null || true
    fi
    step "node $NODE: stopping containers"
    export CORACLE_CRI=$BIN/coracle-cri
    if tree_alive "$scan" && [ -S "$NODE_RUN/containers/containerd.sock" ]; then
        timeout 60 "$CORACLE_CRI" "$NODE_RUN/containers/containerd.sock" remove-all >/dev/null 2>&1 || true
    fi
    tree_stop "$scan"
    rm -f "$NODE_RUN/containers/containerd.sock"
    "$TOP/deploy/containers/down"
    pods_clean
    net_leave
}

# pods_clean: what is left of Pods when their containers are gone: mounts of volumes, control groups.
pods_clean() {
    local mount
    awk -v pods="$NODE_KUBELET/pods/" 'index($2, pods) == 1 { print $2 }' /proc/self/mounts | sort -r |
        while read -r mount; do umount "$mount" 2>/dev/null || umount -l "$mount"; done
    for mount in /sys/fs/cgroup/*"$NODE_CGROUP/kubepods"; do
        [ ! -d "$mount" ] || find "$mount" -depth -type d -exec rmdir {} + 2>/dev/null
        [ -z "$NODE_CGROUP" ] || rmdir "${mount%/kubepods}" 2>/dev/null
    done
}
