# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A cluster that is there already, instead of the embedded API: up --kubernetes.

# is_embedded: whether this installation has the embedded Kubernetes API.
is_embedded() { [ ! -e "$CORACLE_ETC/kubernetes" ]; }

# kubernetes_adopt FILE: from now on this installation belongs to the cluster of a kubeconfig.
kubernetes_adopt() {
    local said
    [ -z "$(ls -A "$CORACLE_STATE/kubelite" 2>/dev/null)" ] ||
        die "--kubernetes" "this installation has an embedded API already" "Use another CORACLE_STATE, or deploy/down --purge"
    mkdir -p "$CORACLE_ETC"
    said=$(umask 077 && kubectl --kubeconfig="$1" config view --raw --flatten --minify -o yaml 2>&1 >"$ADMIN.new") ||
        die "--kubernetes $1" "${said//$'\n'/ }" "Give a kubeconfig of an administrator of the cluster"
    mv "$ADMIN.new" "$ADMIN"
    said=$(kube --request-timeout=10s version 2>&1) ||
        die "--kubernetes $1" "$(tail -1 <<<"$said")" "The API server of the current context must answer"
    echo "yes: the API server is that of admin.kubeconfig" >"$CORACLE_ETC/kubernetes"
}

kubernetes_token() { kube -n kubeedge get secret "coracle-$1-token" -o 'jsonpath={.data.token}' 2>/dev/null; }
kubernetes_has_token() { [ -n "$(kubernetes_token "$1")" ]; }

# kubernetes_file NAME WHAT: stdin becomes the file /etc/coracle/NAME.WHAT of the service, which reads it again when
# it changes.
kubernetes_file() {
    local file=$CORACLE_ETC/$1.$2
    (umask 077 && cat >"$file.made")
    key_file "$file.made" "$file" "coracle-$1"
    rm -f "$file.made"
}

# kubernetes_config NAME: the kubeconfig of a service, with the token of its service account.
kubernetes_config() {
    local server ca
    until_true 20 kubernetes_has_token "$1" ||
        die "$1" "its service account has no token" "See kubectl -n kubeedge describe secret coracle-$1-token"
    server=$(kube config view --raw -o 'jsonpath={.clusters[0].cluster.server}')
    ca=$(kube config view --raw -o 'jsonpath={.clusters[0].cluster.certificate-authority-data}')
    kubernetes_token "$1" | base64 -d | kubernetes_file "$1" token
    base64 -d <<<"$ca" | kubernetes_file "$1" ca.crt
    kubernetes_file "$1" kubeconfig <<END
apiVersion: v1
kind: Config
current-context: cluster
contexts: [{name: cluster, context: {cluster: cluster, user: coracle-$1}}]
clusters: [{name: cluster, cluster: {server: "$server"${ca:+, certificate-authority: $1.ca.crt}}}]
users: [{name: coracle-$1, user: {tokenFile: $1.token}}]
END
}

# kubernetes_keys: rights for the cloud side, and what it shows to use them.
kubernetes_keys() {
    local said
    step "applying deploy/rbac"
    said=$(kube apply -f "$TOP/deploy/rbac" 2>&1) || die "rights" "${said//$'\n'/ }" "The kubeconfig must be an administrator's"
    kubernetes_config cloudhub
    kubernetes_config edgecontroller
}
