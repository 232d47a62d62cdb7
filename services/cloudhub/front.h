// SPDX-License-Identifier: Apache-2.0
// Port 10002: hands out the CA and signs nodes' certificates. The adapter around enrol.h and
// ledger.h. Loop thread only.
#ifndef CLOUDHUB_FRONT_H
#define CLOUDHUB_FRONT_H

#include "authority.h"
#include "common/ws/http.h"
#include "ledger.h"

struct front;

/* What it needs; all borrowed, must outlive it. */
struct front_spec {
    struct cor_ws *ws;
    struct cor_kube *kube;
    const struct cor_log *log;
    const struct authority *authority;
    struct vault *vault;
    const struct revoked *revoked;
    const char *address;
    int port;
    int fd; /* > 0: this socket, which listens there already (takes) */
    int64_t cert_life_us;
    bool reusable_token;
};

/* Listens. COR_IO. Returns owned in *front_r. */
COR_NODISCARD enum cor_code front_new(const struct front_spec *spec, struct front **front_r,
                                      struct cor_err *err);

/* Frees, after the ws; *front becomes NULL. */
void front_free(struct front **front);

/* The authority has changed: new connections see it. False: its certificate cannot be used. */
bool front_renew(struct front *front);

/* Port that is listened on. */
int front_port(const struct front *front);

#endif
