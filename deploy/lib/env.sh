# shellcheck shell=bash disable=SC2034 # used by the other files of this folder
# SPDX-License-Identifier: Apache-2.0
# Settings of one installation. Each can be given in the environment, so that several run side by
# side on one machine; the network names follow from CORACLE_NAME.
: "${CORACLE_NAME:=coracle}"
: "${CORACLE_ETC:=/etc/coracle}"          # configuration, certificates, kubeconfigs
: "${CORACLE_STATE:=/var/lib/coracle}"    # databases, images, logs
: "${CORACLE_RUN:=/run/coracle}"          # sockets, supervision
: "${CORACLE_PREFIX:=/usr/local}"         # programs: lib/coracle, and bin for people
: "${CORACLE_KUBELET:=/var/lib/kubelet}"  # volumes of Pods
: "${CORACLE_PODLOGS:=/var/log/pods}"     # containers' logs
: "${CORACLE_CGROUP:=}"                   # control group that Pods are in, /NAME; empty: the top
: "${CORACLE_PRESET:=release}"            # of the build
: "${CORACLE_NODE:=edge0}"                # name of the first edge node
: "${CORACLE_ADDRESS:=127.0.0.1}"         # where this machine's node and kubectl reach the cloud side
: "${CORACLE_HUB_LISTEN:=0.0.0.0}"        # where nodes reach it: other machines may join
: "${CORACLE_HOLD:=yes}"                # no: cloudhub's sockets close with it, as v0.1.0 needs
: "${CORACLE_API_PORT:=6443}"             # Kubernetes API
: "${CORACLE_HUB_PORT:=10000}"            # cloud link
: "${CORACLE_ENROL_PORT:=10002}"          # enrolment
: "${CORACLE_STREAMS_PORT:=10003}"       # where the API server asks for logs and exec
: "${CORACLE_TUNNEL_PORT:=10004}"         # tunnels of EdgeCores
: "${CORACLE_NODE_PORTS:=16}"             # from port 10400 on, of single nodes, where metrics are asked for
: "${CORACLE_MQTT_PORT:=1883}"            # devices, on 127.0.0.1 of each node
: "${CORACLE_NODE_NET:=10.201.0}"         # first three numbers of the network of further nodes
: "${CORACLE_POD_NET:=10.88}"             # first two numbers of the Pods' networks
: "${CORACLE_CONTAINERS:=}"               # prefix of the containerd instances' names
export PATH="$PATH:/usr/sbin:/sbin"

BUILD=$TOP/build/$CORACLE_PRESET
LIB=$CORACLE_PREFIX/lib/coracle
BIN=$LIB/bin
ADMIN=$CORACLE_ETC/admin.kubeconfig
LOGS=$CORACLE_STATE/log
BRIDGE=$CORACLE_NAME-br
GATEWAY=$CORACLE_NODE_NET.1

# place_of NODE: sets where a node lives: NODE, NODE_ETC, NODE_STATE, NODE_RUN, NODE_NETNS (empty: the
# machine's own), NODE_INDEX. The first node shares the folders of the cloud side.
place_of() {
    NODE=$1 NODE_ETC=$CORACLE_ETC NODE_STATE=$CORACLE_STATE NODE_RUN=$CORACLE_RUN
    NODE_NETNS='' NODE_INDEX=0 NODE_KUBELET=$CORACLE_KUBELET NODE_PODLOGS=$CORACLE_PODLOGS
    NODE_CGROUP=$CORACLE_CGROUP
    if [ "$1" != "$CORACLE_NODE" ]; then
        NODE_ETC=$CORACLE_ETC/nodes/$1 NODE_STATE=$CORACLE_STATE/nodes/$1 NODE_RUN=$CORACLE_RUN/$1
        NODE_NETNS=$CORACLE_NAME-$1
        NODE_KUBELET=$NODE_STATE/kubelet NODE_PODLOGS=$NODE_STATE/pod-logs
        NODE_CGROUP=$CORACLE_CGROUP/$CORACLE_NAME-$1
        NODE_INDEX=$(cat "$NODE_STATE/index" 2>/dev/null || echo 0)
    fi
}

# further_nodes: prints the names of the nodes added with --edge.
further_nodes() {
    [ -d "$CORACLE_STATE/nodes" ] || return 0
    find "$CORACLE_STATE/nodes" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort
}

kube() { kubectl --kubeconfig="$ADMIN" "$@"; }
