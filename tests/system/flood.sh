# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034 # what is set here is used by those that source it
# A device that floods, and what it does to others; for tests/system/flood and tests/bench/flood.
FLOOD_TOPIC="\$hw/events/device/default/flood/twin/update" FLOOD_PROPERTIES=10
FLOOD_SERVICES=(edge/mosquitto edge/eventbus edge/devicetwin edge/edgehub edge/metamanager edge/edged
    cloud/cloudhub cloud/edgecontroller cloud/kubelite)

flood_device() {
    local p
    echo 'apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: flood}
spec:
  protocol: mqtt
  properties:'
    for ((p = 0; p < FLOOD_PROPERTIES; p++)); do echo "    - {name: p$p, type: INT, accessMode: ReadOnly}"; done
    echo '---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: flood}
spec:
  deviceModelRef: {name: flood}
  nodeName: edge0
  protocol: {protocolName: mqtt}
  properties:'
    for ((p = 0; p < FLOOD_PROPERTIES; p++)); do echo "    - {name: p$p, reportToCloud: true}"; done
}

flood_known() {
    [ "$(sqlite3 -readonly "$CORACLE_STATE/devicetwin/twin.db" "SELECT count(*) FROM device WHERE id = 'default/flood'")" = 1 ]
}

# flood_values: what the API shows of all properties, one a line.
flood_values() {
    kubectl get devicestatus flood -o 'jsonpath={range .status.twins[*]}{.reported.value}{"\n"}{end}'
}

# flood_watch FILE: writes a line for each change of the DeviceStatus, until it is killed: how old the oldest
# value that it replaces had become by then, in milliseconds.
flood_watch() {
    local before='' oldest
    kubectl get --raw "/apis/devices.kubeedge.io/v1beta1/namespaces/default/devicestatuses?watch=true&fieldSelector=metadata.name%3Dflood&timeoutSeconds=600" |
        jq --unbuffered -r '[.object.status.twins[]?.reported.value // "0" | tonumber] | min // 0' |
        while read -r oldest; do
            [ -z "$before" ] || echo $((${EPOCHREALTIME/[.,]/} / 1000 - before))
            before=$oldest
        done >"$1"
}

# flood_once: one more update; prints how many milliseconds it takes until the API shows it.
flood_once() {
    local began=$((${EPOCHREALTIME/[.,]/} / 1000))
    "$BIN_DIR/torture-load" --twin "$FLOOD_PROPERTIES" --topic "$FLOOD_TOPIC" --port 0 --count 1 >/dev/null
    within 60 flood_shows_since "$began"
    echo $((${EPOCHREALTIME/[.,]/} / 1000 - began))
}

# flood_start RATE SECONDS: a device floods.
flood_start() {
    flood_once >/dev/null # the watch begins with values of now
    "$BIN_DIR/torture-load" --twin "$FLOOD_PROPERTIES" --topic "$FLOOD_TOPIC" --port 0 --rate "$1" --flight 2000 \
        --seconds "$2" >"$TEST_DIR/flood.out" 2>&1 &
    FLOOD_PID=$!
    flood_watch "$TEST_DIR/ages" &
    FLOOD_WATCH=$!
}

# flood_shows_since MS: every property's value in the API is not older.
flood_shows_since() {
    flood_values | awk -v since="$1" -v count="$FLOOD_PROPERTIES" '$1 < since { old = 1 } END { exit old || NR != count }'
}

# flood_end: waits for its end; the last update is behind all others.
flood_end() {
    wait "$FLOOD_PID"
    FLOOD_ACKED=$(tail -1 "$TEST_DIR/flood.out" | jq .acked)
    FLOOD_LAST=$(flood_once)
    kill "$FLOOD_WATCH" 2>/dev/null || true
}

# flood_ages: p50 p99 max of how far the API was behind, in milliseconds.
flood_ages() {
    sort -n "$TEST_DIR/ages" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], v[int(NR * 0.99 + 0.99)], v[NR] }'
}

# flood_pods COUNT: milliseconds from kubectl create to Ready, the median of so many Pods.
flood_pods() {
    local i times=() began
    for ((i = 0; i < $1; i++)); do
        began=${EPOCHREALTIME/[.,]/}
        web_pod "flood-$i" edge0 | kubectl create -f - >/dev/null
        pod_ready "flood-$i"
        times+=($(((${EPOCHREALTIME/[.,]/} - began) / 1000)))
        kubectl delete pod "flood-$i" --wait=true --timeout=20s >/dev/null
    done
    printf '%s\n' "${times[@]}" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# lease_watch FILE: writes a line for each renewal of the node's Lease, from now until lease_end: its renewTime
# in milliseconds, that of the last one before first; last the time at which the watch ended.
lease_watch() {
    kubectl get --raw "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases?watch=true&fieldSelector=metadata.name%3Dedge0&timeoutSeconds=3600" |
        jq --unbuffered -r '.object.spec.renewTime | (.[0:19] + "Z" | fromdate) * 1000 + (.[20:23] | tonumber)' >"$1" &
    LEASE_PID=$! LEASE_FILE=$1
}
lease_end() {
    kill "$LEASE_PID" 2>/dev/null || true
    echo "end $(date +%s%3N)" >>"$LEASE_FILE"
}

# lease_gaps FILE: how often it was renewed; the median time between two renewals, and the longest without one,
# the last one until the watch ended among them, in milliseconds.
lease_gaps() {
    awk '$1 == "end" { print "open", $2 - last; next } last > 0 && $1 > last { print "gap", $1 - last } { last = $1 }' "$1" | sort -k 2 -n |
        awk '$1 == "gap" { v[++n] = $2 } { longest = $2 } END { printf "%d %d %d\n", n, v[int((n + 1) / 2)], longest }'
}
