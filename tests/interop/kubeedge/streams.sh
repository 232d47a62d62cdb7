# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What is asked of a node by KubeEdge's tunnel, by stock kubectl, whichever side is ours. no_streams is the scenario's.

talker_runs() {
    cat <<POD | apply
apiVersion: v1
kind: Pod
metadata: {name: talker}
spec:
  nodeName: $NODE
  terminationGracePeriodSeconds: 0
  containers:
    - name: c
      image: coracle.local/busybox:1
      imagePullPolicy: IfNotPresent
      command: [sh, -c, "i=0; while [ \$i -lt 100 ]; do echo line \$i; i=\$((i + 1)); done; while [ ! -e /tmp/more ]; do sleep 0.1; done; echo more; sleep 100000"]
    - name: echo
      image: coracle.local/busybox:1
      imagePullPolicy: IfNotPresent
      stdin: true
      command: [sh, -c, "echo begun; while read -r line; do echo \"heard \$line\"; done; sleep 100000"]
POD
    ready_within 60 talker
}

# says WHAT COMMAND...: it fails, and says so.
says() {
    local what=$1 said
    shift
    said=$("$@" 2>&1) && { echo "it did not fail: $said"; return 1; }
    grep -qF "$what" <<<"$said" || { echo "it says: $said"; return 1; }
}

logs_are_shown() {
    equal "all of it" "$(seq -f 'line %.0f' 0 99)" "$(kubectl logs talker -c c)"
    equal "the tail" 'line 98 line 99 ' "$(kubectl logs talker -c c --tail 2 | tr '\n' ' ')"
    kubectl logs -f talker -c c --tail 1 >"$TEST_DIR/followed" &
    local follower=$!
    within 5 grep -q 'line 99' "$TEST_DIR/followed"
    kubectl exec talker -c c -- touch /tmp/more
    within 5 grep -q '^more' "$TEST_DIR/followed"
    kill "$follower"
    within 10 no_streams
}

commands_are_run() {
    equal "output" 'hello there' "$(kubectl exec talker -c c -- echo hello there)"
    equal "stdin" 'abc' "$(echo abc | kubectl exec -i talker -c c -- cat)"
    local code=0
    kubectl exec talker -c c -- sh -c 'exit 7' 2>/dev/null || code=$?
    equal "exit code" 7 "$code"
    equal "a terminal" 1 "$(script -qec 'kubectl exec -it talker -c c -- tty' /dev/null </dev/null | grep -c /dev/pts/0)"
    echo "measured: exec $(ms kubectl exec talker -c c -- true) ms"
}

much_goes_through() {
    head -c 3000000 /dev/urandom >"$TEST_DIR/big"
    kubectl exec -i talker -c c -- sh -c 'cat >/tmp/big; wc -c /tmp/big' <"$TEST_DIR/big" >/dev/null
    echo "measured: 3 MB back after $(ms sh -c "kubectl exec talker -c c -- cat /tmp/big >$TEST_DIR/back") ms"
    cmp "$TEST_DIR/big" "$TEST_DIR/back"
}

attached() {
    mkfifo "$TEST_DIR/in"
    kubectl attach -i talker -c echo <"$TEST_DIR/in" >"$TEST_DIR/attached" 2>&1 &
    local attach=$!
    exec 7>"$TEST_DIR/in"
    echo one >&7
    within 5 grep -q 'heard one' "$TEST_DIR/attached"
    echo two >&7
    within 5 grep -q 'heard two' "$TEST_DIR/attached"
    kill "$attach"
    exec 7>&-
}

# kubeedge#3232: it must not go on at either side.
killed_clients_leave_nothing() {
    local client
    kubectl exec -i talker -c c -- sleep 1000 >/dev/null 2>&1 </dev/zero &
    client=$!
    within 10 kubectl exec talker -c c -- pidof sleep
    kill -KILL "$client"
    kubectl logs -f talker -c c >/dev/null 2>&1 &
    client=$!
    sleep 0.2
    kill -KILL "$client"
    # A command that does not read holds up all that comes, the word that its client is gone, too: for 30 s.
    within 45 no_streams
}

stream_steps() {
    first "$NODE: a Pod that talks" talker_runs
    t_case "$NODE: kubectl logs" logs_are_shown
    t_case "$NODE: kubectl exec" commands_are_run
    t_case "$NODE: 3 MB go both ways" much_goes_through
    t_case "$NODE: kubectl attach" attached
    t_case "$NODE: killed clients leave nothing" killed_clients_leave_nothing
}
