// SPDX-License-Identifier: Apache-2.0
// Keys and certificates of the API server, made on first start and kept: the CA, the serving
// certificate (made again when addresses change or it nears its end), the certificate that kubelets
// are shown, the key of ServiceAccount tokens, and kubeconfigs for the administrator and the cloud
// side. Start-up only: blocks.
#ifndef KUBELITE_IDENTITY_H
#define KUBELITE_IDENTITY_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/clock/clock.h"
#include "common/conf/conf.h"
#include "common/pki/key.h"

struct kl_identity_spec {
    const char *folder;                 /* state */
    const struct cor_conf_strs *names;  /* DNS names and IP addresses of the server */
    const struct cor_conf_strs *listen; /* addresses with ports: names, too, unless wildcards */
    const char *server;                 /* URL in the kubeconfigs */
    const char *admin_kubeconfig;       /* path; "" none */
    const char *cloud_kubeconfig;       /* path; "" none */
};

struct kl_identity {
    struct cor_buf ca_pem;
    struct cor_buf cert_pem;
    struct cor_buf key_pem;
    struct cor_key *token_key;
    struct cor_buf client_pem; /* what it shows to kubelets */
    struct cor_buf client_key_pem;
};

/* Loads or makes everything; writes the kubeconfigs (mode 0600) when they are missing or their
 * server changed. COR_INVALID: a file is damaged. COR_IO. Fill in a zeroed *identity. */
COR_NODISCARD enum cor_code kl_identity_open(const struct kl_identity_spec *spec,
                                             struct cor_wall now, struct kl_identity *identity,
                                             struct cor_err *err);

/* Frees, wipes keys. */
void kl_identity_free(struct kl_identity *identity);

#endif
