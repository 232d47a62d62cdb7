// SPDX-License-Identifier: Apache-2.0
// The disruption controller: what each PodDisruptionBudget allows, in its status
// (pkg/controller/disruption/disruption.go).
#include <string.h>

#include "budget.h"
#include "common/base/mem.h"
#include "controller.h"
#include "meta.h"
#include "plan.h"

/* Who says how many Pods there are to be: the controller, or the Deployment that it is of. NULL: it
 * is not there. Returns owned. */
static struct cor_json *scaler_of(struct kl_api *api, const char *ns, const struct cor_json *owner)
{
    enum kl_builtin kind = strcmp(cor_json_str_at(owner, "kind", ""), "Deployment") == 0
                               ? KL_DEPLOYMENT
                               : KL_REPLICASET;
    auto_(cor_json_free) struct cor_json *found =
        kl_storage_get(api->storage, kl_builtin(kind), ns, cor_json_str_at(owner, "name", ""));
    if (found == NULL ||
        strcmp(kl_meta_str(found, "uid"), cor_json_str_at(owner, "uid", "")) != 0) {
        return NULL;
    }
    const struct cor_json *above = kl_meta_controller(found);
    if (kind == KL_REPLICASET && strcmp(cor_json_str_at(above, "kind", ""), "Deployment") == 0) {
        return scaler_of(api, ns, above);
    }
    return take(&found);
}

static bool has_scale(const struct cor_json *owner)
{
    const char *kind = cor_json_str_at(owner, "kind", "");
    return strcmp(kind, "ReplicaSet") == 0 || strcmp(kind, "Deployment") == 0;
}

static enum cor_code no_scale(struct kl_api *api, const struct cor_json *owner, struct cor_err *err)
{
    const char *named = cor_json_str_at(owner, "kind", "");
    const struct kl_kind *kind =
        kl_kinds_named(api->kinds, cor_json_str_at(owner, "apiVersion", ""), named);
    return cor_err_set(err, COR_NOTFOUND, "%.100s%s%.100s does not implement the scale subresource",
                       kind == NULL ? named : kind->plural,
                       kind == NULL || kind->group[0] == '\0' ? "" : ".",
                       kind == NULL ? "" : kind->group);
}

/* Adds what the Pod's controller wants; COR_NOTFOUND says that nobody knows. */
static enum cor_code add_scale(struct kl_api *api, const struct cor_json *pod,
                               struct cor_json *scales, struct cor_err *err)
{
    const struct cor_json *owner = kl_meta_controller(pod);
    if (owner == NULL) {
        return COR_OK; /* nobody's */
    }
    if (!has_scale(owner)) {
        return no_scale(api, owner, err);
    }
    auto_(cor_json_free) struct cor_json *scaler =
        scaler_of(api, kl_meta_str(pod, "namespace"), owner);
    if (scaler == NULL) {
        return cor_err_set(err, COR_NOTFOUND, "found no controllers for pod \"%s\"",
                           kl_meta_str(pod, "name"));
    }
    cor_json_set(scales, kl_meta_str(scaler, "uid"),
                 cor_json_int(cor_json_int_at(scaler, "spec.replicas", 0)));
    return COR_OK;
}

/* Pods that all controllers of the budget's Pods want. */
static enum cor_code find_scale(struct kl_api *api, const struct cor_json *budget,
                                const struct cor_json *pods, int64_t *scale_r, struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *scales = cor_json_object();
    enum cor_code code = COR_OK;
    void *at = NULL;
    const char *uid = NULL;
    struct cor_json *scale = NULL;
    *scale_r = 0;
    for (size_t i = 0; code == COR_OK && i < cor_json_count(pods); i++) {
        const struct cor_json *pod = cor_json_item(pods, i);
        code = kl_budget_covers(budget, pod) ? add_scale(api, pod, scales, err) : COR_OK;
    }
    while (cor_json_each(scales, &at, &uid, &scale)) {
        *scale_r += cor_json_as_int(scale, 0);
    }
    return code;
}

enum cor_code kl_budget_now(struct kl_api *api, const struct cor_json *budget,
                            const struct cor_json *pods, struct kl_budget *count_r,
                            struct cor_err *err)
{
    int64_t scale = -1;
    enum cor_code code = COR_OK;
    *count_r = (struct kl_budget){0};
    if (kl_budget_is_scaled(budget)) {
        code = find_scale(api, budget, pods, &scale, err);
    }
    if (code == COR_OK) {
        *count_r = kl_budget_count(budget, pods, scale);
    }
    return code;
}

/* ---- the status ---- */

static void set_condition(struct cor_json *budget, bool allowed, const char *fault)
{
    const struct kl_condition_spec spec = {.type = "DisruptionAllowed",
                                           .status = allowed ? "True" : "False",
                                           .reason = fault != NULL ? "SyncFailed"
                                                     : allowed     ? "SufficientPods"
                                                                   : "InsufficientPods",
                                           .message = fault != NULL ? fault : ""};
    kl_set_condition(budget, &spec, cor_wall_now());
    struct cor_json *condition = kl_condition(budget, spec.type);
    cor_json_set(condition, "message", cor_json_str(spec.message));
    cor_json_set(condition, "observedGeneration",
                 cor_json_int(cor_json_int_at(budget, "metadata.generation", 0)));
}

static void set_status(struct cor_json *budget, const struct kl_budget *count)
{
    const struct {
        const char *path;
        int64_t value;
    } rows[] = {
        {"status.observedGeneration", cor_json_int_at(budget, "metadata.generation", 0)},
        {"status.disruptionsAllowed", count->allowed},
        {"status.currentHealthy", count->healthy},
        {"status.desiredHealthy", count->desired},
        {"status.expectedPods", count->expected},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        cor_json_set_at(budget, rows[i].path, cor_json_int(rows[i].value));
    }
}

static void update_budget(struct kl_api *api, const struct cor_json *listed,
                          const struct cor_json *pods)
{
    struct kl_budget count = {0};
    struct cor_err err = COR_ERR_NONE;
    struct cor_json *old =
        kl_storage_get(api->storage, kl_builtin(KL_DISRUPTIONBUDGET),
                       kl_meta_str(listed, "namespace"), kl_meta_str(listed, "name"));
    if (old == NULL) {
        return;
    }
    struct cor_json *budget = cor_json_copy(old);
    if (kl_budget_now(api, budget, pods, &count, &err) == COR_OK) {
        set_status(budget, &count);
        set_condition(budget, count.allowed > 0, NULL);
    } else {
        cor_json_set_at(budget, "status.disruptionsAllowed", cor_json_int(0));
        set_condition(budget, false, err.text);
    }
    kl_own_update(api, kl_builtin(KL_DISRUPTIONBUDGET), budget, old);
}

void kl_budgets_pass(struct kl_api *api)
{
    auto_(cor_json_free) struct cor_json *budgets =
        kl_storage_objects(api->storage, kl_builtin(KL_DISRUPTIONBUDGET), NULL);
    for (size_t i = 0; i < cor_json_count(budgets); i++) {
        const struct cor_json *budget = cor_json_item(budgets, i);
        auto_(cor_json_free) struct cor_json *pods =
            kl_storage_objects(api->storage, kl_builtin(KL_POD), kl_meta_str(budget, "namespace"));
        update_budget(api, budget, pods);
    }
}
