// SPDX-License-Identifier: Apache-2.0
// POST pods/NAME/eviction: a deletion that PodDisruptionBudgets may put off
// (pkg/registry/core/pod/storage/eviction.go). What they allow is counted when somebody asks: their
// status is behind when several ask at once.
#include <inttypes.h>
#include <string.h>

#include "budget.h"
#include "common/base/mem.h"
#include "controller.h"
#include "meta.h"
#include "shape.h"
#include "write.h"

/* The body's deleteOptions; NULL: none. Returns owned. */
static enum cor_code read_eviction(struct kl_request *request, struct cor_json **options_r,
                                   struct kl_fail *fail)
{
    auto_(cor_json_free) struct cor_json *body = NULL;
    auto_(kl_shape_free) struct kl_shape shape = {0};
    enum cor_code code = kl_write_parse(request, &k8s_policy_v1_Eviction, "Eviction", &body, fail);
    if (code != COR_OK) {
        return code;
    }
    auto_(cor_json_free) struct cor_json *eviction =
        kl_shape_object(&shape, &k8s_policy_v1_Eviction, body);
    if (shape.error != NULL) {
        return kl_fail_bad(fail, "Eviction: %s", shape.error);
    }
    const char *name = kl_meta_str(eviction, "name");
    if (name[0] != '\0' && strcmp(name, request->route.name) != 0) {
        return kl_fail_bad(fail, "name in URL does not match name in Eviction object");
    }
    *options_r = cor_json_copy(cor_json_get(eviction, "deleteOptions"));
    request->dry_run = request->dry_run || cor_json_count(cor_json_get(*options_r, "dryRun")) > 0;
    return COR_OK;
}

/* As they will be when what is under way is committed: of evictions that come at once each counts.
 * Returns owned; the objects in it are not to be changed. */
static struct cor_json *newest_pods(struct kl_api *api, const char *ns)
{
    auto_(cor_json_free) struct cor_json *committed =
        kl_storage_objects(api->storage, kl_builtin(KL_POD), ns);
    struct cor_json *out = cor_json_array();
    for (size_t i = 0; i < cor_json_count(committed); i++) {
        const char *name = kl_meta_str(cor_json_item(committed, i), "name");
        struct cor_json *pod = kl_storage_look(api->storage, kl_builtin(KL_POD), ns, name);
        if (pod != NULL) {
            cor_json_add(out, pod);
        }
    }
    return out;
}

static enum cor_code put_off(struct kl_fail *fail, const char *text)
{
    enum cor_code code =
        kl_fail_other(fail, 429, "TooManyRequests",
                      "Cannot evict pod as it would violate the pod's disruption budget.");
    kl_fail_cause(fail, "DisruptionBudget", text);
    return code;
}

/* COR_OK: the budget lets it go. */
static enum cor_code ask_budget(struct kl_api *api, const struct cor_json *budget,
                                const struct cor_json *pod, struct kl_fail *fail)
{
    struct kl_budget count;
    struct cor_err err = COR_ERR_NONE;
    const char *name = kl_meta_str(budget, "name");
    auto_(cor_json_free) struct cor_json *pods = newest_pods(api, kl_meta_str(pod, "namespace"));
    if (kl_budget_now(api, budget, pods, &count, &err) != COR_OK) {
        auto_(cor_freep) char *text =
            cor_sprintf("The disruption budget %s does not allow evicting "
                        "pods currently because it failed sync: %s",
                        name, err.text);
        return put_off(fail, text);
    }
    if (kl_budget_lets_go(budget, &count, pod)) {
        return COR_OK;
    }
    auto_(cor_freep) char *text = cor_sprintf("The disruption budget %s needs %" PRId64
                                              " healthy pods and has %" PRId64 " currently",
                                              name, count.desired, count.healthy);
    return put_off(fail, text);
}

/* COR_OK: it may go now. */
static enum cor_code ask_budgets(struct kl_api *api, const struct cor_json *pod,
                                 struct kl_fail *fail)
{
    const char *ns = kl_meta_str(pod, "namespace");
    auto_(cor_json_free) struct cor_json *budgets =
        kl_storage_objects(api->storage, kl_builtin(KL_DISRUPTIONBUDGET), ns);
    const struct cor_json *found = NULL;
    for (size_t i = 0; i < cor_json_count(budgets); i++) {
        const struct cor_json *budget = cor_json_item(budgets, i);
        if (!kl_budget_covers(budget, pod)) {
            continue;
        }
        if (found != NULL) {
            return kl_fail_other(fail, 500, "InternalError",
                                 "This pod has more than one PodDisruptionBudget, which the "
                                 "eviction subresource does not support.");
        }
        found = budget;
    }
    return found == NULL || kl_budget_exempts(pod) ? COR_OK : ask_budget(api, found, pod, fail);
}

void kl_write_eviction(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(cor_json_free) struct cor_json *options = NULL;
    auto_(kl_draft_free) struct kl_draft draft = {.kind = request->route.kind,
                                                  .sub = KL_SUB_EVICTION};
    enum cor_code code = read_eviction(request, &options, &fail);
    if (code == COR_OK) {
        code = kl_write_find(request, &draft.old, &fail);
    }
    if (code == COR_OK) {
        code = kl_delete_preconditions(&draft, options, &fail);
    }
    if (code == COR_OK) {
        code = ask_budgets(request->api, draft.old, &fail);
    }
    if (code != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    request->status = 201;
    request->answer = kl_created_json();
    kl_write_store(request, &draft, kl_delete_decide(&draft, options, cor_wall_now()));
}
