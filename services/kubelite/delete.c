// SPDX-License-Identifier: Apache-2.0
// DELETE, with grace, finalizers and preconditions (k8s.io/apiserver/pkg/registry/rest/delete.go).
#include <string.h>

#include "common/base/mem.h"
#include "common/httpd/uri.h"
#include "meta.h"
#include "shape.h"
#include "write.h"

/* ValidateDeleteOptions of k8s.io/apimachinery/pkg/apis/meta/v1/validation. */
static bool policy_ok(const struct cor_json *options, struct kl_fail *fail)
{
    static const char *const policies[] = {"Foreground", "Background", "Orphan", "nil", NULL};
    static const struct kl_kind kind = {.group = "meta.k8s.io", .kind = "DeleteOptions"};
    auto_(kl_causes_free) struct kl_causes causes = {0};
    const struct cor_json *policy = cor_json_get(options, "propagationPolicy");
    bool known = policy == NULL;
    for (size_t i = 0; i < 3; i++) {
        known = known || strcmp(cor_json_as_str(policy, ""), policies[i]) == 0;
    }
    if (policy != NULL && cor_json_get(options, "orphanDependents") != NULL) {
        kl_cause_invalid(&causes, "propagationPolicy", policy,
                         "orphanDependents and deletionPropagation cannot be both set");
    }
    if (!known) {
        kl_cause_unsupported(&causes, "propagationPolicy", cor_json_as_str(policy, ""), policies);
    }
    return kl_causes_end(&causes, &kind, "", fail) == COR_OK;
}

/* The options that a DELETE without a body gives in its query. */
static struct cor_json *query_options(const struct kl_request *request)
{
    struct cor_json *options = cor_json_object();
    auto_(cor_freep) char *grace = cor_query_get(request->query, "gracePeriodSeconds");
    auto_(cor_freep) char *policy = cor_query_get(request->query, "propagationPolicy");
    auto_(cor_freep) char *orphan = cor_query_get(request->query, "orphanDependents");
    int64_t seconds = 0;
    if (grace != NULL && cor_view_i64(cor_view_of(grace), &seconds)) {
        cor_json_set(options, "gracePeriodSeconds", cor_json_int(seconds));
    }
    if (policy != NULL && policy[0] != '\0') {
        cor_json_set(options, "propagationPolicy", cor_json_str(policy));
    }
    if (orphan != NULL) {
        cor_json_set(options, "orphanDependents", cor_json_bool(strcmp(orphan, "true") == 0));
    }
    return options;
}

/* DeleteOptions: from the body, else from the query. Returns owned. */
static enum cor_code options_of(struct kl_request *request, struct cor_json **options_r,
                                struct kl_fail *fail)
{
    struct cor_view body = cor_exchange_body(request->exchange);
    auto_(cor_json_free) struct cor_json *options = NULL;
    auto_(kl_shape_free) struct kl_shape shape = {0};
    if (body.len == 0) {
        options = query_options(request);
    } else {
        enum cor_code code =
            kl_write_parse(request, &k8s_meta_v1_DeleteOptions, "DeleteOptions", &options, fail);
        if (code != COR_OK) {
            return code;
        }
    }
    *options_r = kl_shape_object(&shape, &k8s_meta_v1_DeleteOptions, options);
    if (shape.error != NULL) {
        cor_json_free(options_r);
        return kl_fail_bad(fail, "DeleteOptions: %s", shape.error);
    }
    if (!policy_ok(*options_r, fail)) {
        cor_json_free(options_r);
        return COR_INVALID;
    }
    request->dry_run = request->dry_run || cor_json_count(cor_json_get(*options_r, "dryRun")) > 0;
    return COR_OK;
}

enum cor_code kl_delete_preconditions(const struct kl_draft *draft, const struct cor_json *options,
                                      struct kl_fail *fail)
{
    static const struct {
        const char *member;
        const char *word;
    } checks[] = {{"uid", "UID"}, {"resourceVersion", "ResourceVersion"}};
    const struct cor_json *wanted = cor_json_get(options, "preconditions");
    for (size_t i = 0; i < COR_COUNT(checks); i++) {
        const char *is = kl_meta_str(draft->old, checks[i].member);
        const char *want = cor_json_str_at(wanted, checks[i].member, is);
        if (strcmp(is, want) == 0) {
            continue;
        }
        auto_(cor_freep) char *why =
            cor_sprintf("Precondition failed: %s in precondition: %s, %s in object meta: %s",
                        checks[i].word, want, checks[i].word, is);
        return kl_fail_conflict(fail, draft->kind, kl_meta_str(draft->old, "name"), why);
    }
    return COR_OK;
}

/* Seconds that a Pod gets to end (pkg/registry/core/pod/strategy.go, CheckGracefulDelete). */
static int64_t pod_grace(const struct cor_json *pod, const struct cor_json *options)
{
    const char *phase = cor_json_str_at(pod, "status.phase", "");
    int64_t seconds =
        cor_json_int_at(options, "gracePeriodSeconds",
                        cor_json_int_at(pod, "spec.terminationGracePeriodSeconds", 30));
    if (cor_json_str_at(pod, "spec.nodeName", "")[0] == '\0' || strcmp(phase, "Failed") == 0 ||
        strcmp(phase, "Succeeded") == 0) {
        return 0;
    }
    return seconds < 0 ? 1 : seconds;
}

static void mark(struct cor_json *object, int64_t grace, struct cor_wall now)
{
    char time[COR_RFC3339_SIZE];
    cor_wall_format((struct cor_wall){now.us + COR_SEC(grace)}, time);
    cor_json_set(kl_meta(object), "deletionTimestamp", cor_json_str(time));
    cor_json_set(kl_meta(object), "deletionGracePeriodSeconds", cor_json_int(grace));
}

static void shorten(struct kl_draft *draft, int64_t grace, struct cor_wall now)
{
    int64_t before = cor_json_int_at(draft->old, "metadata.deletionGracePeriodSeconds", INT64_MAX);
    if (grace >= before) {
        return;
    }
    cor_json_set(kl_meta(draft->object), "deletionGracePeriodSeconds", cor_json_int(grace));
    struct cor_wall asked = now;
    const struct cor_json *at = cor_json_at(draft->old, "metadata.deletionTimestamp");
    if (cor_wall_parse(cor_json_as_view(at), &asked) && before != INT64_MAX) {
        asked.us += COR_SEC(grace - before);
    }
    char time[COR_RFC3339_SIZE];
    cor_wall_format(asked, time);
    cor_json_set(kl_meta(draft->object), "deletionTimestamp", cor_json_str(time));
}

/* What happens to dependents: "Orphan", "Foreground" or "Background" (shouldOrphanDependents and
 * shouldDeleteDependents of k8s.io/apiserver/pkg/registry/generic/registry/store.go). */
static const char *policy_of(const struct kl_draft *draft, const struct cor_json *options)
{
    const struct cor_json *orphan = cor_json_get(options, "orphanDependents");
    const struct cor_json *policy = cor_json_get(options, "propagationPolicy");
    const struct cor_json *finalizers = cor_json_at(draft->old, "metadata.finalizers");
    if (orphan != NULL) {
        return cor_json_as_bool(orphan, false) ? "Orphan" : "Background";
    }
    if (policy != NULL) {
        return cor_json_as_str(policy, "");
    }
    for (size_t i = 0; i < cor_json_count(finalizers); i++) {
        const char *one = cor_json_as_str(cor_json_item(finalizers, i), "");
        if (strcmp(one, kl_finalizer_orphan) == 0) {
            return "Orphan";
        }
        if (strcmp(one, kl_finalizer_foreground) == 0) {
            return "Foreground";
        }
    }
    return kl_is(draft->kind, KL_JOB) ? "Orphan" : "Background"; /* as batch/v1 always did */
}

static void set_finalizers(struct kl_draft *draft, const struct cor_json *options)
{
    const char *policy = policy_of(draft, options);
    kl_meta_drop_finalizer(draft->object, kl_finalizer_orphan);
    kl_meta_drop_finalizer(draft->object, kl_finalizer_foreground);
    const char *wanted = strcmp(policy, "Orphan") == 0       ? kl_finalizer_orphan
                         : strcmp(policy, "Foreground") == 0 ? kl_finalizer_foreground
                                                             : NULL;
    if (wanted == NULL || kl_is(draft->kind, KL_EVENT)) {
        return;
    }
    if (!cor_json_is_array(cor_json_at(draft->object, "metadata.finalizers"))) {
        cor_json_set(kl_meta(draft->object), "finalizers", cor_json_array());
    }
    cor_json_add(cor_json_at(draft->object, "metadata.finalizers"), cor_json_str(wanted));
}

enum kl_change_type kl_delete_decide(struct kl_draft *draft, const struct cor_json *options,
                                     struct cor_wall now)
{
    const struct kl_strategy *strategy = kl_strategy_of(draft->kind);
    int64_t grace = kl_is(draft->kind, KL_POD) ? pod_grace(draft->old, options) : 0;
    draft->object = cor_json_copy(draft->old);
    if (kl_meta_deleting(draft->old)) {
        shorten(draft, grace, now);
    } else {
        set_finalizers(draft, options);
        mark(draft->object, grace, now);
    }
    if (kl_is(draft->kind, KL_NAMESPACE)) {
        cor_json_set_at(draft->object, "status.phase", cor_json_str("Terminating"));
    }
    if (!kl_deletable(draft)) {
        if (strategy->generation && !kl_meta_deleting(draft->old)) {
            int64_t generation = cor_json_int_at(draft->old, "metadata.generation", 0);
            cor_json_set(kl_meta(draft->object), "generation", cor_json_int(generation + 1));
        }
        return KL_MODIFIED;
    }
    if (!kl_meta_deleting(draft->old)) {
        /* Never seen as terminating: it goes as it was. */
        cor_json_del(kl_meta(draft->object), "deletionTimestamp");
        cor_json_del(kl_meta(draft->object), "deletionGracePeriodSeconds");
    }
    return KL_DELETED;
}

static bool is_protected(const struct kl_draft *draft)
{
    static const char *const names[] = {"default", "kube-system", "kube-public"};
    for (size_t i = 0; kl_is(draft->kind, KL_NAMESPACE) && i < COR_COUNT(names); i++) {
        if (strcmp(names[i], kl_meta_str(draft->old, "name")) == 0) {
            return true;
        }
    }
    return false;
}

static void carry_out(struct kl_request *request, struct kl_draft *draft,
                      const struct cor_json *options)
{
    const struct kl_strategy *strategy = kl_strategy_of(draft->kind);
    enum kl_change_type type = kl_delete_decide(draft, options, cor_wall_now());
    request->show_status = type == KL_DELETED && !strategy->returns_deleted;
    if (request->dry_run && request->show_status) {
        auto_(cor_json_free) struct cor_json *status = kl_success_json(
            draft->kind, kl_meta_str(draft->old, "name"), kl_meta_str(draft->old, "uid"));
        kl_reply(request, 200, NULL, status);
        return;
    }
    kl_write_store(request, draft, type);
}

void kl_write_delete(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(cor_json_free) struct cor_json *options = NULL;
    auto_(kl_draft_free) struct kl_draft draft = {.kind = request->route.kind};
    enum cor_code code = options_of(request, &options, &fail);
    if (code == COR_OK) {
        code = kl_write_find(request, &draft.old, &fail);
    }
    if (code == COR_OK) {
        code = kl_delete_preconditions(&draft, options, &fail);
    }
    if (code == COR_OK && is_protected(&draft)) {
        code = kl_fail_forbidden(&fail, draft.kind, request->route.name,
                                 "this namespace may not be deleted");
    }
    if (code != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    carry_out(request, &draft, options);
}

/* A collection that is deleted: what was selected, its end. */
struct sweep {
    struct kl_request *request;
    const struct kl_selector *selector;
    struct cor_json *items; /* owned */
};

static bool on_item(void *self, struct cor_view text)
{
    struct sweep *sweep = self;
    auto_(cor_json_free) struct cor_json *object = NULL;
    if (cor_json_parse(text, SIZE_MAX, 0, &object, NULL) != COR_OK ||
        !kl_selector_matches(sweep->selector, object)) {
        return false;
    }
    if (sweep->request->route.kind->type != NULL) {
        cor_json_del(object, "kind");
        cor_json_del(object, "apiVersion");
    }
    cor_json_add(sweep->items, take(&object));
    return true;
}

static void on_swept(void *self, enum cor_code code, const struct cor_err *err,
                     const struct kl_change *change)
{
    (void)change;
    struct kl_request *request = self;
    auto_(kl_fail_free) struct kl_fail fail = {0};
    if (code != COR_OK) {
        (void)kl_fail_store(&fail, code, err);
        kl_reply_fail(request, &fail);
        return;
    }
    auto_(cor_json_free) struct cor_json *answer = take(&request->answer);
    kl_reply(request, 200, NULL, answer);
}

static enum cor_code sweep_one(struct kl_request *request, const struct cor_json *listed,
                               const struct cor_json *options, struct cor_err *err)
{
    auto_(kl_draft_free) struct kl_draft draft = {.kind = request->route.kind};
    const char *ns = kl_meta_str(listed, "namespace");
    draft.old = kl_storage_look(request->api->storage, draft.kind, ns, kl_meta_str(listed, "name"));
    if (draft.old == NULL || is_protected(&draft)) {
        return COR_OK;
    }
    enum kl_change_type type = kl_delete_decide(&draft, options, cor_wall_now());
    if (request->dry_run || (type == KL_MODIFIED && cor_json_equal(draft.object, draft.old))) {
        return COR_OK;
    }
    kl_set_type(draft.kind, draft.object);
    struct kl_edit edit = {type, draft.kind, take(&draft.object), take(&draft.old)};
    return kl_storage_commit(request->api->storage, edit, NULL, NULL, err);
}

static struct cor_json *swept_list(const struct kl_request *request, struct cor_json *items,
                                   int64_t rv)
{
    struct cor_json *list = cor_json_object();
    kl_set_type(request->route.kind, list);
    cor_json_set(list, "kind", cor_json_str(request->route.kind->list_kind));
    cor_json_set_at(list, "metadata.resourceVersion", cor_json_fmt("%lld", (long long)rv));
    cor_json_set(list, "items", items);
    return list;
}

void kl_write_delete_collection(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(cor_json_free) struct cor_json *options = NULL;
    auto_(kl_selector_free) struct kl_selector *selector = kl_read_selector(request, &fail);
    struct cor_err err = COR_ERR_NONE;
    struct kl_slice slice = {.ns = request->route.ns, .after_ns = "", .after_name = ""};
    struct sweep sweep = {request, selector, cor_json_array()};
    enum cor_code code = fail.status != 0 ? COR_INVALID : options_of(request, &options, &fail);
    if (code == COR_OK) {
        code = kl_storage_page(request->api->storage, request->route.kind, &slice, on_item, &sweep);
    }
    for (size_t i = 0; i < cor_json_count(sweep.items) && code == COR_OK; i++) {
        code = sweep_one(request, cor_json_item(sweep.items, i), options, &err);
    }
    request->answer = swept_list(request, sweep.items, slice.rv);
    if (code == COR_OK) {
        code = kl_storage_settle(request->api->storage, on_swept, request, &err);
        if (code == COR_OK) {
            return;
        }
    }
    if (fail.status == 0) {
        (void)kl_fail_store(&fail, code, &err);
    }
    kl_reply_fail(request, &fail);
}
