# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the system tests share. A scenario is a program that sources this file, defines functions, and
# calls system_begin and then t_case for each. It runs as root in network, process and mount
# namespaces of its own, with folders of its own, so that several run side by side and nothing is left.
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SYSTEM_FAILED=0

# system_begin "$@": goes into the namespaces (the scenario is run again in there) and cleans up after
# it. Returns only inside, with the settings of deploy/lib/env.sh made for this test.
system_begin() {
    if [ "${1:-}" = --inside ]; then
        system_settings
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        echo "skip needs root"
        exit 0
    fi
    TEST_DIR=$(mktemp -d "${TMPDIR:-/tmp}/coracle-system.XXXXXX")
    chmod 0755 "$TEST_DIR"
    export TEST_DIR
    local code=0
    "$TOP/deploy/containers/hermetic" "$0" --inside || code=$?
    system_clean
    exit "$code"
}

system_settings() {
    export CORACLE_NAME=ct CORACLE_ETC=$TEST_DIR/etc CORACLE_STATE=$TEST_DIR/state
    export CORACLE_RUN=$TEST_DIR/run CORACLE_PREFIX=$TEST_DIR/prefix CORACLE_KUBELET=$TEST_DIR/kubelet
    export CORACLE_PRESET=${CORACLE_PRESET:-debug} CORACLE_BUILT=yes
    export CORACLE_CONTAINERS=${TEST_DIR##*.}- CORACLE_CGROUP=/coracle-test-${TEST_DIR##*.}
    export CORACLE_PODLOGS=$TEST_DIR/pod-logs
    export PATH="$CORACLE_PREFIX/bin:$PATH:/usr/sbin:/sbin" KUBECONFIG=$CORACLE_ETC/admin.kubeconfig
    TREE=$CORACLE_RUN/tree
}

# system_clean: the namespaces are gone, and every process and mount with them; empty control groups
# may be left.
system_clean() {
    local folder id
    for folder in "$TEST_DIR"/run/containers/state/io.containerd.runtime.v2.task/k8s.io/* \
        "$TEST_DIR"/run/*/containers/state/io.containerd.runtime.v2.task/k8s.io/*; do
        id=${folder##*/}
        [ "$id" = '*' ] || find /sys/fs/cgroup -depth -type d -name "$id" -exec rmdir {} + 2>/dev/null
    done
    find /sys/fs/cgroup -depth -type d -path "*/coracle-test-${TEST_DIR##*.}*" -exec rmdir {} + 2>/dev/null
    rm -rf "$TEST_DIR"
}

# t_case NAME FUNCTION: runs the function in a shell of its own that ends at the first command that
# fails; prints "ok NAME", or what the function printed and "not ok NAME".
t_case() {
    local log=$TEST_DIR/case.log began=${EPOCHREALTIME/[.,]/} code
    # Not "if (...)": in a condition bash would go on after a command that failed.
    (
        set -eEuo pipefail
        shopt -s inherit_errexit
        trap 'echo "failed at line $LINENO: $BASH_COMMAND" >&2' ERR
        "$2"
    ) >"$log" 2>&1 </dev/null
    code=$?
    if [ "$code" = 0 ]; then
        echo "ok $1"
    else
        SYSTEM_FAILED=1
        sed 's/^/    /' "$log" | tail -40
        echo "not ok $1 ($(((${EPOCHREALTIME/[.,]/} - began) / 1000)) ms)"
    fi
    grep '^measured: ' "$log" | sed "s/^/-- $1: /"
}

# balance: fails when a service's books do not balance, or when what one service of a node has
# delivered is not what the other has accepted.
balance() { "$CORACLE_PREFIX/bin/coracle" ledger --check --run-dir "$CORACLE_RUN" --wait 10; }

# nothing_was_forbidden: what the cluster's audit says of the cloud side. The same request that was allowed at another
# time does not count: an API server that has just started forbids until it knows its own rules.
nothing_was_forbidden() {
    jq -rs 'def what: "\(.user.username) may not \(.verb) \(.objectRef.resource)/\(.objectRef.subresource) \(.objectRef.namespace)/\(.objectRef.name)";
        (map(select(.responseStatus.code < 400) | {key: what, value: 1}) | from_entries) as $allowed |
        map(select(.responseStatus.code == 403) | what) | unique[] | select($allowed[.] == null)' \
        "$TEST_DIR/cluster/audit.log" >"$TEST_DIR/forbidden"
    cat "$TEST_DIR/forbidden"
    [ -s "$TEST_DIR/cluster/audit.log" ] && [ ! -s "$TEST_DIR/forbidden" ]
}

# t_end: ends the scenario with the balance, if services still run; the last lines of the logs are shown when something failed.
t_end() {
    local books
    [ ! -e "$TEST_DIR/cluster/audit.log" ] || t_case "the rights given are enough" nothing_was_forbidden
    books=$("$CORACLE_PREFIX/bin/coracle" ledger --run-dir "$CORACLE_RUN" -o json 2>/dev/null) || books='[]'
    [ "$books" = '[]' ] || t_case "the books balance" balance
    if [ "$SYSTEM_FAILED" != 0 ]; then
        local log
        for log in "$CORACLE_STATE"/log/*/current "$CORACLE_STATE"/nodes/*/log/*/current; do
            [ ! -e "$log" ] || { echo "== ${log#"$CORACLE_STATE/"}" && grep -av 'level=info' "$log" | tail -25 | cut -c1-300; }
        done
    fi
    exit "$SYSTEM_FAILED"
}

# within SECONDS COMMAND...: runs the command until it succeeds; fails when it did not in time.
within() {
    local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "${EPOCHREALTIME/[.,]/}" -ge "$end" ]; then
            echo "not within the time: $*"
            "$@"
            return 1
        fi
        sleep 0.02
    done
}

# equal WHAT EXPECTED GOT
equal() {
    [ "$2" = "$3" ] || {
        echo "$1: expected \"$2\", got \"$3\""
        return 1
    }
}

# fails COMMAND...: succeeds when the command does not.
fails() {
    if "$@"; then
        echo "went well, and should not have: $*"
        return 1
    fi
}

# ms COMMAND...: runs it and prints how many milliseconds it took; its own output goes to stderr.
ms() {
    local began=${EPOCHREALTIME/[.,]/}
    "$@" >&2
    echo $(((${EPOCHREALTIME/[.,]/} - began) / 1000))
}

# most WHAT LIMIT GOT: fails when GOT is more; tells the figure.
most() {
    echo "measured: $1 $3 ms (at most $2)"
    [ "$3" -le "$2" ]
}

# up: with CORACLE_CLUSTER, a program that makes a control plane in a folder, on that instead of the embedded API.
up() {
    local cluster=()
    if [ -n "${CORACLE_CLUSTER:-}" ]; then
        [ -e "$TEST_DIR/cluster" ] || "$CORACLE_CLUSTER" "$TEST_DIR/cluster" 6443
        cluster=(--kubernetes "$TEST_DIR/cluster/admin.kubeconfig")
    fi
    "$TOP/deploy/up" "${cluster[@]}" "$@"
}
down() { "$TOP/deploy/down" "$@"; }

# pid_of SIDE SERVICE: of a supervised service.
pid_of() { s6-svstat -o pid "$TREE/$1/$2"; }

# kill_service SIDE SERVICE: kills it hard; returns when a new one is ready.
kill_service() {
    local old
    old=$(pid_of "$1" "$2")
    kill -KILL "$old"
    within 5 is_other "$1" "$2" "$old"
}

is_other() {
    local pid
    pid=$(pid_of "$1" "$2")
    [ "$pid" != "$3" ] && [ "$pid" != -1 ] && [ "$(s6-svstat -o ready "$TREE/$1/$2")" = true ]
}

# pod_ready NAME...: waits until they are.
pod_ready() { kubectl wait --for=condition=Ready --timeout=20s "${@/#/pod/}" >/dev/null; }

# apply: from stdin.
apply() { kubectl apply -f - >/dev/null; }

# web_pod NAME NODE [LINE]...: a Pod that serves HTTP, ends quickly, and has no hostPort.
web_pod() {
    cat <<POD
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  nodeName: $2
  terminationGracePeriodSeconds: 1
  containers:
    - {name: web, image: "coracle.local/web:1", imagePullPolicy: IfNotPresent}
POD
}

pod_field() { kubectl get pod "$1" -o "jsonpath={$2}"; }
container_id() { pod_field "$1" '.status.containerStatuses[0].containerID'; }
restarts() { pod_field "$1" '.status.containerStatuses[0].restartCount'; }
page() { curl -fsS --max-time 2 "http://$1/"; }
page_has() { page "$1" | grep -q "$2"; }

TWIN="\$hw/events/device/default/thermometer/twin"

# report PROPERTY VALUE: what the sample device would say.
report() {
    mosquitto_pub -h 127.0.0.1 -q 1 -t "$TWIN/update" \
        -m "{\"event_id\":\"$RANDOM\",\"timestamp\":$(date +%s%3N),\"twin\":{\"$1\":{\"actual\":{\"value\":\"$2\"}}}}"
}

# reported KIND PROPERTY: what the cloud shows, of a device or devicestatus.
reported() {
    kubectl get "$1" thermometer \
        -o "jsonpath={.status.twins[?(@.propertyName==\"$2\")].reported.value}"
}

shows() { [ "$(reported "$1" "$2")" = "$3" ]; }

# both_flows MARK: a Pod runs and answers, a report arrives; MARK makes names and values new.
both_flows() {
    web_pod "flow-$1" edge0 | apply
    report temperature "$1"
    within 5 shows devicestatus temperature "$1"
    pod_ready "flow-$1"
    page_has "$(pod_field "flow-$1" .status.podIP)" 'hello from the edge'
    kubectl delete pod "flow-$1" --wait=false >/dev/null
}
