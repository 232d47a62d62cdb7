// SPDX-License-Identifier: Apache-2.0
// Small HTTPS requests beside the WebSocket: what enrolment needs. Bodies are bounded, both ways.
// Loop thread only.
#ifndef COR_WS_HTTP_H
#define COR_WS_HTTP_H

#include "common/ws/ws.h"

/* The longest body of a request that a server takes. */
enum { COR_WS_REQUEST_MAX = 64 * 1024, COR_WS_ANSWER_MAX = 1024 * 1024 };

/* A request that waits for its answer. Owned by who got it, until cor_ws_reply. */
struct cor_ws_request;

/* Method ("GET"), path without query, body. Valid until the reply. */
const char *cor_ws_request_method(const struct cor_ws_request *request);

/* Path without query. Valid until the reply. */
const char *cor_ws_request_path(const struct cor_ws_request *request);

/* Body; absent if there was none. Valid until the reply. */
struct cor_view cor_ws_request_body(const struct cor_ws_request *request);

/* Value of a header that the listener keeps, "" when absent. Valid until the reply. */
const char *cor_ws_request_header(const struct cor_ws_request *request, const char *name);

/* Certificate that the peer showed, NULL if none. Valid until the reply. */
const struct cor_cert *cor_ws_request_cert(const struct cor_ws_request *request);

/* What is answered. All borrowed for the call. */
struct cor_ws_answer {
    int status;
    const char *type;  /* content type */
    const char *allow; /* Allow header, for 405; or NULL */
    struct cor_view body;
};

/* Answers and frees the request (takes); *request becomes NULL. At once or later; nothing happens
 * when the peer has gone. */
void cor_ws_reply(struct cor_ws_request **request, const struct cor_ws_answer *answer);

/* Result of a fetch, borrowed for the call. status 0: there was no answer, text says why. */
typedef void (*cor_ws_fetched_fn)(void *self, int status, struct cor_view body, const char *text);

/* Asks a server with GET, with body (may be absent). fn runs once, later or at once. */
void cor_ws_fetch(struct cor_ws *ws, const struct cor_ws_target *target, struct cor_view body,
                  cor_ws_fetched_fn fn, void *self);

#endif
