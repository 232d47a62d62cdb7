// SPDX-License-Identifier: Apache-2.0
// What one running API server is made of, and one request to it.
#ifndef KUBELITE_API_H
#define KUBELITE_API_H

#include "common/clock/clock.h"
#include "common/conf/conf.h"
#include "common/httpd/httpd.h"
#include "common/json/json.h"
#include "common/log/log.h"
#include "common/loop/loop.h"
#include "fail.h"
#include "kind.h"
#include "route.h"
#include "selector.h"
#include "storage.h"

struct kl_watches;
struct kl_crds;
struct kl_tokens;
struct kl_proxies;
struct kl_metrics;

enum { KL_GROUPS_MAX = 40 };

/* Who asks. Strings are borrowed from the request. */
struct kl_user {
    char *name;                  /* owned */
    char *groups[KL_GROUPS_MAX]; /* owned; NULL at the end */
};

struct kl_api {
    struct cor_loop *loop;
    const struct cor_log *log;
    struct kl_storage *storage;
    struct kl_kinds *kinds;
    struct kl_watches *watches;
    struct kl_crds *crds;
    struct kl_tokens *tokens;
    struct kl_proxies *proxies;
    struct kl_metrics *metrics;
    const struct cor_conf_strs *address_types; /* of kubelets, the best first */
    const char *ca_pem;                        /* goes into kube-root-ca.crt */
    const char *const *allow_groups;           /* may do everything; ends with NULL */
};

/* How the client wants objects shown. */
enum kl_show { KL_SHOW_JSON, KL_SHOW_TABLE, KL_SHOW_TABLE_BETA };

enum kl_include { KL_INCLUDE_METADATA, KL_INCLUDE_OBJECT, KL_INCLUDE_NONE };

enum kl_strict { KL_IGNORE, KL_WARN, KL_STRICT };

struct kl_request {
    struct kl_api *api;
    struct cor_exchange *exchange; /* until the answer */
    struct kl_route route;
    struct kl_user user;
    struct cor_view query;
    enum kl_show show;
    enum kl_include include;
    enum kl_strict strict;
    bool dry_run;
    int status;       /* of success: 200, or 201 */
    bool applied;     /* managedFields of the new state are known */
    bool unchanged;   /* answer is the object as it is: nothing had to be written */
    bool show_status; /* answer with a Status object: what was deleted */
    /* Answer with what this makes of the object (returns owned); NULL: the object itself. */
    struct cor_json *(*shown)(const struct cor_json *object);
    struct cor_json *answer; /* object to answer with once it is committed; owned */
};

/* Frees the request after its answer. */
void kl_request_free(struct kl_request **request);

/* Answers with JSON (borrows), as a Table if the client wants that and kind is not NULL. Frees the
 * request. */
void kl_reply(struct kl_request *request, int status, const struct kl_kind *kind,
              const struct cor_json *body);

/* The same of the object of a change of the request's kind, whose text is there already. */
void kl_reply_change(struct kl_request *request, int status, const struct kl_change *change);

/* Answers with JSON text (takes the content) as it is. Frees the request. */
void kl_reply_text(struct kl_request *request, int status, struct cor_buf *text);

/* Answers with a Status object. Frees the request. */
void kl_reply_fail(struct kl_request *request, const struct kl_fail *fail);

/* Sets kind and apiVersion of object, which are not stored for lists. */
void kl_set_type(const struct kl_kind *kind, struct cor_json *object);

/* Reading: answers request. */
void kl_read_object(struct kl_request *request);
void kl_read_list(struct kl_request *request);
void kl_read_watch(struct kl_request *request);

/* What labelSelector and fieldSelector of the query select; fail->status is set when they are bad.
 * Returns owned; NULL: everything. */
struct kl_selector *kl_read_selector(const struct kl_request *request, struct kl_fail *fail);

/* Writing: answers request once the change is committed. */
void kl_write_create(struct kl_request *request);
void kl_write_update(struct kl_request *request);
void kl_write_patch(struct kl_request *request);
void kl_write_delete(struct kl_request *request);
void kl_write_delete_collection(struct kl_request *request);
void kl_write_review(struct kl_request *request);
void kl_write_token_review(struct kl_request *request);
void kl_read_scale(struct kl_request *request);
void kl_write_scale(struct kl_request *request);
void kl_write_binding(struct kl_request *request);
void kl_write_eviction(struct kl_request *request);
void kl_write_token(struct kl_request *request);

/* What a kubelet answers: subresources of Pods, and all of a node. */
void kl_connect_pod(struct kl_request *request);
void kl_connect_node(struct kl_request *request);

/* get and list of metrics.k8s.io. */
void kl_metrics_read(struct kl_request *request);

#endif
