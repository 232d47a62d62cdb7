// SPDX-License-Identifier: Apache-2.0
#include "budget.h"

#include <string.h>

#include "common/base/mem.h"
#include "labels.h"

static const char *phase_of(const struct cor_json *pod)
{
    return cor_json_str_at(pod, "status.phase", "");
}

static bool has_ended(const struct cor_json *pod)
{
    return strcmp(phase_of(pod), "Succeeded") == 0 || strcmp(phase_of(pod), "Failed") == 0;
}

bool kl_budget_exempts(const struct cor_json *pod)
{
    return has_ended(pod) || strcmp(phase_of(pod), "Pending") == 0 || kl_meta_deleting(pod);
}

bool kl_budget_is_healthy(const struct cor_json *pod)
{
    const struct cor_json *conditions = cor_json_at(pod, "status.conditions");
    for (size_t i = 0; i < cor_json_count(conditions); i++) {
        const struct cor_json *one = cor_json_item(conditions, i);
        if (strcmp(cor_json_str_at(one, "type", ""), "Ready") == 0) {
            return strcmp(cor_json_str_at(one, "status", ""), "True") == 0;
        }
    }
    return false;
}

bool kl_budget_covers(const struct cor_json *budget, const struct cor_json *pod)
{
    const struct cor_json *selector = cor_json_at(budget, "spec.selector");
    return strcmp(kl_meta_str(budget, "namespace"), kl_meta_str(pod, "namespace")) == 0 &&
           kl_labels_match(selector, cor_json_at(pod, "metadata.labels"));
}

/* A number, or a part of whole in percent, rounded up (intstr.GetScaledValueFromIntOrPercent). */
static int64_t scaled(const struct cor_json *value, int64_t whole)
{
    struct cor_view text = cor_json_as_view(value);
    uint64_t percent = 0;
    if (text.ptr == NULL) {
        return cor_json_as_int(value, 0);
    }
    text.len -= text.len > 0 ? 1 : 0;
    return cor_view_u64(text, &percent) && percent <= 100 ? (whole * (int64_t)percent + 99) / 100
                                                          : 0;
}

bool kl_budget_is_scaled(const struct cor_json *budget)
{
    return cor_json_at(budget, "spec.maxUnavailable") != NULL ||
           cor_json_is_string(cor_json_at(budget, "spec.minAvailable"));
}

struct kl_budget kl_budget_count(const struct cor_json *budget, const struct cor_json *pods,
                                 int64_t scale)
{
    struct kl_budget out = {0};
    for (size_t i = 0; i < cor_json_count(pods); i++) {
        const struct cor_json *pod = cor_json_item(pods, i);
        if (kl_budget_covers(budget, pod)) {
            out.expected++;
            out.healthy += kl_budget_is_healthy(pod) && !kl_meta_deleting(pod) && !has_ended(pod);
        }
    }
    const struct cor_json *least = cor_json_at(budget, "spec.minAvailable");
    const struct cor_json *most = cor_json_at(budget, "spec.maxUnavailable");
    out.expected = scale >= 0 ? scale : out.expected;
    if (most != NULL) {
        out.desired = out.expected - scaled(most, out.expected);
        out.desired = out.desired < 0 ? 0 : out.desired;
    } else {
        out.desired = scaled(least, out.expected);
    }
    /* A budget that knows of no Pods allows nothing: its first ones may be coming. */
    out.allowed = out.expected > 0 && out.healthy > out.desired ? out.healthy - out.desired : 0;
    return out;
}

bool kl_budget_lets_go(const struct cor_json *budget, const struct kl_budget *count,
                       const struct cor_json *pod)
{
    const char *policy = cor_json_str_at(budget, "spec.unhealthyPodEvictionPolicy", "");
    bool spare =
        !kl_budget_is_healthy(pod) && (strcmp(policy, "AlwaysAllow") == 0 ||
                                       (count->desired > 0 && count->healthy >= count->desired));
    return spare || count->allowed > 0;
}

/* ValidatePodDisruptionBudgetSpec of pkg/apis/policy/validation. */
static void check_part(struct kl_draft *draft, const char *path)
{
    const struct cor_json *value = cor_json_at(draft->object, path);
    struct cor_view text = cor_json_as_view(value);
    uint64_t percent = 0;
    if (text.ptr == NULL) {
        if (cor_json_as_int(value, 0) < 0) {
            kl_cause_invalid(&draft->causes, path, value, "must be greater than or equal to 0");
        }
        return;
    }
    bool sound = cor_view_ends(text, "%") &&
                 cor_view_u64((struct cor_view){text.ptr, text.len - 1}, &percent);
    if (!sound) {
        kl_cause_invalid(&draft->causes, path, value,
                         "a valid percent string must be a numeric string followed by an ending "
                         "'%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')");
    } else if (percent > 100) {
        kl_cause_invalid(&draft->causes, path, value, "must not be greater than 100%");
    }
}

void kl_budget_check(struct kl_draft *draft)
{
    const struct cor_json *spec = cor_json_get(draft->object, "spec");
    if (cor_json_get(spec, "minAvailable") != NULL &&
        cor_json_get(spec, "maxUnavailable") != NULL) {
        kl_cause_invalid(&draft->causes, "spec", spec,
                         "minAvailable and maxUnavailable cannot be both set");
    }
    check_part(draft, "spec.minAvailable");
    check_part(draft, "spec.maxUnavailable");
}
