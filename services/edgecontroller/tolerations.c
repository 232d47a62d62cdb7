// SPDX-License-Identifier: Apache-2.0
#include "tolerations.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/kube/path.h"

enum { AT_ONCE = 4, NOT_FOUND = 404, CONFLICT = 409 };
enum { SOON_US = 1000 * 1000, LATER_US = 30 * 1000 * 1000 };

struct ec_tolerations {
    struct ec *ec;
    struct cor_map *nodes; /* those that are autonomous; values are not used */
    struct cor_map *pods;  /* "ns/name" to struct ask, owned */
    struct cor_link waiting;
    size_t busy;
    struct cor_timer *again; /* runs while nothing is to be asked */
    struct cor_log_limit complaints;
};

/* A Pod that is to be looked at, or is being written. */
struct ask {
    struct cor_link link; /* while it waits */
    struct ec_tolerations *tolerations;
    struct cor_kube_call *call;
    char key[];
};

/* ---- what a Pod needs ---- */

static const char *const TAINTS[] = {"node.kubernetes.io/not-ready",
                                     "node.kubernetes.io/unreachable"};

/* Whether it tolerates the taint, which has no value, with effect NoExecute
 * (Toleration.ToleratesTaint). */
static bool tolerates(const struct cor_json *one, const char *taint)
{
    const char *key = cor_json_str_at(one, "key", "");
    const char *effect = cor_json_str_at(one, "effect", "");
    bool exists = strcmp(cor_json_str_at(one, "operator", "Equal"), "Exists") == 0;
    return (effect[0] == '\0' || strcmp(effect, "NoExecute") == 0) &&
           (key[0] == '\0' || strcmp(key, taint) == 0) &&
           (exists || (key[0] != '\0' && cor_json_str_at(one, "value", "")[0] == '\0'));
}

/* Of several the first counts. */
static struct cor_json *first_of(const struct cor_json *list, const char *taint)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (tolerates(cor_json_item(list, i), taint)) {
            return cor_json_item(list, i);
        }
    }
    return NULL;
}

static struct cor_json *for_ever(const char *taint)
{
    struct cor_json *one = cor_json_object();
    cor_json_set(one, "key", cor_json_str(taint));
    cor_json_set(one, "operator", cor_json_str("Exists"));
    cor_json_set(one, "effect", cor_json_str("NoExecute"));
    return one;
}

static bool is_ending(const struct cor_json *pod)
{
    const char *phase = cor_json_str_at(pod, "status.phase", "");
    return cor_json_at(pod, "metadata.deletionTimestamp") != NULL ||
           strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

struct cor_json *ec_tolerations_needed(const struct cor_json *pod, int64_t default_seconds)
{
    bool changed = false;
    if (is_ending(pod)) {
        return NULL;
    }
    const struct cor_json *has = cor_json_at(pod, "spec.tolerations");
    auto_(cor_json_free) struct cor_json *list =
        cor_json_is_array(has) ? cor_json_copy(has) : cor_json_array();
    for (size_t i = 0; i < COR_COUNT(TAINTS); i++) {
        struct cor_json *one = first_of(list, TAINTS[i]);
        if (one == NULL) {
            cor_json_add(list, for_ever(TAINTS[i]));
            changed = true;
        } else if (cor_json_int_at(one, "tolerationSeconds", -1) == default_seconds) {
            cor_json_del(one, "tolerationSeconds"); /* the API server allows that it changes */
            changed = true;
        }
    }
    return changed ? take(&list) : NULL;
}

/* ---- writing ---- */

static void ask_drop(void *value)
{
    struct ask *ask = value;
    cor_list_del(&ask->link);
    if (ask->call != NULL) {
        cor_kube_cancel(&ask->call);
    }
    cor_free(ask);
}

static void go_on(struct ec_tolerations *self);

static void complain(struct ec_tolerations *self, const char *key,
                     const struct cor_kube_response *response)
{
    uint64_t unsaid = 0;
    if (cor_log_limit(&self->complaints, cor_loop_now(self->ec->service->loop), &unsaid)) {
        LOGW(self->ec->service->log, "controller.tolerations-failed",
             "pod=%s status=%d reason=%s unsaid=%" PRIu64, cor_log_esc(cor_view_of(key)),
             response->status, cor_log_esc(cor_view_of(response->text)), unsaid);
    }
}

static void on_written(void *ptr, const struct cor_kube_response *response)
{
    struct ask *ask = ptr;
    struct ec_tolerations *self = ask->tolerations;
    ask->call = NULL;
    self->busy--;
    if (response->code == COR_OK || response->status == NOT_FOUND) {
        (void)cor_map_del(self->pods, cor_view_of(ask->key));
    } else {
        bool raced = response->status == CONFLICT; /* the mirror is behind */
        if (!raced) {
            complain(self, ask->key, response);
        }
        cor_list_add(&self->waiting, &ask->link);
        cor_timer_start(self->again, raced ? SOON_US : LATER_US);
    }
    go_on(self);
}

/* The version is said, so that nobody's change of the list is undone. */
static void write(struct ask *ask, const struct cor_json *pod, struct cor_json *list)
{
    struct ec_tolerations *self = ask->tolerations;
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_json_free) struct cor_json *patch = cor_json_object();
    struct cor_kube_ref ref = {
        .group_version = "v1", .ns = ec_ns(pod), .plural = "pods", .name = ec_name(pod)};
    cor_kube_path(&ref, &path);
    cor_json_set_at(patch, "metadata.resourceVersion",
                    cor_json_str(cor_json_str_at(pod, "metadata.resourceVersion", "")));
    cor_json_set_at(patch, "metadata.uid", cor_json_str(cor_json_str_at(pod, "metadata.uid", "")));
    cor_json_set_at(patch, "spec.tolerations", cor_json_ref(list));
    auto_(cor_freep) char *text = cor_json_text(patch);
    struct cor_kube_request request = {.method = "PATCH",
                                       .path = path.data,
                                       .content_type = COR_KUBE_MERGE,
                                       .body = cor_view_of(text)};
    self->busy++;
    ask->call = cor_kube_send(self->ec->kube, &request, on_written, ask);
}

/* What the mirror has of it is what counts. */
static void look(struct ask *ask)
{
    struct ec_tolerations *self = ask->tolerations;
    const char *slash = strchr(ask->key, '/');
    auto_(cor_freep) char *ns =
        cor_view_dup((struct cor_view){ask->key, (size_t)(slash - ask->key)});
    const struct cor_json *pod = ec_get(self->ec, EC_PODS, ns, slash + 1);
    bool ours = pod != NULL && cor_map_get(self->nodes, cor_view_of(ec_node_of(pod))) != NULL;
    auto_(cor_json_free) struct cor_json *list =
        ours ? ec_tolerations_needed(pod, self->ec->cfg->default_toleration) : NULL;
    if (list != NULL) {
        write(ask, pod, list);
    } else {
        (void)cor_map_del(self->pods, cor_view_of(ask->key));
    }
    ec_give_back(self->ec);
}

static void go_on(struct ec_tolerations *self)
{
    while (self->busy < AT_ONCE && !cor_timer_running(self->again) &&
           !cor_list_empty(&self->waiting)) {
        struct ask *ask = COR_LIST_OBJECT(self->waiting.next, struct ask, link);
        cor_list_del(&ask->link);
        look(ask);
    }
}

static void on_again(void *self)
{
    go_on(self);
}

/* ---- what is seen ---- */

static void add(void *ptr, const char *ns, const char *name)
{
    struct ec_tolerations *self = ptr;
    auto_(cor_freep) char *key = cor_sprintf("%s/%s", ns, name);
    if (cor_map_get(self->pods, cor_view_of(key)) != NULL) {
        return;
    }
    struct ask *ask = cor_alloc(sizeof(*ask) + strlen(key) + 1);
    ask->tolerations = self;
    memcpy(ask->key, key, strlen(key));
    cor_list_add(&self->waiting, &ask->link);
    cor_map_set(self->pods, cor_view_of(key), ask);
    if (self->busy == 0 && !cor_timer_running(self->again)) {
        cor_timer_start(self->again, 0);
    }
}

void ec_tolerations_node(struct ec_tolerations *self, const struct cor_json *node)
{
    const char *name = ec_name(node);
    const struct cor_json *marks = cor_json_at(node, "metadata.annotations");
    bool is = strcmp(cor_json_as_str(cor_json_get(marks, EC_AUTONOMOUS), ""), "true") == 0;
    bool was = cor_map_get(self->nodes, cor_view_of(name)) != NULL;
    if (is && !was) {
        cor_map_set(self->nodes, cor_view_of(name), self);
        ec_bound_of(self->ec->pods, cor_view_of(name), add, self);
    } else if (was && !is) {
        (void)cor_map_del(self->nodes, cor_view_of(name));
    }
}

void ec_tolerations_node_gone(struct ec_tolerations *self, const char *node)
{
    (void)cor_map_del(self->nodes, cor_view_of(node));
}

void ec_tolerations_pod(struct ec_tolerations *self, const struct cor_json *pod)
{
    if (cor_map_get(self->nodes, cor_view_of(ec_node_of(pod))) == NULL) {
        return;
    }
    auto_(cor_json_free) struct cor_json *list =
        ec_tolerations_needed(pod, self->ec->cfg->default_toleration);
    if (list != NULL) {
        add(self, ec_ns(pod), ec_name(pod));
    }
}

/* ---- the whole ---- */

struct ec_tolerations *ec_tolerations_new(struct ec *ec)
{
    struct ec_tolerations *self = cor_alloc(sizeof(*self));
    self->ec = ec;
    self->nodes = cor_map_new(NULL);
    self->pods = cor_map_new(ask_drop);
    cor_list_init(&self->waiting);
    self->again = cor_timer_new(ec->service->loop, on_again, self);
    return self;
}

void ec_tolerations_free(struct ec_tolerations **tolerations)
{
    struct ec_tolerations *self = *tolerations;
    if (self != NULL) {
        cor_map_free(&self->pods);
        cor_map_free(&self->nodes);
        cor_timer_free(&self->again);
        cor_freep(tolerations);
    }
}
