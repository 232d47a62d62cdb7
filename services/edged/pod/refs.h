// SPDX-License-Identifier: Apache-2.0
// What a pod refers to, and what is known of it: ConfigMaps, Secrets, tokens. Pure: answers are put
// in, questions come out. Loop thread only.
#ifndef EDGED_REFS_H
#define EDGED_REFS_H

#include "common/clock/clock.h"
#include "pod.h"

enum ref_state {
    REF_UNKNOWN, /* to be asked for */
    REF_ASKED,
    REF_HERE,
    REF_ABSENT, /* there is none of that name */
    REF_FAILED, /* nobody could say */
};

struct ref {
    enum ref_state state;
    bool secret;
    char *name;
    struct cor_json *object; /* owned; NULL unless REF_HERE */
    char *error;             /* REF_FAILED: why */
};

/* One kind of token of the pod's service account. */
struct ref_token {
    enum ref_state state;
    char *audience; /* "": the API server's */
    int64_t seconds;
    char *token; /* owned, wiped; an old one stays while a new one is asked for */
    char *error;
    struct cor_mono due; /* to be asked for again */
};

struct refs {
    struct ref *list;
    size_t count;
    size_t cap;
    struct ref_token *tokens;
    size_t token_count;
    size_t token_cap;
};

/* Adds what pod refers to; what is known already stays. */
void refs_collect(struct refs *refs, const struct pod *pod);

/* What was absent or failed, and tokens that are due, become unknown. */
void refs_ask_again(struct refs *refs, struct cor_mono now);

/* Whether anything is being asked for. */
bool refs_are_asked(const struct refs *refs);

/* The object of that name; NULL: the pod does not refer to it. */
struct ref *refs_find(const struct refs *refs, bool secret, const char *name);

/* The object is so (takes json; NULL: it does not exist). True when that is news. */
bool refs_set(struct ref *ref, struct cor_json *json);

/* Nobody could say. */
void refs_fail(struct ref *ref, const char *error);

/* The token of a projected source; NULL: the pod has no such source. */
struct ref_token *refs_find_token(const struct refs *refs, const char *audience, int64_t seconds);

/* A TokenRequest came back: takes status.token and status.expirationTimestamp. False: it has none.
 */
bool refs_set_token(struct ref_token *token, const struct cor_json *request, struct cor_wall now,
                    struct cor_mono now_mono);

/* No token came. One that is there already stays in use. */
void refs_fail_token(struct ref_token *token, const char *error, struct cor_mono now);

/* The TokenRequest to send for a token (authentication.k8s.io/v1). Returns owned. */
struct cor_json *refs_token_request(const struct ref_token *token, const struct pod *pod);

/* When the next token is due; us INT64_MAX: none. */
struct cor_mono refs_next_due(const struct refs *refs);

/* Wipes and frees the content. For auto_(). */
void refs_free(struct refs *refs);

#endif
