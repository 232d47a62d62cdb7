// SPDX-License-Identifier: Apache-2.0
// Private to edgecontroller: rules at work. ruleset.c knows the rules, rulestatus.c counts what
// they did, sink.c takes uploads from the bus, target.c posts them, entrance.c is the way of HTTP
// clients to the nodes.
#ifndef EC_ROUTER_H
#define EC_ROUTER_H

#include "common/httpd/httpd.h"
#include "common/kube/http.h"
#include "edgecontroller.h"
#include "flow.h"
#include "gate.h"
#include "rule.h"

enum { EC_RULE_ERRORS = 10 };

/* A Rule of the API. */
struct ec_rule_entry {
    struct ec_router *router;
    char *ns, *name; /* owned */
    char *made;      /* owned: metadata.creationTimestamp */
    struct ec_rule rule;
    const struct ec_rule_entry *winner; /* another rule has taken its topic; NULL: it serves */
    uint64_t success, fail;
    struct cor_json *errors; /* array of strings, owned: trouble while working */
    struct cor_json *wrote;  /* status as the API has it, as far as known; owned; may be NULL */
    /* Of several replicas each adds what it has counted: */
    uint64_t known_success, known_fail; /* what the API had in version */
    uint64_t sent_success, sent_fail;   /* what was written last */
    uint64_t version;                   /* of the Rule, as read or written last */
    bool uncertain;                     /* the answer to that write was lost */
    struct cor_kube_call *call;         /* the write under way */
    bool dirty;
    bool here; /* seen in this round of ec_rules_rebuild */
};

/* An HTTP target. */
struct ec_target {
    struct ec_router *router;
    char *url; /* owned */
    struct ec_gate gate;
    struct cor_link waiting; /* struct ec_flow */
    struct cor_timer *timer; /* until it may be tried again */
};

/* A stream of uploads. */
struct ec_flow {
    struct cor_link link; /* in the waiting list of its target, or in none */
    struct ec_router *router;
    char *name;         /* owned: of the stream on hub-controller, "NODE/bus/topic/T" */
    char *node;         /* owned */
    const char *stream; /* within name: what follows "NODE/bus/" */
    uint64_t incarnation;
    uint64_t opened; /* what its origin said is confirmed: it is believed */
    uint64_t number; /* of the stream on hub-controller; 0: uploads of a node without streams */
    struct cor_ledger_counts *books; /* of the stream; the ledger's */
    struct ec_flow_queue queue;
    struct ec_target *target;    /* of the request under way or waited for; NULL: none */
    struct cor_http_call *call;  /* under way; NULL */
    struct ec_rule_entry *entry; /* whose request that is */
    size_t batch;                /* messages in it; kept for the next try, 0: choose */
    struct cor_backoff backoff;
    struct cor_timer *timer; /* rests after a refusal; NULL: never had to */
    struct cor_mono gone_since;
    bool gone; /* its node has gone, and the stream was not opened since */
    bool held;
};

struct ec_router_stats {
    uint64_t accepted, duplicates, delivered, unrouted, dropped, failed, batches;
    uint64_t published, publish_failed, forwarded;
};

struct ec_router {
    struct ec *ec;
    struct cor_http *http;
    struct cor_httpd *entrance; /* NULL: off */
    struct cor_map *rules;      /* "ns/name" -> struct ec_rule_entry, owned */
    struct cor_map *uploads;    /* "node/topic" -> struct ec_rule_entry */
    struct cor_map *flows;      /* name -> struct ec_flow, owned */
    struct cor_map *by_number;  /* stream number -> struct ec_flow */
    struct cor_map *targets;    /* url -> struct ec_target, owned */
    struct cor_map *busy_nodes; /* node -> publications under way, owned: see entrance.c */
    size_t publishing;          /* of all nodes */
    struct cor_link forwards;   /* under way, to other replicas: see forward.c */
    struct cor_timer *rebuild;  /* something about rules has changed */
    struct cor_timer *status;   /* statuses are to be written */
    struct cor_mono status_written;
    struct cor_timer *sweep; /* flows of nodes that are gone */
    size_t bytes;            /* of payloads that wait */
    unsigned running;        /* requests to targets */
    bool full;               /* bytes has reached its limit */
    bool known;              /* what rules there are is known */
    bool stopping;
    struct ec_router_stats stats;
};

/* ---- ruleset.c ---------------------------------------------------------------------------------
 */

/* The rule that serves a topic of a node; NULL: none. Borrowed until the next rebuild. */
struct ec_rule_entry *ec_rules_upload(const struct ec_router *router, const char *node,
                                      const char *topic);

/* Reads all rules again, soon: something has changed. */
void ec_rules_changed(struct ec_router *router);

/* For the timer of the above. */
void ec_rules_rebuild(void *router);

/* Frees an entry. */
void ec_rule_entry_drop(void *entry);

/* ---- rulestatus.c ------------------------------------------------------------------------------
 */

/* A new entry goes on counting from what the API has. */
void ec_rule_status_begin(struct ec_rule_entry *entry, const struct cor_json *rule);

/* The rule as it is now: another replica may have added to its status. */
void ec_rule_status_seen(struct ec_rule_entry *entry, const struct cor_json *rule);

/* Messages were delivered by it. */
void ec_rule_succeeded(struct ec_rule_entry *entry, size_t messages);

/* It has failed once, with why. */
void ec_rule_failed(struct ec_rule_entry *entry, const char *why);

/* Its status is to be written if it differs from what the API has. */
void ec_rule_status_changed(struct ec_rule_entry *entry);

/* For the timer that writes. */
void ec_rule_status_write(void *router);

/* ---- sink.c ------------------------------------------------------------------------------------
 */

/* The last of its messages was settled, or failed: looks what it has to do next. */
void ec_flow_go_on(struct ec_flow *flow);

/* Rules are other ones now: every flow looks again. */
void ec_flows_look_again(struct ec_router *router);

/* The first count messages of the flow are over; column: of its books, that says how. */
void ec_flow_settle(struct ec_flow *flow, size_t count, uint64_t *column);

void ec_flow_drop(void *flow);

/* ---- target.c ----------------------------------------------------------------------------------
 */

/* The flow's next messages are to go out by the rule: at once or when it is their turn. */
void ec_target_want(struct ec_flow *flow, struct ec_rule_entry *entry);

/* Gives up what the flow has asked for, also while it is under way. */
void ec_target_give_up(struct ec_flow *flow);

/* Whether the target of the flow's rule is away, as far as known. */
bool ec_target_is_away(const struct ec_router *router, const char *url);

void ec_target_drop(void *target);

/* ---- entrance.c --------------------------------------------------------------------------------
 */

/* Opens the REST entrance if the configuration asks for it. COR_INVALID, COR_IO. */
enum cor_code ec_entrance_open(struct ec_router *router, struct cor_err *err);

/* Ends what is under way there, closes it. */
void ec_entrance_close(struct ec_router *router);

/* Counts a publication for a node that begins or ends. */
void ec_entrance_begin_one(struct ec_router *router, const char *node);
void ec_entrance_end_one(struct ec_router *router, const char *node);

/* ---- forward.c ---------------------------------------------------------------------------------
 */

/* Hands a request on to the replica that has the node, and answers it. False: there is none, or it
 * comes from one. */
bool ec_forward(struct ec_router *router, struct cor_exchange *exchange, const char *node,
                const char *target);

/* Ends all that are under way. */
void ec_forwards_end(struct ec_router *router);

#endif
