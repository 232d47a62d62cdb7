// SPDX-License-Identifier: Apache-2.0
// Private to common/kube: the parts of the client, client.c (calls) and transport.c (libcurl's
// multi interface as a guest of the loop).
#ifndef COR_KUBE_CURL_H
#define COR_KUBE_CURL_H

#include <curl/curl.h>
#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/clock/clock.h"
#include "common/kube/client.h"
#include "common/kube/lines.h"
#include "common/loop/loop.h"

struct cor_kube {
    struct cor_loop *loop; /* borrowed */
    CURLM *multi;          /* owned */
    struct cor_timer *timer;
    struct cor_link calls;   /* all of them */
    struct cor_link arrived; /* streams that have lines to deliver */
    struct cor_kube_config config;
    struct cor_mono token_read; /* when token_file was read last */
};

struct cor_kube_call {
    struct cor_link link;    /* in calls */
    struct cor_link arrived; /* in arrived, or in none */
    struct cor_kube *kube;
    CURL *easy;                 /* owned */
    struct curl_slist *headers; /* owned */
    struct cor_buf send;        /* request body */
    struct cor_buf got;         /* answer, when it is no stream */
    struct cor_lines lines;     /* answer of a stream */
    cor_kube_line_fn on_line;   /* NULL: no stream */
    cor_kube_fn fn;
    void *self;
    bool too_big;
    bool delivering; /* on_line is on the stack */
    bool cancelled;
};

/* Starts libcurl's multi interface on kube->loop. COR_INVALID. */
enum cor_code kube_transport_open(struct cor_kube *kube, struct cor_err *err);

/* Ends it; no call may be left. */
void kube_transport_close(struct cor_kube *kube);

/* A transfer has ended, with libcurl's result. */
void kube_call_done(struct cor_kube_call *call, CURLcode result);

/* Hands out what streams have received. */
void kube_deliver(struct cor_kube *kube);

#endif
