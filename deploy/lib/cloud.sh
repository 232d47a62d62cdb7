# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The cloud side: the embedded Kubernetes API and the services that talk to it.

# quoted WORD...: a YAML list.
quoted() {
    local list
    list=$(printf '"%s", ' "$@")
    echo "[${list%, }]"
}

# cloud_names: prints what this machine is called, for certificates.
cloud_names() {
    {
        printf '%s\n' localhost 127.0.0.1 "$CORACLE_ADDRESS" "$GATEWAY"
        hostname
        ip -o -4 addr show scope global | awk '{ sub("/.*", "", $4); print $4 }'
    } | sort -u
}

cloud_options() {
    local names
    mapfile -t names < <(cloud_names)
    echo "run-dir=\"$CORACLE_RUN\""
    case $1 in
        kubelite)
            echo "listen=$(quoted "$CORACLE_ADDRESS:$CORACLE_API_PORT" "$GATEWAY:$CORACLE_API_PORT")"
            echo "names=$(quoted "${names[@]}")"
            echo "state-dir=\"$CORACLE_STATE/kubelite\""
            echo "admin-kubeconfig=\"$CORACLE_STATE/kubelite/admin.kubeconfig\""
            echo "cloud-kubeconfig=\"$CORACLE_STATE/kubelite/cloud.kubeconfig\""
            ;;
        cloudhub)
            echo "kubeconfig=\"$CORACLE_ETC/cloudhub.kubeconfig\""
            echo "names=$(quoted "${names[@]}")"
            echo "listen.address=\"$CORACLE_HUB_LISTEN\""
            echo "listen.port=$CORACLE_HUB_PORT"
            echo "enrol.address=\"$CORACLE_HUB_LISTEN\""
            echo "enrol.port=$CORACLE_ENROL_PORT"
            echo "streams.listen=\"$CORACLE_HUB_LISTEN:$CORACLE_STREAMS_PORT\""
            echo "streams.node-ports=$CORACLE_NODE_PORTS"
            echo "streams.tunnel-address=\"$CORACLE_HUB_LISTEN\""
            echo "streams.tunnel-port=$CORACLE_TUNNEL_PORT"
            ;;
        edgecontroller)
            echo "kubeconfig=\"$CORACLE_ETC/edgecontroller.kubeconfig\""
            echo "streams.address=\"$CORACLE_ADDRESS\""
            echo "streams.port=$CORACLE_STREAMS_PORT"
            echo "streams.node-ports=$CORACLE_NODE_PORTS"
            ;;
    esac
}

cloud_config() {
    local name options
    for name in $(names cloud); do
        mapfile -t options < <(cloud_options "$name")
        config_write "$name" "$CORACLE_ETC/$name.yaml" "${options[@]}"
    done
}

cloud_tree() {
    local scan=$CORACLE_RUN/tree/cloud name user rights files memory nice
    tree_log "$scan" "$CORACLE_STATE/log/cloud"
    while read -r name user rights files memory _ nice; do
        [ -d "$scan/$name" ] || { mkdir -p "$scan/$name" && : >"$scan/$name/down"; }
        tree_row "$scan/$name" "$name" "$user" "$rights" "$files" "$memory" "$nice" <<ROW
program='$BIN/$name' config='$CORACLE_ETC/$name.yaml' sockets=$([ "$name" != cloudhub ] || echo link:enrol)
ROW
    done < <(rows cloud)
}

# cloud_sockets: prints NAME=ADDRESS:PORT of those that cloudhub listens on: they stay open while it
# restarts.
cloud_sockets() {
    [ "$CORACLE_HOLD" = yes ] && [ -x "$BIN/cloudhub" ] || return 0
    "$BIN/cloudhub" --config "$CORACLE_ETC/cloudhub.yaml" --dump-config | awk '
        /^[a-z]/ { section = $1 }
        $1 == "address:" || $1 == "port:" { gsub(/"/, "", $2); value[section $1] = $2 }
        END {
            print "link=" value["listen:address:"] ":" value["listen:port:"]
            print "enrol=" value["enrol:address:"] ":" value["enrol:port:"]
        }'
}

# key_file FROM TO OWNER: a copy that only the owner can read; only when it differs.
key_file() {
    cmp -s "$1" "$2" && return 0
    install -m 0600 -o "$3" -g root "$1" "$2.new"
    mv "$2.new" "$2"
}

# cloud_keys: hands out what the embedded API server made on its first start.
cloud_keys() {
    local made=$CORACLE_STATE/kubelite
    key_file "$made/admin.kubeconfig" "$ADMIN" root
    key_file "$made/cloud.kubeconfig" "$CORACLE_ETC/cloudhub.kubeconfig" coracle-cloudhub
    key_file "$made/cloud.kubeconfig" "$CORACLE_ETC/edgecontroller.kubeconfig" coracle-edgecontroller
}

# crd_is_kubeedge FILE: the cluster has it already, from KubeEdge, perhaps with versions that ours does not have.
crd_is_kubeedge() {
    kube get -f "$1" -o 'jsonpath={.metadata.annotations}' 2>/dev/null | grep -q 'controller-gen.kubebuilder.io/version'
}

apply_crds() {
    local said file
    step "applying CRDs"
    for file in "$TOP"/deploy/crds/*.yaml; do
        crd_is_kubeedge "$file" && continue
        said=$(kube apply -f "$file" 2>&1) || die "CRDs" "${said//$'\n'/ }" "See $LOGS/cloud/current"
    done
    said=$(kube wait --for=condition=Established --timeout=20s -f "$TOP/deploy/crds" 2>&1) ||
        die "CRDs" "${said//$'\n'/ }" "See $LOGS/cloud/current"
}

cloud_up() {
    local scan=$CORACLE_RUN/tree/cloud sockets
    make_folders cloud "$CORACLE_ETC" "$CORACLE_STATE" "$CORACLE_RUN"
    net_bridge
    cloud_config
    cloud_tree
    step "cloud side: starting $(names cloud | tr '\n' ' ')"
    mapfile -t sockets < <(cloud_sockets)
    tree_scan "$scan" '' "${sockets[@]}"
    s6-svscanctl -a "$scan"
    if is_embedded; then
        tree_up "$scan" kubelite
        cloud_keys
    else
        kubernetes_keys
    fi
    apply_crds
    tree_start cloud "$scan"
}
