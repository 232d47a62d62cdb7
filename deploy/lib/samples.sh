# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The last part of up: the nodes are ready, the samples work, and what to try.

nodes_ready() {
    local node said
    for node; do
        until_true 30 kube get "node/$node" ||
            die "node $node" "it did not register" "See $LOGS and coracle status"
        said=$(kube wait --for=condition=Ready --timeout=30s "node/$node" 2>&1) ||
            die "node $node" "${said//$'\n'/ }" "See kubectl describe node $node"
    done
}

# samples_apply: kubectl retries nothing by itself.
samples_apply() {
    local said
    said=$(kube apply -f "$TOP/deploy/samples" 2>&1) || die "samples" "${said//$'\n'/ }" "See $LOGS/cloud/current"
    said=$(kube wait --for=condition=Ready --timeout=60s pod/web pod/web-config 2>&1) ||
        die "samples" "${said//$'\n'/ }" "See kubectl describe pods"
}

page_says() { curl -fsS --max-time 2 "http://127.0.0.1:$1/" | grep -q "$2"; }

# thermometer_report VALUE: what the device would say.
thermometer_report() {
    mosquitto_pub -h 127.0.0.1 -p "$CORACLE_MQTT_PORT" -q 1 \
        -t "\$hw/events/device/default/thermometer/twin/update" \
        -m "{\"event_id\":\"\",\"timestamp\":$(date +%s%3N),\"twin\":{\"temperature\":{\"actual\":{\"value\":\"$1\"}}}}"
}

thermometer_shows() {
    kube get devicestatus thermometer \
        -o 'jsonpath={.status.twins[?(@.propertyName=="temperature")].reported.value}' 2>/dev/null
}

# device_works: a temperature arrived; one is reported when there was none.
device_works() {
    [ -z "$(thermometer_shows)" ] || return 0
    thermometer_report 21.5
    until_true 2 thermometer_has
}

thermometer_has() { [ -n "$(thermometer_shows)" ]; }

samples_work() {
    step "applying samples: Pods web and web-config, device thermometer"
    samples_apply
    until_true 10 page_says 8081 'hello from the edge' ||
        die "sample web" "nothing answers on 127.0.0.1:8081" "See kubectl describe pod web"
    until_true 10 page_says 8082 'hello from a ConfigMap' ||
        die "sample web-config" "nothing answers on 127.0.0.1:8082" "See kubectl describe pod web-config"
    until_true 20 device_works ||
        die "sample thermometer" "a reported temperature does not arrive" "Watch it with zmqtap"
}

what_to_try() {
    cat <<END

The cloud side, $(($# == 1 ? 1 : $#)) edge node(s) and the samples run. Try:
  export KUBECONFIG=$ADMIN
  kubectl get nodes,pods,devices -o wide
  curl http://127.0.0.1:8081/
  mosquitto_pub -p $CORACLE_MQTT_PORT -t '\$hw/events/device/default/thermometer/twin/update' \\
      -m '{"twin":{"temperature":{"actual":{"value":"22"}}}}'
  kubectl get devicestatus thermometer -o yaml
  coracle status; zmqtap
END
}

# finish_up NODE...: the nodes that are to be ready.
finish_up() {
    nodes_ready "$@"
    [ "$WITH_SAMPLES" = no ] || samples_work
    step "up"
    [ "$WITH_SAMPLES" = no ] || what_to_try "$@"
}
