# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# torture-proxy between edgehub and cloudhub.
PROXY_PORT=10100

# edge_dials PORT FIRST_MS LAST_MS: from now on, pausing so long between tries.
edge_dials() {
    local conf=$CORACLE_ETC/edgehub.yaml
    sed -i -E "s/^( *)port: (10000|$PROXY_PORT)\$/\1port: $1/; s/^( *retry-first-ms: ).*/\1$2/; s/^( *retry-last-ms: ).*/\1$3/" "$conf"
    grep -q "port: $1" "$conf"
    s6-svc -r "$TREE/edge/edgehub"
}

# through_proxy [FIRST_MS LAST_MS]: the edge dials through the proxy, with the product's pauses or these.
through_proxy() { edge_dials "$PROXY_PORT" "${1:-20}" "${2:-30000}"; }

# around_proxy: the edge dials the cloud itself again.
around_proxy() { edge_dials 10000 20 30000; }

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

# proxied cuts|connections|bytes: how many there were.
proxied() {
    local lines
    lines=$(wc -l <"$TEST_DIR/proxy.out")
    tell tell
    within 5 more_lines "$lines"
    tail -1 "$TEST_DIR/proxy.out" | sed -E "s/.*$1=([0-9]+).*/\1/"
}
more_lines() { [ "$(wc -l <"$TEST_DIR/proxy.out")" -gt "$1" ]; }
