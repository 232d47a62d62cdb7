// SPDX-License-Identifier: Apache-2.0
// A TLS connection of a client that has thousands of them: one socket, one SSL, no thread, buffers
// only while something waits in them. Loop thread only.
#ifndef TESTS_SWARM_CONN_H
#define TESTS_SWARM_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/view.h"
#include "common/loop/loop.h"
#include "common/pki/cert.h"
#include "common/pki/key.h"

/* What all connections share: the root, a key, scratch. */
struct conn_tls;

/* ca (who the server must be signed by) and key are borrowed for the call. Returns owned. */
struct conn_tls *conn_tls_new(const struct cor_cert *ca, const struct cor_key *key);

/* Frees, after all connections; *tls becomes NULL. */
void conn_tls_free(struct conn_tls **tls);

/* Who connects: a certificate for the shared key, and the last TLS session, offered next time. */
struct conn_who;

/* cert is borrowed for the call. Returns owned. */
struct conn_who *conn_who_new(const struct cor_cert *cert);

/* Frees; *who becomes NULL. */
void conn_who_free(struct conn_who **who);

struct conn;

/* What happens to a connection; self is the owner's. */
struct conn_events {
    void (*opened)(void *self); /* TLS is up, the server verified */
    /* Bytes have come, with what was left of the last ones before them; returns how many were used,
     * -1: they are wrong, hang up. */
    int (*data)(void *self, struct cor_view bytes);
    void (*closed)(void *self, const char *reason); /* once, the last call; it is freed after */
};

/* Where to. All borrowed for the call, but tls, who, events, self. */
struct conn_spec {
    struct cor_loop *loop;
    struct conn_tls *tls;
    struct conn_who *who;
    uint32_t from; /* IPv4 address to connect from, host order */
    uint32_t to;
    int port;
    const char *name; /* what the server's certificate must say: an address */
    const struct conn_events *events;
    void *self;
};

/* Begins to connect. Returns borrowed; NULL when it fails at once: closed has not run. */
struct conn *conn_new(const struct conn_spec *spec);

/* Sends (borrows); what the socket does not take now waits. */
void conn_write(struct conn *conn, struct cor_view bytes);

/* Ends it without a word, as a killed process does; closed runs. */
void conn_close(struct conn *conn, const char *reason);

/* Whether it continued an earlier session. */
bool conn_resumed(const struct conn *conn);

#endif
