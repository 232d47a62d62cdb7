# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034 # what is set here is used by those that source it
# What the torture scenarios share: a whole installation (tests/system/lib.sh) or eventbus alone, a
# load with a ledger, and random choices that a seed repeats.
# shellcheck source=tests/system/lib.sh
. "$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/tests/system/lib.sh"
BIN_DIR=$TOP/build/${CORACLE_PRESET:-debug}/bin
LIB_DIR=$TOP/build/${CORACLE_PRESET:-debug}/lib
TARGET_PORT=8099

# torture_begin "$@": reads --seed N, --count N, --seconds N, --rate N, --devices N and others; goes inside. --help
# prints what the head of the scenario says.
torture_begin() {
    while [ $# -gt 0 ] && [ "$1" != --inside ]; do
        case $1 in
            --help)
                sed -n '3,/^[^#]/ { /^# shellcheck/d; s/^# \{0,1\}//p }' "$0"
                exit 0
                ;;
            --seed | --count | --seconds | --rate | --devices | --states | --rtt | --pause | --clients | --batch | --long | --bytes)
                declare -gx "TORTURE_${1#--}=$2"
                shift
                ;;
            *)
                echo "unknown argument \"$1\"; see tests/torture/README.md" >&2
                exit 2
                ;;
        esac
        shift
    done
    system_begin "$@"
    RANDOM_STATE=$((${TORTURE_seed:-1} * 2654435761 % 4294967296))
}

# pick N: a number from 0 to N - 1 in PICKED, the same for the same seed.
pick() {
    RANDOM_STATE=$(((RANDOM_STATE * 1103515245 + 12345) % 2147483648))
    PICKED=$(((RANDOM_STATE >> 8) % $1))
}

# pause MS: for so long; not a wait for something, but the time between two faults.
pause() { read -rt "$(($1 / 1000)).$(printf '%03d' $(($1 % 1000)))" <> <(:) || true; }

# torture_rules DEVICES [NAME PORT]: a rule per device, from its topic NAME/D (torture) to torture-load's
# target. With TORTURE_batch=N up to N messages go in one request.
torture_rules() {
    local d name=${2:-torture} port=${3:-$TARGET_PORT} batch=''
    [ -z "${TORTURE_batch:-}" ] || batch=", batch: \"$TORTURE_batch\""
    cat <<RULES
apiVersion: rules.kubeedge.io/v1
kind: RuleEndpoint
metadata: {name: torture-bus}
spec: {ruleEndpointType: eventbus}
---
apiVersion: rules.kubeedge.io/v1
kind: RuleEndpoint
metadata: {name: torture-rest}
spec: {ruleEndpointType: rest}
RULES
    for ((d = 0; d < $1; d++)); do
        cat <<RULES
---
apiVersion: rules.kubeedge.io/v1
kind: Rule
metadata: {name: $name-$d}
spec:
  source: torture-bus
  sourceResource: {topic: $name/$d, node_name: edge0}
  target: torture-rest
  targetResource: {resource: "http://127.0.0.1:$port/take"$batch}
RULES
    done
}

# load_start ARGUMENT...: torture-load in the background; returns when it publishes. A rule's topic is
# below its namespace.
load_start() {
    "$BIN_DIR/torture-load" --port "$TARGET_PORT" --topic default/torture "$@" >"$TEST_DIR/load.out" 2>"$TEST_DIR/load.err" &
    LOAD_PID=$!
    within 10 grep -q ready "$TEST_DIR/load.out"
}

# mark: something was broken just now; load measures until messages pass again.
mark() { kill -HUP "$LOAD_PID"; }

# load_end: no more is published; waits for the rest; prints the verdict; fails unless it is good.
load_end() {
    local code=0
    kill -TERM "$LOAD_PID"
    wait "$LOAD_PID" || code=$?
    echo "measured: $(tail -1 "$TEST_DIR/load.out") seed=${TORTURE_seed:-1}"
    if [ -n "${TORTURE_RESULTS:-}" ]; then
        echo "$(date -u +%FT%TZ) ${0##*/} seed=${TORTURE_seed:-1} code=$code $(tail -1 "$TEST_DIR/load.out")" >>"$TORTURE_RESULTS"
    fi
    return "$code"
}

# figure NAME: of the verdict, rounded down.
figure() { tail -1 "$TEST_DIR/load.out" | sed -E "s/.*\"$1\":([0-9]+).*/\1/"; }

# at_most WHAT LIMIT GOT: fails when GOT is more.
at_most() {
    echo "measured: $1 $3 (at most $2)"
    [ "$3" -le "$2" ]
}

# uploads_kept: messages that wait for the cloud.
uploads_kept() {
    coracle queue --run-dir "$CORACLE_RUN" -o json |
        jq '[.. | objects | select(.flow == "uploads") | .messages] | add // 0'
}

# torture_subscribed: eventbus has asked the broker for all topics of the rules; before that the broker
# knows nobody who wants them, and drops what it acknowledges.
torture_subscribed() {
    [ "$(sqlite3 -readonly "$CORACLE_STATE/eventbus/bus.db" 'SELECT count(*) FROM subscription')" = "${1:-${TORTURE_devices:-50}}" ]
}

# torture_up: a whole installation with the rules of the load.
torture_up() {
    up
    torture_rules "${TORTURE_devices:-50}" | kubectl apply -f - >/dev/null
    pod_ready web web-config
    within 20 torture_subscribed
}

containers() {
    kubectl get pods web web-config \
        -o jsonpath='{range .items[*]}{.status.containerStatuses[*].containerID} {.status.containerStatuses[*].restartCount} {end}'
}

# Those that are ours; mosquitto and containerd are not.
SERVICES=(cloud/kubelite cloud/cloudhub cloud/edgecontroller edge/edgehub edge/metamanager
    edge/devicetwin edge/eventbus edge/edged)

# ---- eventbus alone, with a broker: for faults of one process ------------------------------------

# alone_broker: a mosquitto as deploy/ configures it, on a port of its own.
alone_broker() {
    ALONE_PORT=18830
    mkdir -p "$TEST_DIR/db" "$TEST_DIR/run"
    cat >"$TEST_DIR/mosquitto.conf" <<CONF
listener $ALONE_PORT 127.0.0.1
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
CONF
    mosquitto -c "$TEST_DIR/mosquitto.conf" >"$TEST_DIR/mosquitto.log" 2>&1 &
    BROKER_PID=$!
    within 5 mosquitto_pub -p "$ALONE_PORT" -h 127.0.0.1 -t x -m x
}

# alone_eventbus [VARIABLE=VALUE]...: eventbus with such an environment.
alone_eventbus() {
    cat >"$TEST_DIR/eventbus.yaml" <<CONF
run-dir: $TEST_DIR/run
database: $TEST_DIR/db/bus.db
broker: 127.0.0.1:$ALONE_PORT
user-prefix: ""
queue-reserve: 0
CONF
    rm -f "$TEST_DIR/ready"
    env "$@" "$BIN_DIR/eventbus" --config "$TEST_DIR/eventbus.yaml" --ready-fd 3 \
        3>"$TEST_DIR/ready" 2>>"$TEST_DIR/eventbus.log" &
    BUS_PID=$!
}

# alone_is_ready: it has subscribed too: a probe arrives in its store.
alone_is_ready() {
    [ -s "$TEST_DIR/ready" ] &&
        mosquitto_pub -h 127.0.0.1 -p "$ALONE_PORT" -q 1 -t x/user/probe -m probe &&
        [ "$(sqlite3 -readonly "$TEST_DIR/db/bus.db" 'SELECT count(*) > 0 FROM outbox')" = 1 ]
}

# stored: different messages of the load in the store.
stored() {
    sqlite3 -readonly "$TEST_DIR/db/bus.db" \
        "SELECT count(DISTINCT body) FROM outbox WHERE CAST(body AS TEXT) LIKE '%\"s\":%'"
}
