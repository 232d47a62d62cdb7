// SPDX-License-Identifier: Apache-2.0
// DELETE, with grace, finalizers and preconditions (k8s.io/apiserver/pkg/registry/rest/delete.go).
#include <string.h>

#include "common/base/mem.h"
#include "common/httpd/uri.h"
#include "meta.h"
#include "shape.h"
#include "write.h"

/* DeleteOptions: from the body, else from the query. Returns owned. */
static enum cor_code options_of(struct kl_request *request, struct cor_json **options_r,
                                struct kl_fail *fail)
{
    struct cor_view body = cor_exchange_body(request->exchange);
    auto_(cor_json_free) struct cor_json *options = NULL;
    auto_(kl_shape_free) struct kl_shape shape = {0};
    if (body.len == 0) {
        options = cor_json_object();
        auto_(cor_freep) char *grace = cor_query_get(request->query, "gracePeriodSeconds");
        int64_t seconds = 0;
        if (grace != NULL && cor_view_i64(cor_view_of(grace), &seconds)) {
            cor_json_set(options, "gracePeriodSeconds", cor_json_int(seconds));
        }
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
    request->dry_run = request->dry_run || cor_json_count(cor_json_get(*options_r, "dryRun")) > 0;
    return COR_OK;
}

static enum cor_code check_preconditions(const struct kl_draft *draft,
                                         const struct cor_json *options, struct kl_fail *fail)
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

/* Sets what the deletion changes in draft->object. Returns how it is stored. */
static enum kl_change_type decide(struct kl_draft *draft, const struct cor_json *options,
                                  struct cor_wall now)
{
    int64_t grace = kl_is(draft->kind, KL_POD) ? pod_grace(draft->old, options) : 0;
    int64_t before = cor_json_int_at(draft->old, "metadata.deletionGracePeriodSeconds", INT64_MAX);
    if (!kl_meta_deleting(draft->old)) {
        mark(draft->object, grace, now);
    } else if (grace < before) {
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
    if (kl_is(draft->kind, KL_NAMESPACE)) {
        cor_json_set_at(draft->object, "status.phase", cor_json_str("Terminating"));
    }
    return kl_deletable(draft) ? KL_DELETED : KL_MODIFIED;
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
    draft->object = cor_json_copy(draft->old);
    enum kl_change_type type = decide(draft, options, cor_wall_now());
    if (type == KL_DELETED && !kl_meta_deleting(draft->old)) {
        /* Never seen as terminating: it goes as it was. */
        cor_json_del(kl_meta(draft->object), "deletionTimestamp");
        cor_json_del(kl_meta(draft->object), "deletionGracePeriodSeconds");
    }
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
        code = check_preconditions(&draft, options, &fail);
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
