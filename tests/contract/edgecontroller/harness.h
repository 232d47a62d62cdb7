// SPDX-License-Identifier: Apache-2.0
// The real edgecontroller and a real kubelite; the test plays cloudhub with its nodes' streams, and
// the HTTP targets of rules.
#ifndef TESTS_EDGECONTROLLER_HARNESS_H
#define TESTS_EDGECONTROLLER_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/map.h"
#include "common/httpd/httpd.h"
#include "common/kube/client.h"
#include "tests/support/stage/stage.h"

struct world {
    struct stage *stage;
    pid_t kubelite, controller;
    int api_port, entrance_port;
    struct cutter *cutter; /* between edgecontroller and kubelite; NULL: nothing is */
    struct cor_kube *kube;
    struct cor_bus *bus;
    struct cor_port *hub;
    uint64_t epoch;        /* of its session before edgecontroller was started last */
    struct cor_buf topics; /* of node n1, one a line, as told last */
    int told;              /* how often */
    /* what is published */
    struct cor_buf published; /* "NODE TOPIC KEY PAYLOAD\n" */
    int publications;
    enum cor_code publish_fails; /* COR_OK: they are done at once */
    bool publish_waits;          /* they are not answered yet */
    struct cor_ticket waiting[8];
    size_t waiting_count;
    /* objects that the node was told to be gone */
    int gone;
    char gone_uid[64];      /* of the last */
    struct cor_buf objects; /* that nodes were told: "put|gone NODE KEY UID VERSION SOURCE\n" */
    int puts;               /* objects that they were told to be so */
    const char *awaited;    /* key of one of them; NULL: none */
    int64_t awaited_us;     /* when it came; 0: it has not */
    int synced;             /* NODE_SYNCEDs */
    struct cor_buf synced_nodes; /* each with a line end */
    bool replica;                /* edgecontroller is one of several, from its next start on */
    int entrance_ms;             /* how long a publication may take, likewise; 0: for long */
    struct cor_buf owners;       /* what was told: "NODE EPOCH has|lost\n" */
    struct cor_buf members;      /* memberships that they were told, one a line */
    /* the API's last answer */
    bool answered;
    int status;
    struct cor_json *body;
};

/* Starts all, on the API of the kubeconfig that the environment's CORACLE_TEST_KUBECONFIG names
 * instead of a kubelite of its own, if set; crds: Rule and RuleEndpoint are known, with endpoints
 * "broker" and "web" in default. Fails the test. Returns owned. */
struct world *world_new(bool crds);

/* From now on (before world_kill) edgecontroller reaches the API through a relay of bytes. */
void world_relay(struct world *w);

/* The answer to the next request through the relay is lost with its connection. */
void world_lose_answer(struct world *w);

/* How often that has happened. */
int world_lost(const struct world *w);

/* Ends all; fails the test when edgecontroller did not end in order. */
void world_free(struct world **world);

/* Kills edgecontroller; returns when its peer knows. */
void world_end(struct world *w);

/* Starts edgecontroller again after it was ended; node n1 is connected. */
void world_start(struct world *w);

/* Kills edgecontroller and starts it again. */
void world_kill(struct world *w);

/* Runs the loop until cond(self); fails the test. Conditions are asked every few ms. */
void world_until(struct world *w, bool (*cond)(void *self), void *self);

/* The same for a condition that runs the loop itself, say to ask the API. */
void world_poll(struct world *w, bool (*cond)(void *self), void *self);

/* The publications that wait are done, and those that come. */
void world_publish_goes_on(struct world *w);

/* Asks the API; the answer is in w->status and w->body. */
void world_api(struct world *w, const char *method, const char *path, const char *body);

/* A merge patch, in the same way. */
void world_patch(struct world *w, const char *path, const char *body);

/* Makes the rule NAME in default: topic of node n1 to url; extra: more of targetResource, as JSON
 * members with a comma before them, or "". Waits until the node was told. */
void world_rule(struct world *w, const char *name, const char *topic, const char *url,
                const char *extra);

/* Tells edgecontroller that node is connected. */
void world_node(struct world *w, const char *node);

/* The same of one that speaks KubeEdge's dialect, or that it is connected no more. */
void world_kubeedge(struct world *w, const char *node, uint64_t epoch, bool up);

/* Makes the API know the CRD in a file of deploy/crds. */
void world_crd(struct world *w, const char *file);

/* ---- targets ---- */

struct target {
    struct cor_httpd *httpd;
    int port;
    char url[64];
    int answer;  /* status; 0: never */
    int failing; /* so many requests are answered with fail_status first */
    int fail_status;
    bool endless; /* the body of the answer never ends */
    struct cor_map *keys;
    struct cor_buf bodies; /* of first arrivals, each with a line end */
    struct cor_buf last_headers;
    int requests, unique, repeats, disordered;
    uint64_t last_seq;
    int64_t last_us; /* when the last one came */
};

/* Listens; port 0: any. Fails the test. */
void target_open(struct target *t, struct world *w, int port);

/* Ends it, keeps what it has seen. */
void target_close(struct target *t);

/* Frees what it has seen too. */
void target_free(struct target *t);

/* ---- streams ---- */

struct stream {
    struct world *w;
    struct cor_origin *origin;
    uint64_t number, incarnation;
    char name[96]; /* "NODE/bus/topic/TOPIC" */
    char topic[64];
    const char *before, *after; /* of the number in a payload; NULL: "m", "" */
    bool empty;                 /* payloads are */
    uint64_t last, acked;
};

/* Declares an origin with nothing in it. */
void stream_open(struct stream *s, struct world *w, uint64_t number, const char *topic);

/* Gives it so many messages more. */
void stream_send(struct stream *s, uint64_t count);

void stream_close(struct stream *s);

/* Whether all is acked. For world_until. */
bool stream_is_done(void *stream);

#endif
