// SPDX-License-Identifier: Apache-2.0
// Where the Kubernetes API is and who we are there: the current context of a kubeconfig, or what a
// Pod is given. Loading blocks on the disk: start-up only.
#ifndef COR_KUBE_CONFIG_H
#define COR_KUBE_CONFIG_H

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/json/json.h"

/* All strings are owned by the struct and may be NULL, except server. Keys and tokens are secrets.
 */
struct cor_kube_config {
    char *server;   /* "https://host:port", no slash at the end */
    char *ca_pem;   /* NULL: the system's roots */
    char *cert_pem; /* client certificate, with key_pem */
    char *key_pem;
    char *token;      /* bearer token */
    char *token_file; /* read again when it is older than a minute; wins over token */
    char *ns;         /* namespace of the context */
    /* Where ca_pem, cert_pem and key_pem were read, to be read again as the token is; NULL: they
     * stood in the kubeconfig itself. */
    char *ca_file;
    char *cert_file;
    char *key_file;
};

/* Reads the current context of a kubeconfig given as a tree (borrows); relative file names are seen
 * from folder base. Fields as in k8s.io/client-go/tools/clientcmd/api/v1. COR_INVALID with what is
 * missing, COR_IO. Fills *out_r; free it with cor_kube_config_free. */
COR_NODISCARD enum cor_code cor_kube_config_read(const struct cor_json *tree, const char *base,
                                                 struct cor_kube_config *out_r,
                                                 struct cor_err *err);

/* What a Pod is given: the API at host and port (as in KUBERNETES_SERVICE_HOST and _PORT), and the
 * files token, ca.crt and namespace in folder (k8s.io/client-go/rest InClusterConfig). COR_INVALID:
 * this is no Pod. COR_NOTFOUND, COR_IO. Fills *out_r. */
COR_NODISCARD enum cor_code cor_kube_config_pod(const char *folder, const char *host,
                                                const char *port, struct cor_kube_config *out_r,
                                                struct cor_err *err);

/* Loads a kubeconfig file, YAML or JSON; path "": what this Pod is given, in
 * /var/run/secrets/kubernetes.io/serviceaccount. COR_NOTFOUND, COR_INVALID, COR_IO. */
COR_NODISCARD enum cor_code cor_kube_config_load(const char *path, struct cor_kube_config *out_r,
                                                 struct cor_err *err);

/* Frees and wipes what the struct owns; it is empty after. For auto_(). */
void cor_kube_config_free(struct cor_kube_config *config);

#endif
