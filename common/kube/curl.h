// SPDX-License-Identifier: Apache-2.0
// Private to common/kube: the parts of the HTTP client, http.c (calls) and transport.c (libcurl's
// multi interface as a guest of the loop).
#ifndef COR_KUBE_CURL_H
#define COR_KUBE_CURL_H

#include <curl/curl.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/kube/http.h"

/* What connections show and trust; those that are open keep it when it is exchanged. */
struct http_trust {
    unsigned users;
    char *ca_pem, *cert_pem, *key_pem; /* owned */
};

struct cor_http {
    struct cor_loop *loop; /* borrowed */
    CURLM *multi;          /* owned */
    struct cor_timer *timer;
    struct cor_link calls;    /* all of them */
    struct cor_link arrived;  /* streams that have bytes to deliver */
    struct http_trust *trust; /* shared */
    unsigned per_host, idle;
    bool plain, unverified;
};

struct cor_http_call {
    struct cor_link link;    /* in calls */
    struct cor_link arrived; /* in arrived, or in none */
    struct cor_http *http;
    struct http_trust *trust;   /* shared */
    CURL *easy;                 /* owned */
    struct curl_slist *headers; /* owned */
    struct cor_buf send;        /* request body */
    struct cor_buf got;         /* answer, or what a stream has not delivered yet */
    size_t header_bytes, body_bytes;
    size_t max_answer, keep;
    cor_http_bytes_fn on_bytes; /* NULL: no stream */
    cor_http_fn fn;
    void (*connected)(void *self, CURLcode result); /* no request, a connection only; the call stays
                                                       then; else NULL */
    void *self;
    bool too_big;
    bool delivering; /* on_bytes is on the stack */
    bool cancelled;
};

/* Starts libcurl's multi interface on http->loop. COR_INVALID. */
enum cor_code http_transport_open(struct cor_http *http, struct cor_err *err);

/* Ends it; no call may be left. */
void http_transport_close(struct cor_http *http);

/* A call without a request, not started. Returns owned by http. */
struct cor_http_call *http_call_new(struct cor_http *http);

/* Ends and frees a call. */
void http_call_free(struct cor_http_call *call);

/* Sets how call connects and what it shows and trusts. */
void http_set_connection(struct cor_http_call *call);

/* Whether that result says that one side did not trust the other's certificate. */
bool http_is_untrusted(CURLcode result);

/* A transfer has ended, with libcurl's result. */
void http_call_done(struct cor_http_call *call, CURLcode result);

/* Hands out what streams have received. */
void http_deliver(struct cor_http *http);

#endif
