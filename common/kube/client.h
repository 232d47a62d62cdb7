// SPDX-License-Identifier: Apache-2.0
// HTTP client of the Kubernetes API. Requests run on the loop and end in exactly one call of their
// function, unless cancelled. Bodies are JSON and bounded. A server that says that there are too
// many requests (429, 503 with Retry-After) gets fewer at once and is waited for, within the
// request's time; so is one that does not know a token that was exchanged (401). Tokens,
// certificates and authorities that are files are read again each minute, and when they are
// refused. Loop thread only.
#ifndef COR_KUBE_CLIENT_H
#define COR_KUBE_CLIENT_H

#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/json/json.h"
#include "common/kube/config.h"
#include "common/loop/loop.h"

struct cor_kube;

/* A client for config (borrows; may be freed after). Opens no connection yet. COR_INVALID when
 * libcurl refuses to start. Returns owned. */
COR_NODISCARD enum cor_code cor_kube_new(struct cor_loop *loop,
                                         const struct cor_kube_config *config,
                                         struct cor_kube **out_r, struct cor_err *err);

/* Drops all calls without telling their functions, closes connections, frees. *kube becomes NULL.
 */
void cor_kube_free(struct cor_kube **kube);

#define COR_KUBE_JSON "application/json"
#define COR_KUBE_MERGE "application/merge-patch+json"
#define COR_KUBE_STRATEGIC "application/strategic-merge-patch+json"

/* All borrowed for the call of cor_kube_send only. */
struct cor_kube_request {
    const char *method;       /* GET POST PUT PATCH DELETE */
    const char *path;         /* with query; from cor_kube_path */
    const char *content_type; /* of body; NULL: COR_KUBE_JSON */
    struct cor_view body;     /* absent: none */
    int64_t timeout_us;       /* with all waiting; 0: 30 s */
};

/* Valid during the call of the function that gets it. */
struct cor_kube_response {
    enum cor_code code;     /* COR_OK for 2xx, see cor_kube_code */
    int status;             /* HTTP; 0: no answer */
    struct cor_json *body;  /* NULL when there was none or it was no JSON */
    int64_t retry_after_us; /* what the server asked to wait; 0 */
    const char *text;       /* why, one line; "" for COR_OK */
};

typedef void (*cor_kube_fn)(void *self, const struct cor_kube_response *response);

struct cor_kube_call;

/* Starts a request; fn runs later, once. The call is freed before fn runs: forget the pointer then.
 * Returns a borrowed pointer, for cor_kube_cancel only. */
struct cor_kube_call *cor_kube_send(struct cor_kube *kube, const struct cor_kube_request *request,
                                    cor_kube_fn fn, void *self);

/* A line of a watch, or an item of a list (borrowed); may cancel its own call. */
typedef void (*cor_kube_line_fn)(void *self, struct cor_view line);

/* Like cor_kube_send, for a watch: line runs for each line of a 2xx answer; fn at the end, without
 * a body for 2xx. Lines over COR_KUBE_LINE_MAX are dropped. */
struct cor_kube_call *cor_kube_stream(struct cor_kube *kube, const struct cor_kube_request *request,
                                      cor_kube_line_fn line, cor_kube_fn fn, void *self);

/* Like cor_kube_send, for a list: item runs for each of its items as they come; fn at the end, with
 * the list without them (for 2xx). COR_TOOBIG: an item was longer than COR_KUBE_LINE_MAX. Neither
 * lists nor watches are sent again by themselves. */
struct cor_kube_call *cor_kube_list(struct cor_kube *kube, const struct cor_kube_request *request,
                                    cor_kube_line_fn item, cor_kube_fn fn, void *self);

enum { COR_KUBE_LINE_MAX = 8 * 1024 * 1024, COR_KUBE_BODY_MAX = 64 * 1024 * 1024 };

/* Ends a call; its functions will not run any more. *call becomes NULL. */
void cor_kube_cancel(struct cor_kube_call **call);

#endif
