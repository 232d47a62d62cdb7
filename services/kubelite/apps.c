// SPDX-License-Identifier: Apache-2.0
// Strategies of Deployment, ReplicaSet, DaemonSet and Job (pkg/registry/apps, pkg/registry/batch,
// pkg/apis/apps/validation, pkg/apis/batch/validation).
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "labels.h"
#include "meta.h"
#include "podspec.h"
#include "strategy.h"

static const char template_generation[] = "deprecated.daemonset.template.generation";
static const char negative_text[] = "must be greater than or equal to 0";

static void fill_template(struct cor_json *object)
{
    struct cor_json *template = cor_json_at(object, "spec.template");
    if (template != NULL) {
        kl_template_fill(template);
    }
}

/* Sets "rollingUpdate" of a strategy of that type, with its defaults. */
static void fill_rolling(struct cor_json *strategy, const char *const *names,
                         struct cor_json *const *values)
{
    if (strcmp(cor_json_str_at(strategy, "type", ""), "RollingUpdate") != 0) {
        return;
    }
    if (!cor_json_is_object(cor_json_get(strategy, "rollingUpdate"))) {
        cor_json_set(strategy, "rollingUpdate", cor_json_object());
    }
    struct cor_json *rolling = cor_json_get(strategy, "rollingUpdate");
    for (size_t i = 0; names[i] != NULL; i++) {
        if (cor_json_get(rolling, names[i]) == NULL) {
            cor_json_set(rolling, names[i], cor_json_ref(values[i]));
        }
    }
}

void kl_deployment_fill(struct cor_json *object)
{
    static const char *const names[] = {"maxUnavailable", "maxSurge", NULL};
    auto_(cor_json_free) struct cor_json *quarter = cor_json_str("25%");
    struct cor_json *const values[] = {quarter, quarter};
    fill_template(object);
    fill_rolling(cor_json_at(object, "spec.strategy"), names, values);
}

void kl_daemonset_fill(struct cor_json *object)
{
    static const char *const names[] = {"maxUnavailable", NULL};
    auto_(cor_json_free) struct cor_json *one = cor_json_int(1);
    struct cor_json *const values[] = {one};
    fill_template(object);
    fill_rolling(cor_json_at(object, "spec.updateStrategy"), names, values);
}

void kl_replicaset_fill(struct cor_json *object)
{
    fill_template(object);
}

void kl_job_fill(struct cor_json *object)
{
    struct cor_json *spec = cor_json_get(object, "spec");
    const struct cor_json *labels = cor_json_at(spec, "template.metadata.labels");
    bool both =
        cor_json_get(spec, "completions") == NULL && cor_json_get(spec, "parallelism") == NULL;
    if (spec != NULL && both) {
        cor_json_set(spec, "completions", cor_json_int(1));
    }
    if (spec != NULL && cor_json_get(spec, "parallelism") == NULL) {
        cor_json_set(spec, "parallelism", cor_json_int(1));
    }
    if (labels != NULL && cor_json_count(cor_json_at(object, "metadata.labels")) == 0) {
        cor_json_set(kl_meta(object), "labels", cor_json_copy(labels));
    }
    fill_template(object);
}

static void check_count(struct kl_draft *draft, const char *path)
{
    const struct cor_json *count = cor_json_at(draft->object, path);
    if (cor_json_as_int(count, 0) < 0) {
        kl_cause_invalid(&draft->causes, path, count, negative_text);
    }
}

/* The template's Pod, with field paths from spec.template. */
static void check_pod(struct kl_draft *draft)
{
    auto_(kl_causes_free) struct kl_causes found = {0};
    const struct cor_json *template = cor_json_at(draft->object, "spec.template");
    kl_meta_check_labels(cor_json_at(template, "metadata.labels"), "metadata.labels", &found);
    kl_podspec_check(cor_json_get(template, "spec"), &found);
    kl_causes_move(&draft->causes, &found, "spec.template.");
}

static void check_selector(struct kl_draft *draft, const char *word)
{
    const struct cor_json *selector = cor_json_at(draft->object, "spec.selector");
    const struct cor_json *labels = cor_json_at(draft->object, "spec.template.metadata.labels");
    if (selector == NULL) {
        kl_cause_required(&draft->causes, "spec.selector", NULL);
    } else if (cor_json_count(cor_json_get(selector, "matchLabels")) +
                   cor_json_count(cor_json_get(selector, "matchExpressions")) ==
               0) {
        auto_(cor_buf_free) struct cor_buf text = {0};
        auto_(cor_freep) char *detail = cor_sprintf("empty selector is invalid for %s", word);
        kl_labels_go(selector, &text);
        kl_cause_invalid_text(&draft->causes, "spec.selector", text.data, detail);
    }
    if (!kl_labels_match(selector, labels)) {
        auto_(cor_buf_free) struct cor_buf text = {0};
        kl_labels_map_go(labels, &text);
        kl_cause_invalid_text(&draft->causes, "spec.template.metadata.labels", text.data,
                              "`selector` does not match template `labels`");
    }
}

/* What runs for ever is always started again and has no deadline. */
static void check_endless(struct kl_draft *draft, const char *word)
{
    static const char *const always[] = {"Always", NULL};
    const char *policy = cor_json_str_at(draft->object, "spec.template.spec.restartPolicy", "");
    if (strcmp(policy, "Always") != 0) {
        kl_cause_unsupported(&draft->causes, "spec.template.spec.restartPolicy", policy, always);
    }
    if (cor_json_at(draft->object, "spec.template.spec.activeDeadlineSeconds") != NULL) {
        auto_(cor_freep) char *text =
            cor_sprintf("activeDeadlineSeconds in %s is not Supported", word);
        kl_cause_forbidden(&draft->causes, "spec.template.spec.activeDeadlineSeconds", text);
    }
}

/* A number or percentage that is wrong, as Go prints it. */
static void wrong_share(struct kl_draft *draft, const char *path, const char *detail)
{
    const struct cor_json *value = cor_json_at(draft->object, path);
    auto_(cor_freep) char *text =
        cor_sprintf("intstr.IntOrString{Type:%d, IntVal:%lld, StrVal:\"%s\"}",
                    cor_json_is_string(value) ? 1 : 0, (long long)cor_json_as_int(value, 0),
                    cor_json_as_str(value, ""));
    kl_cause_invalid_text(&draft->causes, path, text, detail);
}

/* A number of Pods or a percentage. Returns its number. */
static int64_t check_share(struct kl_draft *draft, const char *path)
{
    const struct cor_json *value = cor_json_at(draft->object, path);
    const char *text = cor_json_as_str(value, NULL);
    if (text == NULL) {
        check_count(draft, path);
        return cor_json_as_int(value, 0);
    }
    char *end = NULL;
    long number = strtol(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || strcmp(end, "%") != 0) {
        wrong_share(draft, path,
                    "a valid percent string must be a numeric string followed by an ending "
                    "'%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')");
        return 1;
    }
    return number;
}

static void check_at_most_all(struct kl_draft *draft, const char *path)
{
    const struct cor_json *value = cor_json_at(draft->object, path);
    const char *text = cor_json_as_str(value, "");
    if (strchr(text, '%') != NULL && strtol(text, NULL, 10) > 100) {
        wrong_share(draft, path, "must not be greater than 100%");
    }
}

static void check_strategy(struct kl_draft *draft)
{
    static const char unavailable[] = "spec.strategy.rollingUpdate.maxUnavailable";
    static const char *const types[] = {"Recreate", "RollingUpdate", NULL};
    const struct cor_json *strategy = cor_json_at(draft->object, "spec.strategy");
    const char *type = cor_json_str_at(strategy, "type", "");
    if (strcmp(type, "Recreate") == 0) {
        if (cor_json_get(strategy, "rollingUpdate") != NULL) {
            kl_cause_forbidden(&draft->causes, "spec.strategy.rollingUpdate",
                               "may not be specified when strategy `type` is 'Recreate'");
        }
        return;
    }
    if (strcmp(type, "RollingUpdate") != 0) {
        kl_cause_unsupported(&draft->causes, "spec.strategy.type", type, types);
        return;
    }
    int64_t down = check_share(draft, unavailable);
    int64_t up = check_share(draft, "spec.strategy.rollingUpdate.maxSurge");
    if (down == 0 && up == 0) {
        wrong_share(draft, unavailable, "may not be 0 when `maxSurge` is 0");
    }
    check_at_most_all(draft, unavailable);
}

void kl_deployment_check(struct kl_draft *draft)
{
    if (draft->sub == KL_SUB_STATUS) {
        return;
    }
    check_count(draft, "spec.replicas");
    check_selector(draft, "deployment");
    check_pod(draft);
    check_endless(draft, "ReplicaSet");
    check_strategy(draft);
    check_count(draft, "spec.minReadySeconds");
    check_count(draft, "spec.revisionHistoryLimit");
    check_count(draft, "spec.progressDeadlineSeconds");
    const struct cor_json *deadline = cor_json_at(draft->object, "spec.progressDeadlineSeconds");
    if (deadline != NULL &&
        cor_json_as_int(deadline, 0) <= cor_json_int_at(draft->object, "spec.minReadySeconds", 0)) {
        kl_cause_invalid(&draft->causes, "spec.progressDeadlineSeconds", deadline,
                         "must be greater than minReadySeconds");
    }
}

void kl_replicaset_check(struct kl_draft *draft)
{
    if (draft->sub == KL_SUB_STATUS) {
        return;
    }
    check_count(draft, "spec.replicas");
    check_count(draft, "spec.minReadySeconds");
    check_selector(draft, "deployment"); /* the real server's word */
    check_pod(draft);
    check_endless(draft, "ReplicaSet");
}

void kl_daemonset_check(struct kl_draft *draft)
{
    static const char unavailable[] = "spec.updateStrategy.rollingUpdate.maxUnavailable";
    static const char *const types[] = {"RollingUpdate", "OnDelete", NULL};
    const char *type = cor_json_str_at(draft->object, "spec.updateStrategy.type", "");
    if (draft->sub == KL_SUB_STATUS) {
        return;
    }
    check_selector(draft, "daemonset");
    check_pod(draft);
    check_endless(draft, "DaemonSet");
    check_count(draft, "spec.minReadySeconds");
    if (strcmp(type, "RollingUpdate") == 0) {
        if (check_share(draft, unavailable) == 0) {
            wrong_share(draft, unavailable, "cannot be 0");
        }
        check_at_most_all(draft, unavailable);
    } else if (strcmp(type, "OnDelete") != 0) {
        kl_cause_unsupported(&draft->causes, "spec.updateStrategy.type", type, types);
    }
    check_count(draft, "spec.revisionHistoryLimit");
}

static void immutable_selector(struct kl_draft *draft)
{
    const struct cor_json *selector = cor_json_at(draft->object, "spec.selector");
    if (!cor_json_equal(selector, cor_json_at(draft->old, "spec.selector"))) {
        auto_(cor_buf_free) struct cor_buf text = {0};
        kl_labels_go(selector, &text);
        kl_cause_invalid_text(&draft->causes, "spec.selector", text.data, "field is immutable");
    }
}

void kl_apps_check_update(struct kl_draft *draft)
{
    immutable_selector(draft);
}

static void set_template_generation(struct kl_draft *draft, int64_t generation)
{
    if (!cor_json_is_object(cor_json_at(draft->object, "metadata.annotations"))) {
        cor_json_set(kl_meta(draft->object), "annotations", cor_json_object());
    }
    cor_json_set(cor_json_at(draft->object, "metadata.annotations"), template_generation,
                 cor_json_fmt("%lld", (long long)generation));
}

void kl_daemonset_create(struct kl_draft *draft)
{
    set_template_generation(draft, 1);
}

void kl_daemonset_update(struct kl_draft *draft)
{
    int64_t generation = 1;
    const struct cor_json *before =
        cor_json_get(cor_json_at(draft->old, "metadata.annotations"), template_generation);
    (void)cor_view_i64(cor_json_as_view(before), &generation);
    bool same = cor_json_equal(cor_json_at(draft->object, "spec.template"),
                               cor_json_at(draft->old, "spec.template"));
    set_template_generation(draft, generation + (same ? 0 : 1));
}

/* The label of object at path, set when it is not there. */
static void give_label(struct cor_json *object, const char *path, const char *key,
                       const char *value)
{
    if (!cor_json_is_object(cor_json_at(object, path))) {
        cor_json_set_at(object, path, cor_json_object());
    }
    struct cor_json *labels = cor_json_at(object, path);
    if (cor_json_get(labels, key) == NULL) {
        cor_json_set(labels, key, cor_json_str(value));
    }
}

/* generateSelector of pkg/registry/batch/job. */
void kl_job_create(struct kl_draft *draft)
{
    struct cor_json *job = draft->object;
    cor_json_del(cor_json_get(job, "spec"), "ttlSecondsAfterFinished"); /* off in 1.20 */
    if (cor_json_bool_at(job, "spec.manualSelector", false)) {
        return;
    }
    const struct cor_json *labels = cor_json_at(job, "metadata.labels");
    bool shared = cor_json_count(labels) == 0 ||
                  cor_json_equal(labels, cor_json_at(job, "spec.template.metadata.labels"));
    give_label(job, "spec.template.metadata.labels", "job-name", kl_meta_str(job, "name"));
    give_label(job, "spec.template.metadata.labels", "controller-uid", kl_meta_str(job, "uid"));
    give_label(job, "spec.selector.matchLabels", "controller-uid", kl_meta_str(job, "uid"));
    if (shared) { /* one map in the real server */
        cor_json_set(kl_meta(job), "labels",
                     cor_json_copy(cor_json_at(job, "spec.template.metadata.labels")));
    }
}

static void check_generated(struct kl_draft *draft)
{
    static const char *const labels[] = {"controller-uid", "job-name"};
    static const char *const members[] = {"uid", "name"};
    const struct cor_json *has = cor_json_at(draft->object, "spec.template.metadata.labels");
    for (size_t i = 0; i < COR_COUNT(labels); i++) {
        const char *wanted = kl_meta_str(draft->object, members[i]);
        const struct cor_json *is = cor_json_get(has, labels[i]);
        if (strcmp(cor_json_as_str(is, ""), wanted) != 0) {
            auto_(cor_freep) char *detail = cor_sprintf("must be '%s'", wanted);
            auto_(cor_freep) char *path =
                cor_sprintf("spec.template.metadata.labels[%s]", labels[i]);
            kl_cause_invalid(&draft->causes, path, is, detail);
        }
    }
}

void kl_job_check(struct kl_draft *draft)
{
    static const char *const counts[] = {"spec.parallelism", "spec.completions",
                                         "spec.activeDeadlineSeconds", "spec.backoffLimit",
                                         "spec.ttlSecondsAfterFinished"};
    static const char *const policies[] = {"OnFailure", "Never", NULL};
    static const char path[] = "spec.template.spec.restartPolicy";
    if (draft->sub == KL_SUB_STATUS) {
        return;
    }
    if (!cor_json_bool_at(draft->object, "spec.manualSelector", false)) {
        check_generated(draft);
    }
    for (size_t i = 0; i < COR_COUNT(counts); i++) {
        check_count(draft, counts[i]);
    }
    check_pod(draft);
    const char *policy = cor_json_str_at(draft->object, path, "");
    if (strcmp(policy, "Always") == 0 || policy[0] == '\0') {
        kl_cause_required(&draft->causes, path, "valid values: \"OnFailure\", \"Never\"");
    } else if (strcmp(policy, "OnFailure") != 0 && strcmp(policy, "Never") != 0) {
        kl_cause_unsupported(&draft->causes, path, policy, policies);
    }
    if (cor_json_at(draft->object, "spec.selector") == NULL) {
        kl_cause_required(&draft->causes, "spec.selector", NULL);
    }
}

void kl_job_check_update(struct kl_draft *draft)
{
    static const char *const fixed[] = {"spec.completions", "spec.template"};
    for (size_t i = 0; i < COR_COUNT(fixed); i++) {
        const struct cor_json *now = cor_json_at(draft->object, fixed[i]);
        if (!cor_json_equal(now, cor_json_at(draft->old, fixed[i]))) {
            kl_cause_invalid(&draft->causes, fixed[i], now, "field is immutable");
        }
    }
    immutable_selector(draft);
}
