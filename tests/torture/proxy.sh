# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# torture-proxy between edgehub and cloudhub.
PROXY_PORT=10100

# through_proxy: the edge dials through the proxy, and again at once.
through_proxy() {
    local conf=$CORACLE_ETC/edgehub.yaml
    sed -i -E "s/^( *)port: 10000\$/\1port: $PROXY_PORT/; s/^( *retry-first-ms: ).*/\1${1:-500}/; s/^( *retry-last-ms: ).*/\1${2:-30000}/" "$conf"
    grep -q "port: $PROXY_PORT" "$conf"
    s6-svc -r "$TREE/edge/edgehub"
}

# proxy_start ARGUMENT...: commands go to fd 8.
proxy_start() {
    mkfifo "$TEST_DIR/proxy.in" 2>/dev/null || true
    exec 8<>"$TEST_DIR/proxy.in"
    "$BIN_DIR/torture-proxy" --listen "$PROXY_PORT" --to 10000 "$@" \
        <"$TEST_DIR/proxy.in" >"$TEST_DIR/proxy.out" &
    PROXY_PID=$!
    within 5 grep -q ready "$TEST_DIR/proxy.out"
}

proxy_end() {
    kill -TERM "$PROXY_PID"
    wait "$PROXY_PID"
    echo "measured: proxy $(tail -1 "$TEST_DIR/proxy.out")"
}

# tell COMMAND: to the proxy.
tell() { echo "$1" >&8; }

# cuts: how many there were.
cuts() {
    tell tell
    pause 50
    tail -1 "$TEST_DIR/proxy.out" | sed -E 's/.*cuts=([0-9]+).*/\1/'
}
