// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 client, guest of the loop; the door to libcurl. What the client of the Kubernetes API
// stands on, and the requests of rules to their targets. Connections are kept and used again.
// Certificates of servers are verified unless said otherwise, redirects are not followed, no proxy
// is used. A peer whose
// machine is gone is noticed within a minute, by TCP's probes. Requests end in exactly one call of
// their function, unless cancelled. Answers are bounded. Loop thread only.
#ifndef COR_KUBE_HTTP_H
#define COR_KUBE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/loop/loop.h"
#include "common/pipe/pipe.h"

struct cor_http;
struct cor_http_call;

/* All borrowed for the call of cor_http_new only. */
struct cor_http_spec {
    const char *ca_pem;   /* who may have signed servers' certificates; NULL: the system's roots */
    const char *cert_pem; /* client certificate, with key_pem; NULL: none */
    const char *key_pem;
    bool plain;        /* http:// is allowed too */
    bool unverified;   /* servers' certificates are not verified, as kube-apiserver does not with
                          kubelets' unless it is given their CA */
    unsigned per_host; /* connections to one server, 0: no limit; what is beyond waits */
    unsigned idle;     /* connections that are kept open without a request; 0: 32 */
};

enum { COR_HTTP_HEADERS_MAX = 64 << 10 };

/* A client. Opens no connection yet. COR_INVALID when libcurl refuses to start. Returns owned. */
COR_NODISCARD enum cor_code cor_http_new(struct cor_loop *loop, const struct cor_http_spec *spec,
                                         struct cor_http **http_r, struct cor_err *err);

/* From now on new connections show and trust what spec says (its PEM texts only, borrowed); those
 * that are open go on. */
void cor_http_trust(struct cor_http *http, const struct cor_http_spec *spec);

/* Drops all calls without telling their functions, closes connections, frees. *http becomes NULL.
 */
void cor_http_free(struct cor_http **http);

/* All borrowed for the call of cor_http_send only. */
struct cor_http_request {
    const char *method;
    const char *url;
    const char *const *headers; /* "Name: value" without line ends, then NULL; may be NULL */
    struct cor_view body;       /* absent: none */
    int64_t timeout_us;         /* for all of it; 0: 30 s */
    size_t max_answer;          /* a longer body is cut off; headers by COR_HTTP_HEADERS_MAX */
    size_t keep;                /* so much of the body is handed over; the rest is read only */
};

/* Valid during the call of the function that gets it. */
struct cor_http_response {
    enum cor_code code;     /* COR_OK: a whole answer, whatever its status. COR_TOOBIG: cut.
                               COR_TIMEOUT. COR_RETRY: no connection, or it broke; nothing says
                               whether the server has acted. COR_INVALID: no such URL */
    int status;             /* HTTP, as soon as the headers were read; 0: no answer */
    struct cor_view body;   /* as far as it came and is kept */
    int64_t retry_after_us; /* what the server asked to wait; 0 */
    bool untrusted;         /* the server's certificate was refused, or ours could not be used */
    const char *text;       /* why, one line; "" for COR_OK */
};

typedef void (*cor_http_fn)(void *self, const struct cor_http_response *response);

/* Bytes of an answer with a 2xx status, as they come (borrowed); may cancel its own call. */
typedef void (*cor_http_bytes_fn)(void *self, struct cor_view bytes);

/* Starts a request; fn runs later, once. The call is freed before fn runs: forget the pointer then.
 * Returns a borrowed pointer, for cor_http_cancel only. */
struct cor_http_call *cor_http_send(struct cor_http *http, const struct cor_http_request *request,
                                    cor_http_fn fn, void *self);

/* Like cor_http_send; the body of a 2xx answer goes to bytes instead, without a limit. */
struct cor_http_call *cor_http_stream(struct cor_http *http, const struct cor_http_request *request,
                                      cor_http_bytes_fn bytes, cor_http_fn fn, void *self);

/* Opens a connection of its own to the server of url ("https://HOST:PORT", of which the rest is not
 * used) and puts pipe on it, a new one: for those who speak to the server themselves, as proxies of
 * upgrades do. Nothing is sent. The pipe is told open when TLS is through, or closed: COR_TIMEOUT;
 * COR_DENIED (TLS: one side refused the other's certificate); COR_INVALID (no such URL); else
 * COR_RETRY, with the errno. The server does not hear of cor_pipe_end. It outlives *http. */
void cor_http_pipe(struct cor_http *http, const char *url, struct cor_pipe *pipe);

/* Ends a call; its functions will not run any more. *call becomes NULL. */
void cor_http_cancel(struct cor_http_call **call);

#endif
