# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the scenarios of this folder share: unmodified programs of KubeEdge in the namespaces of a system test, and the
# same steps for every pair of cloud side and edge side.
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/system/lib.sh
. "$HERE/../../system/lib.sh"
KE=${TEST_DIR:-}/kubeedge
# The cloud side as the node under test reaches it: this address can be cut off alone.
FAR=127.0.0.2

need() {
    local name
    for name; do
        [ -x "${!name:-}" ] || {
            echo "SKIPPED: $name is no program; see docs/interop.md, KubeEdge"
            exit 77
        }
    done
}

# ---- EdgeCore ----

# edgecore_place NODE: a containerd and a broker of its own, and no configuration yet.
edgecore_place() {
    EC=$KE/$1
    MQTT_PORT=1884
    mkdir -p "$EC/containers" "$EC/pod-logs" "$EC/kubelet" "$EC/manifests"
    # Volumes that EdgeCore mounts are to be seen by containerd.
    mount --bind "$EC/kubelet" "$EC/kubelet"
    mount --make-shared "$EC/kubelet"
    for controller in /sys/fs/cgroup/*/; do
        mkdir -p "$controller$CORACLE_CGROUP/$1"
        [ ! -e "${controller}cpuset.cpus" ] || {
            cat "${controller}cpuset.cpus" >"$controller$CORACLE_CGROUP/cpuset.cpus"
            cat "${controller}cpuset.mems" >"$controller$CORACLE_CGROUP/cpuset.mems"
            cat "${controller}cpuset.cpus" >"$controller$CORACLE_CGROUP/$1/cpuset.cpus"
            cat "${controller}cpuset.mems" >"$controller$CORACLE_CGROUP/$1/cpuset.mems"
        }
    done
    CONTAINERS_NAME=${CORACLE_CONTAINERS}ec-$1 CONTAINERS_RUN=$EC/containers/run CONTAINERS_ROOT=$EC/containers/root \
        CONTAINERS_IMAGES=$CORACLE_STATE/images CONTAINERS_SUBNET=10.89.0.0/24 "$TOP/deploy/containers/up"
    printf 'listener %d 127.0.0.1\nallow_anonymous true\n' "$MQTT_PORT" >"$EC/mosquitto.conf"
    chmod 0755 "$KE" "$EC"
    setsid mosquitto -c "$EC/mosquitto.conf" >"$EC/mosquitto.log" 2>&1 </dev/null &
}

# edgecore_config NODE TOKEN: with EDGE_STREAM=true it opens a tunnel. heartbeat and syncFrequency are shorter than by default (15 s, 1 min), so that the test is.
edgecore_config() {
    cat >"$EC/edgecore.yaml" <<END
apiVersion: edgecore.config.kubeedge.io/v1alpha2
kind: EdgeCore
database: {dataSource: $EC/edgecore.db}
modules:
  deviceTwin: {enable: true, dmiSockPath: $EC/}
  edgeHub:
    enable: true
    heartbeat: 5
    httpServer: https://$FAR:10002
    token: "$2"
    tlsCaFile: $EC/ca/rootCA.crt
    tlsCertFile: $EC/certs/server.crt
    tlsPrivateKeyFile: $EC/certs/server.key
    websocket: {enable: true, server: "$FAR:10000", handshakeTimeout: 30, readDeadline: 15, writeDeadline: 15}
  edged:
    enable: true
    hostnameOverride: $1
    nodeIP: 127.0.0.1
    rootDirectory: $EC/kubelet
    podSandboxImage: coracle.local/pause:1
    registerSchedulable: true
    tailoredKubeletConfig:
      address: 127.0.0.1
      readOnlyPort: ${EC_PORT:-10351} # edged of the Coracle node beside it has 10350, where the tunnel asks
      cgroupDriver: cgroupfs
      cgroupRoot: $CORACLE_CGROUP/$1
      containerRuntimeEndpoint: unix://$EC/containers/run/containerd.sock
      imageServiceEndpoint: unix://$EC/containers/run/containerd.sock
      enforceNodeAllocatable: [none]
      evictionHard: {memory.available: 1Mi}
      podLogsDir: $EC/pod-logs
      staticPodPath: $EC/manifests
      resolvConf: ""
      syncFrequency: 5s
  edgeStream:
    enable: ${EDGE_STREAM:-false}
    server: "$FAR:10004"
    handshakeTimeout: 30
    tlsTunnelCAFile: $EC/ca/rootCA.crt
    tlsTunnelCertFile: $EC/certs/server.crt
    tlsTunnelPrivateKeyFile: $EC/certs/server.key
  eventBus: {enable: true, mqttMode: 2, mqttServerExternal: "tcp://127.0.0.1:$MQTT_PORT"}
  metaManager: {enable: true, metaServer: {enable: true}}
END
}

# edgecore_start: in a mount namespace of its own, since some of its paths cannot be configured.
edgecore_start() {
    # shellcheck disable=SC2016 # $1 is the inner shell's
    CHECK_EDGECORE_ENVIRONMENT=false setsid unshare --mount --propagation unchanged sh -c '
        mount -t tmpfs none /var/lib && mount -t tmpfs none /var/log && exec "$@"' sh \
        "$CORACLE_EDGECORE" "--config=$EC/edgecore.yaml" >>"$EC/edgecore.log" 2>&1 </dev/null &
    echo $! >"$EC/edgecore.pid"
}

edgecore_kill() {
    kill -KILL "$(cat "$EC/edgecore.pid")"
    within 5 sh -c "! kill -0 $(cat "$EC/edgecore.pid")"
}

edgecore_restart() {
    edgecore_kill
    edgecore_start
}

# ---- CloudCore ----

# cloudcore_crds FOLDER: those of its own that this API server takes (1.20 refuses some for how they are generated), and
# ours, which are of the same group and version, for the others.
cloudcore_crds() {
    local file
    find "$1" -name '*.yaml' | while read -r file; do
        kubectl create --validate=false -f "$file" >/dev/null 2>&1 || echo "refused: $file"
    done
    for file in "$TOP"/deploy/crds/*.yaml; do
        kubectl get -f "$file" >/dev/null 2>&1 || kubectl create -f "$file" >/dev/null
    done
    kubectl wait --for=condition=Established --timeout=20s -f "$TOP/deploy/crds" >/dev/null
}

# first NAME FUNCTION: a case without which there is no use in the others.
first() {
    t_case "$@"
    [ "$SYSTEM_FAILED" = 0 ] || finish
}

# finish: ends the scenario; with CORACLE_KEEP, a folder, leaves KubeEdge's logs and ours there.
finish() {
    local file
    for file in "$KE"/*.log "$KE"/*/*.log "$TEST_DIR"/state/log/*/current "$TEST_DIR"/*/state/log/*/current; do
        [ -z "${CORACLE_KEEP:-}" ] || [ ! -e "$file" ] || cp "$file" "$CORACLE_KEEP/$(tr / - <<<"${file#"$TEST_DIR/"}")"
    done
    t_end
}

# CloudCore looks for an address that is not of the loopback, and crashes EdgeCores when it finds none.
cloudcore_config() {
    mkdir -p "$KE"
    ip link add site type bridge
    ip addr add 10.201.7.1/24 dev site
    ip link set site up
    ip route add default via 10.201.7.254 dev site onlink
    cat >"$KE/cloudcore.yaml" <<END
apiVersion: cloudcore.config.kubeedge.io/v1alpha1
kind: CloudCore
kubeAPIConfig: {kubeConfig: "$TEST_DIR/cluster/admin.kubeconfig"}
modules:
  cloudStream:
    enable: ${CLOUD_STREAM:-false}
    streamPort: 10003
    tunnelPort: 10004
    tlsStreamCAFile: $TEST_DIR/cluster/pki/ca.crt
    tlsStreamCertFile: $TEST_DIR/cluster/pki/server.crt
    tlsStreamPrivateKeyFile: $TEST_DIR/cluster/pki/server.key
  cloudHub:
    advertiseAddress: ["127.0.0.1", "$FAR"]
    unixsocket: {enable: true, address: "unix://$KE/kubeedge.sock"}
  dynamicController: {enable: true}
  iptablesManager: {enable: false}
END
}

cloudcore_start() {
    setsid "$CORACLE_CLOUDCORE" "--config=$KE/cloudcore.yaml" >>"$KE/cloudcore.log" 2>&1 </dev/null &
    echo $! >"$KE/cloudcore.pid"
    within 30 listens 10000
    within 30 listens 10002
}

cloudcore_restart() {
    kill -KILL "$(cat "$KE/cloudcore.pid")"
    within 5 sh -c "! kill -0 $(cat "$KE/cloudcore.pid")"
    cloudcore_start
}

listens() { ss -Hltn "sport = :$1" | grep -q .; }

cloudcore_token() { kubectl -n kubeedge get secret tokensecret -o 'jsonpath={.data.tokendata}' | base64 -d; }

cloudcore_is_well() { fails grep -E '^panic|^fatal error' "$KE/cloudcore.log"; }

cloudcore_is_up() {
    "$CORACLE_CLUSTER" "$TEST_DIR/cluster" 6443
    mkdir -p "$CORACLE_ETC"
    cp "$TEST_DIR/cluster/admin.kubeconfig" "$CORACLE_ETC/admin.kubeconfig"
    cloudcore_crds "$CORACLE_CRDS"
    cloudcore_config
    cloudcore_start
    within 20 cloudcore_token
}

# The edge side alone, as deploy/up brings it up.
coracle_joins() {
    export CORACLE_ADDRESS=$FAR
    local part
    for part in env say packages build services config tree net kubernetes cloud edge; do
        # shellcheck source=/dev/null
        . "$TOP/deploy/lib/$part.sh"
    done
    echo "yes" >"$CORACLE_ETC/kubernetes"
    mkdir -p "$LOGS"
    make_users
    install_programs
    place_of edge0
    make_folders edge "$NODE_ETC" "$NODE_STATE" "$NODE_RUN"
    (umask 077 && cloudcore_token >"$NODE_STATE/edgehub/token")
    chown coracle-edgehub:coracle "$NODE_STATE/edgehub/token"
    edge_up edge0
}

# ---- our cloud side ----

# edge0_makes_room: EdgeCore's API is to be at 127.0.0.1:10350 of the same machine.
edge0_makes_room() {
    sed -i 's/^\( *listen: \)"\?127.0.0.1:10350"\?/\1""/' "$CORACLE_ETC/edged.yaml"
    fails grep -q '127.0.0.1:10350' "$CORACLE_ETC/edged.yaml"
    kill_service edge edged
    within 10 fails listens 10350
}

# cloud_opens: a reusable token, as CloudCore has one, and the address FAR in the certificate.
cloud_opens() {
    sed -i -e "s/^\(names: \[\)/\1\"$FAR\", /" -e 's/^\( *reusable-token: \).*/\1true/' "$CORACLE_ETC/cloudhub.yaml"
    grep -q "$FAR" "$CORACLE_ETC/cloudhub.yaml"
    grep -q 'reusable-token: true' "$CORACLE_ETC/cloudhub.yaml"
    kill_service cloud cloudhub
}

# ---- steps: NODE is the node under test, MQTT_PORT its broker ----

# Whoever sends is told that the connection is gone, and none can be made.
cut_link() {
    iptables -A OUTPUT -p tcp --tcp-flags RST RST -j ACCEPT
    iptables -A OUTPUT -p tcp -d "$FAR" -j REJECT --reject-with tcp-reset
    iptables -A OUTPUT -p tcp -s "$FAR" -j REJECT --reject-with tcp-reset
}

mend_link() { iptables -F OUTPUT; }

is_ready() { [ "$(kubectl get node "$NODE" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]; }

renewed() { kubectl -n kube-node-lease get lease "$NODE" -o 'jsonpath={.spec.renewTime}'; }
renewed_since() { [ "$(renewed)" != "$1" ]; }

becomes_ready() {
    within 60 is_ready
    kubectl get node "$NODE" -o jsonpath='{.metadata.labels}' | grep -q 'node-role.kubernetes.io/edge'
    within 15 renewed
    within 25 renewed_since "$(renewed)"
}

# app NAME: a Pod with all that comes down with one: ConfigMap, Secret, token.
app() {
    kubectl create configmap "$1" --from-literal=index.html="$1 one" >/dev/null
    kubectl create secret generic "$1" --from-literal=word="$1 secret" >/dev/null
    cat <<POD | apply
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  nodeName: $NODE
  terminationGracePeriodSeconds: 1
  containers:
    - name: web
      image: coracle.local/web:1
      imagePullPolicy: IfNotPresent
      env: [{name: WORD, valueFrom: {secretKeyRef: {name: $1, key: word}}}]
      volumeMounts:
        - {name: page, mountPath: /var/www}
        - {name: word, mountPath: /etc/word}
  volumes:
    - {name: page, configMap: {name: $1}}
    - {name: word, secret: {secretName: $1}}
POD
}

ready_within() { kubectl wait --for=condition=Ready "--timeout=$1s" "pod/$2" >/dev/null; }
page_is() { [ "$(page "$(pod_field "$1" .status.podIP)$2")" = "$3" ]; }

pod_runs() {
    app one
    ready_within 40 one
    page_is one '' 'one one'
    equal phase Running "$(pod_field one .status.phase)"
}

update_arrives() {
    kubectl create configmap one --from-literal=index.html="one two" --dry-run=client -o yaml | kubectl replace -f - >/dev/null
    echo "measured: ConfigMap update to mounted file $(ms within 100 page_is one '' 'one two') ms"
}

pod_goes() {
    app gone
    ready_within 40 gone
    kubectl delete pod gone --timeout=40s >/dev/null
    fails kubectl get pod gone
}

uid_of() { pod_field "$1" .metadata.uid 2>/dev/null; }
is_another() { [ -n "$(uid_of "$1")" ] && [ "$(uid_of "$1")" != "$2" ]; }

# A file of the node's becomes a Pod, which the API shows; what is deleted there is only what shows it.
static_pod_is_shown() {
    local folder=${EC:-}/manifests name=fixed-$NODE old id
    [ "$MQTT_PORT" != 1883 ] || folder=$CORACLE_ETC/manifests
    web_pod fixed ignored >"$TEST_DIR/fixed.yaml"
    mv "$TEST_DIR/fixed.yaml" "$folder/fixed.yaml"
    within 40 kubectl get pod "$name"
    ready_within 40 "$name"
    page_has "$(pod_field "$name" .status.podIP)" 'hello from the edge'
    equal source file "$(pod_field "$name" '.metadata.annotations.kubernetes\.io/config\.source')"
    old=$(uid_of "$name")
    id=$(container_id "$name")
    kubectl delete pod "$name" --wait=false >/dev/null
    within 90 is_another "$name" "$old"
    ready_within 40 "$name"
    equal container "$id" "$(container_id "$name")"
    rm "$folder/fixed.yaml"
    within 90 fails kubectl get pod "$name"
}

# A property that has a desired value and is reported: kube-apiserver 1.20.2, as Debian 12's Go builds it, takes no empty
# strings in custom resources, and CloudCore writes them for what it does not know.
device() {
    cat <<END | kubectl apply --validate=false -f - >/dev/null
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: probe}
spec: {protocol: mqtt, properties: [{name: interval, type: INT, accessMode: ReadWrite}]}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: probe}
spec:
  deviceModelRef: {name: probe}
  nodeName: $NODE
  protocol: {protocolName: mqtt}
  properties: [{name: interval, reportToCloud: true, desired: {value: "10"}}]
END
}

PROBE="\$hw/events/device/default/probe/twin"
say() {
    mosquitto_pub -h 127.0.0.1 -p "$MQTT_PORT" -q 1 -t "$PROBE/update" \
        -m "{\"event_id\":\"$RANDOM\",\"timestamp\":$(date +%s%3N),\"twin\":{\"$1\":{\"expected\":{\"value\":\"10\"},\"actual\":{\"value\":\"$2\"}}}}"
}
shown() { kubectl get devicestatus probe -o "jsonpath={.status.twins[?(@.propertyName==\"$1\")].reported.value}"; }
# CloudCore loses the first report of a property: it is said until it is shown.
said_and_shown() { say "$1" "$2" && sleep 0.2 && [ "$(shown "$1")" = "$2" ]; }

twin_arrives() {
    device
    within 30 said_and_shown interval 20
    echo "measured: report to DeviceStatus $(ms within 10 said_and_shown interval 21) ms"
}

delta_says() {
    mosquitto_sub -h 127.0.0.1 -p "$MQTT_PORT" -W 1 -C 1 -t "$PROBE/get/result" >"$TEST_DIR/got" &
    local sub=$!
    sleep 0.1
    mosquitto_pub -h 127.0.0.1 -p "$MQTT_PORT" -t "$PROBE/get" -m '{"event_id":"1","timestamp":1}'
    wait "$sub" && grep -q "\"$1\"" "$TEST_DIR/got"
}

# edgecore_has KEY WORD: EdgeCore has the object of that key in its store, and WORD in it.
edgecore_has() {
    python3 -c 'import sqlite3, sys
rows = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True).execute("select value from meta where key = ?", (sys.argv[2],))
sys.exit(0 if any(sys.argv[3] in row[0] for row in rows) else 1)' "$EC/edgecore.db" "$1" "$2"
}
# It hands desired values to mappers over DMI; by MQTT it says them to nobody, whatever its cloud side does
# (edge/pkg/devicetwin).
mapper_would_hear() { edgecore_has default/device/probe "$1"; }

desired_arrives() {
    kubectl patch device probe --type=merge \
        -p '{"spec":{"properties":[{"name":"interval","reportToCloud":true,"desired":{"value":"4711"}}]}}' >/dev/null
    within 20 "$DESIRED" 4711
}

# all_well MARK VALUE: new things go both ways.
all_well() {
    within 60 is_ready
    kubectl create configmap one --from-literal=index.html="one $1" --dry-run=client -o yaml | kubectl replace -f - >/dev/null
    within 100 "${SEES:-page_shows}" "one $1"
    within 30 said_and_shown interval "$2"
}
page_shows() { page_is one '' "$1"; }
store_shows() { edgecore_has default/configmap/one "$1"; }

# What happens while the node is away reaches it when it is back: a change, a removal by force, something new.
cut_is_repaired() {
    local id
    app lost
    ready_within 40 lost
    id=$(container_id one)
    trap mend_link EXIT
    cut_link
    within 60 sh -c "! ss -Htn state established dst $FAR | grep -q ."
    kubectl delete pod lost --grace-period=0 --force >/dev/null 2>&1
    kubectl delete configmap lost >/dev/null
    app new
    mend_link
    echo "measured: link back and new Pod ready after $(ms ready_within 100 new) ms"
    within 30 fails_to_reach lost
    all_well cut 30
    equal "container of a Pod that was there" "$id" "$(container_id one)"
}

# container_of POD: whether the node's runtime has one.
container_of() { ctr -a "$SOCKET" -n k8s.io containers ls | grep -q . && ctr -a "$SOCKET" -n k8s.io containers ls -q "labels.\"io.kubernetes.pod.name\"==$1" | grep -q .; }
fails_to_reach() { ! container_of "$1"; }

cloud_restart_is_survived() {
    local id
    id=$(container_id one)
    cloud_restart
    all_well cloud 40
    equal "container" "$id" "$(container_id one)"
}

# An EdgeCore that starts takes the volumes of Pods that run away under them (and does not lay them again), at whatever
# cloud side: there only its store is looked at.
edge_restart_is_survived() {
    local id
    [ "$MQTT_PORT" = 1883 ] || SEES=store_shows
    id=$(container_id one)
    edge_restart
    all_well edge 50
    equal "container" "$id" "$(container_id one)"
    equal "restarts" 0 "$(restarts one)"
}

# steps: all of them.
steps() {
    [ "$MQTT_PORT" = 1883 ] && DESIRED=delta_says || DESIRED=mapper_would_hear
    first "$NODE: registers and is Ready, its lease is renewed" becomes_ready
    t_case "$NODE: a Pod with ConfigMap, Secret and token runs" pod_runs
    t_case "$NODE: a ConfigMap update arrives in the Pod" update_arrives
    t_case "$NODE: a deleted Pod goes" pod_goes
    t_case "$NODE: a static Pod is shown" static_pod_is_shown
    t_case "$NODE: a device's report arrives" twin_arrives
    t_case "$NODE: a desired value arrives" desired_arrives
    [ -z "${MIDDLE:-}" ] || t_case "$NODE: beside another one" "$MIDDLE"
    t_case "$NODE: the link is cut, and what happened meanwhile is made good" cut_is_repaired
    t_case "$NODE: the cloud side is killed" cloud_restart_is_survived
    t_case "$NODE: the edge side is killed" edge_restart_is_survived
}
