// SPDX-License-Identifier: Apache-2.0
// Changing over from one CA to another: what is written about it, in the Secret coracle-ca beside
// KubeEdge's casecret, and what follows from it. casecret names the old CA until the end, so that a
// CloudCore finds what it knows, and a token names the CA that is in casecret. Pure.
#ifndef CLOUDHUB_ROTATION_H
#define CLOUDHUB_ROTATION_H

#include <stdbool.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/json/json.h"
#include "common/pki/certs.h"
#include "common/pki/key.h"

#define ROTATION_SECRET "coracle-ca"

/* Each is one write. */
enum rotation_phase {
    ROTATION_NONE,       /* one CA */
    ROTATION_INTRODUCED, /* two are trusted, the old one signs */
    ROTATION_PROMOTED,   /* two are trusted, the new one signs */
    ROTATION_FINISHING,  /* only the new one is trusted; casecret is to follow */
    ROTATION_PHASES
};

enum rotation_step {
    ROTATION_ROTATE,
    ROTATION_PROMOTE,
    ROTATION_DEMOTE, /* back: the old one signs again */
    ROTATION_ABORT,  /* back: the new one is forgotten */
    ROTATION_FINISH,
    ROTATION_FORGET, /* the one before does not even renew any more */
    ROTATION_STEPS
};

/* Bridges of earlier rotations that are kept; the longest time over which nodes renew. */
enum { ROTATION_BRIDGES = 4, ROTATION_WITHIN_MAX_S = 90 * 86400 };

/* What the Secret says. All owned. */
struct rotation {
    enum rotation_phase phase;
    struct cor_cert *next; /* NULL: none, as the next three */
    struct cor_key *next_key;
    struct cor_cert *cross;   /* next, signed by the old one */
    struct cor_cert *old;     /* that was there when it began */
    struct cor_certs bridges; /* cross-certificates of earlier times, the last first */
    struct cor_cert *retired; /* carries no link, but may renew; NULL: none */
    struct cor_wall since;    /* the phase */
    int64_t within_s;         /* nodes are to renew over so long */
};

/* Reads it; NULL: there is none. COR_INVALID: it cannot be read; nobody should go on then.
 * rotation_free in any case. */
COR_NODISCARD enum cor_code rotation_read(const struct cor_json *secret,
                                          struct rotation *rotation_r, struct cor_err *err);

/* Frees what it has. For auto_(). */
void rotation_free(struct rotation *rotation);

/* A word for people. */
const char *rotation_phase_name(enum rotation_phase phase);

/* What is wished. */
struct rotation_wish {
    enum rotation_step step;
    struct cor_issuer current; /* ROTATE: the CA that there is */
    struct cor_wall now;
    int64_t within_s; /* PROMOTE, DEMOTE */
    bool keep;        /* FINISH: the old one may renew */
};

/* Whether a step may be taken now. COR_CONFLICT with the reason. */
COR_NODISCARD enum cor_code rotation_allows(const struct rotation *rotation,
                                            enum rotation_step step, struct cor_err *err);

/* Changes the Secret (borrows), which is as rotation was read. COR_CONFLICT. */
COR_NODISCARD enum cor_code rotation_take(const struct rotation *rotation,
                                          const struct rotation_wish *wish, struct cor_json *secret,
                                          struct cor_err *err);

/* The last write of a rotation that is finishing, once casecret has the new CA. */
void rotation_close(const struct rotation *rotation, struct cor_json *secret);

/* Whether certificates are signed by next. */
bool rotation_next_signs(const struct rotation *rotation);

/* Whether next is the only CA: casecret has it, or will. */
bool rotation_next_rules(const struct rotation *rotation);

/* Whose certificates count; current: the CA in casecret. Adds to roots. */
void rotation_roots(const struct rotation *rotation, const struct cor_cert *current,
                    struct cor_certs *roots);

/* What is to be shown behind the server's certificate, for those who know an older CA only. Adds
 * to chain. */
void rotation_chain(const struct rotation *rotation, struct cor_certs *chain);

/* First 8 hex digits of the SHA-256 of a CA's certificate: its name for people. */
enum { ROTATION_ID_LEN = 8 };
void rotation_id(const struct cor_cert *ca, char out[ROTATION_ID_LEN + 1]);

#endif
