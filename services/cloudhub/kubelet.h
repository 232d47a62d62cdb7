// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: plays the kubelet of all nodes (HTTPS, port 10003). The API server shows its
// kubelet client certificate, others a bearer token; edgecontroller says whether they may and which
// node is meant (STREAM_ROUTE); the request goes there as a stream (tunnel.h). Loop thread only.
#ifndef CLOUDHUB_KUBELET_H
#define CLOUDHUB_KUBELET_H

#include "hub.h"

struct kubelet;

/* What it needs; all borrowed, must outlive it. */
struct kubelet_spec {
    struct hub *hub;
    struct cor_kube *kube;
    const struct authority *authority;
    const char *address;   /* "0.0.0.0:10003" */
    int first_port, ports; /* of nodes: so many more, at the same address */
    const char *client_ca; /* file of the CA of API servers; "": as the cluster says it, in
                              ConfigMap extension-apiserver-authentication of kube-system */
};

/* Listens once the client CA is known, and tries for ever. Returns owned. */
struct kubelet *kubelet_new(const struct kubelet_spec *spec);

/* Ends all requests; *kubelet becomes NULL. */
void kubelet_free(struct kubelet **kubelet);

/* Port that is listened on; 0: not yet. */
int kubelet_port(const struct kubelet *kubelet);

/* Requests under way. */
size_t kubelet_count(const struct kubelet *kubelet);

#endif
