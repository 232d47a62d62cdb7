// SPDX-License-Identifier: Apache-2.0
// The Deployment controller (pkg/controller/deployment): one step of a rollout at a time; what the
// step changes brings the next one.
#include <string.h>

#include "common/base/mem.h"
#include "meta.h"
#include "rollout.h"

enum { SETS_MAX = 64 };

static const char revision_key[] = "deployment.kubernetes.io/revision";
static const char history_key[] = "deployment.kubernetes.io/revision-history";
static const char desired_key[] = "deployment.kubernetes.io/desired-replicas";
static const char max_key[] = "deployment.kubernetes.io/max-replicas";
static const char hash_key[] = "pod-template-hash";

static const char *annotation(const struct cor_json *object, const char *key)
{
    return cor_json_as_str(cor_json_get(cor_json_at(object, "metadata.annotations"), key), "");
}

static void annotate(struct cor_json *object, const char *key, const char *value)
{
    if (!cor_json_is_object(cor_json_at(object, "metadata.annotations"))) {
        cor_json_set(kl_meta(object), "annotations", cor_json_object());
    }
    cor_json_set(cor_json_at(object, "metadata.annotations"), key, cor_json_str(value));
}

static void annotate_count(struct cor_json *object, const char *key, int64_t value)
{
    auto_(cor_freep) char *text = cor_sprintf("%lld", (long long)value);
    annotate(object, key, text);
}

static int64_t revision_of(const struct cor_json *set)
{
    int64_t revision = 0;
    (void)cor_view_i64(cor_view_of(annotation(set, revision_key)), &revision);
    return revision;
}

static bool same_template(const struct cor_json *set, const struct cor_json *deployment)
{
    auto_(cor_json_free) struct cor_json *template =
        cor_json_copy(cor_json_at(set, "spec.template"));
    struct cor_json *labels = cor_json_at(template, "metadata.labels");
    cor_json_del(labels, hash_key);
    return cor_json_equal(template, cor_json_at(deployment, "spec.template"));
}

static bool older(const struct cor_json *a, const struct cor_json *b)
{
    int64_t when_a = kl_seconds_at(a, "metadata.creationTimestamp");
    int64_t when_b = kl_seconds_at(b, "metadata.creationTimestamp");
    return when_a != when_b ? when_a < when_b
                            : strcmp(kl_meta_str(a, "name"), kl_meta_str(b, "name")) < 0;
}

static void find_latest(struct rollout *rollout)
{
    for (size_t i = 0; i < cor_json_count(rollout->changed); i++) {
        struct cor_json *set = cor_json_item(rollout->changed, i);
        if (same_template(set, rollout->old) &&
            (rollout->latest == NULL || older(set, rollout->latest))) {
            rollout->latest = set;
        }
    }
}

/* Copies the Deployment's annotations, but not those that belong to one of the two. */
static void copy_annotations(const struct rollout *rollout, struct cor_json *set)
{
    static const char *const apart[] = {"kubectl.kubernetes.io/last-applied-configuration",
                                        "deprecated.deployment.rollback.to",
                                        revision_key,
                                        history_key,
                                        desired_key,
                                        max_key};
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(cor_json_at(rollout->old, "metadata.annotations"), &at, &key, &value)) {
        bool skip = false;
        for (size_t i = 0; i < COR_COUNT(apart); i++) {
            skip = skip || strcmp(apart[i], key) == 0;
        }
        if (!skip) {
            annotate(set, key, cor_json_as_str(value, ""));
        }
    }
}

/* SetNewReplicaSetAnnotations: it gets the greatest revision; the one it had goes to its history.
 */
static void set_revision(const struct rollout *rollout, struct cor_json *set, bool exists)
{
    int64_t most = 0;
    for (size_t i = 0; i < cor_json_count(rollout->changed); i++) {
        const struct cor_json *other = cor_json_item(rollout->changed, i);
        int64_t revision = other == set ? 0 : revision_of(other);
        most = revision > most ? revision : most;
    }
    copy_annotations(rollout, set);
    int64_t before = revision_of(set);
    if (before < most + 1) {
        const char *history = annotation(set, history_key);
        if (before > 0) {
            auto_(cor_freep) char *text =
                cor_sprintf("%s%s%lld", history, history[0] == '\0' ? "" : ",", (long long)before);
            annotate(set, history_key, text);
        }
        annotate_count(set, revision_key, most + 1);
    }
    if (!exists) {
        annotate_count(set, desired_key, rollout->replicas);
        annotate_count(set, max_key, rollout->replicas + kl_rollout_max_surge(rollout));
    }
}

/* NewRSNewReplicas. */
static int64_t room_for_latest(const struct rollout *rollout, int64_t size)
{
    if (strcmp(cor_json_str_at(rollout->old, "spec.strategy.type", ""), "Recreate") == 0) {
        return rollout->replicas;
    }
    int64_t room =
        rollout->replicas + kl_rollout_max_surge(rollout) - kl_rollout_total_size(rollout);
    int64_t wanted = rollout->replicas - size;
    return room <= 0 ? size : size + (room < wanted ? room : wanted);
}

static void set_label(struct cor_json *object, const char *path, const char *value)
{
    if (!cor_json_is_object(cor_json_at(object, path))) {
        cor_json_set_at(object, path, cor_json_object());
    }
    cor_json_set(cor_json_at(object, path), hash_key, cor_json_str(value));
}

static void create_latest(struct rollout *rollout)
{
    char hash[KL_HASH_SIZE];
    struct cor_json *set = cor_json_object();
    struct cor_json *owners = cor_json_array();
    const struct cor_json *spec = cor_json_get(rollout->old, "spec");
    kl_template_hash(cor_json_get(spec, "template"), hash);
    cor_json_add(owners, kl_owner_ref(KL_DEPLOYMENT, rollout->old));
    cor_json_set_at(set, "metadata.name",
                    cor_json_fmt("%s-%s", kl_meta_str(rollout->old, "name"), hash));
    cor_json_set_at(set, "metadata.namespace",
                    cor_json_str(kl_meta_str(rollout->old, "namespace")));
    cor_json_set_at(set, "metadata.ownerReferences", owners);
    cor_json_set_at(set, "spec.selector", cor_json_copy(cor_json_get(spec, "selector")));
    cor_json_set_at(set, "spec.template", cor_json_copy(cor_json_get(spec, "template")));
    set_label(set, "spec.selector.matchLabels", hash);
    set_label(set, "spec.template.metadata.labels", hash);
    cor_json_set_at(set, "metadata.labels",
                    cor_json_copy(cor_json_at(set, "spec.template.metadata.labels")));
    kl_set_count(set, "spec.minReadySeconds", cor_json_int_at(spec, "minReadySeconds", 0));
    cor_json_set_at(set, "spec.replicas", cor_json_int(room_for_latest(rollout, 0)));
    set_revision(rollout, set, false);
    cor_json_add(rollout->changed, set);
    rollout->latest = set;
    rollout->created = true;
    auto_(cor_freep) char *text =
        cor_sprintf("Created new replica set \"%s\"", kl_meta_str(set, "name"));
    kl_rollout_progressing(rollout, "True", "NewReplicaSetCreated", text);
    if (kl_rollout_size_of(set) > 0) {
        kl_plan_event(rollout->plan, KL_DEPLOYMENT, rollout->old, "ScalingReplicaSet",
                      "Scaled up replica set %s to %lld", kl_meta_str(set, "name"),
                      (long long)kl_rollout_size_of(set));
    }
}

static void sync_latest(struct rollout *rollout, bool create)
{
    if (rollout->latest == NULL) {
        if (create) {
            create_latest(rollout);
        }
    } else {
        set_revision(rollout, rollout->latest, true);
        kl_set_count(rollout->latest, "spec.minReadySeconds",
                     cor_json_int_at(rollout->old, "spec.minReadySeconds", 0));
        if (kl_condition(rollout->object, "Progressing") == NULL) {
            auto_(cor_freep) char *text =
                cor_sprintf("Found new replica set \"%s\"", kl_meta_str(rollout->latest, "name"));
            kl_rollout_progressing(rollout, "True", "FoundNewReplicaSet", text);
        }
    }
    if (rollout->latest != NULL) {
        annotate(rollout->object, revision_key, annotation(rollout->latest, revision_key));
    }
}

static bool scale_set(struct rollout *rollout, struct cor_json *set, int64_t size)
{
    int64_t before = kl_rollout_size_of(set);
    cor_json_set_at(set, "spec.replicas", cor_json_int(size));
    annotate_count(set, desired_key, rollout->replicas);
    annotate_count(set, max_key, rollout->replicas + kl_rollout_max_surge(rollout));
    if (size != before) {
        kl_plan_event(rollout->plan, KL_DEPLOYMENT, rollout->old, "ScalingReplicaSet",
                      "Scaled %s replica set %s to %lld", size > before ? "up" : "down",
                      kl_meta_str(set, "name"), (long long)size);
    }
    return size != before;
}

/* The old set that was made first and is not empty, behind after; NULL when there is none. */
static struct cor_json *next_old(const struct rollout *rollout, const struct cor_json *after)
{
    struct cor_json *best = NULL;
    for (size_t i = 0; i < cor_json_count(rollout->changed); i++) {
        struct cor_json *set = cor_json_item(rollout->changed, i);
        bool behind = after == NULL || (set != after && older(after, set));
        if (set != rollout->latest && kl_rollout_size_of(set) > 0 && behind &&
            (best == NULL || older(set, best))) {
            best = set;
        }
    }
    return best;
}

/* cleanupUnhealthyReplicas: what is not available goes first. Returns how many went. */
static int64_t drop_unhealthy(struct rollout *rollout, int64_t most)
{
    int64_t gone = 0;
    struct cor_json *set = NULL;
    while (gone < most && (set = next_old(rollout, set)) != NULL) {
        int64_t bad = kl_rollout_size_of(set) - cor_json_int_at(set, "status.availableReplicas", 0);
        int64_t count = bad < most - gone ? bad : most - gone;
        if (count > 0) {
            (void)scale_set(rollout, set, kl_rollout_size_of(set) - count);
            gone += count;
        }
    }
    return gone;
}

/* scaleDownOldReplicaSetsForRollingUpdate. Returns how many went. */
static int64_t drop_surplus(struct rollout *rollout)
{
    int64_t gone = 0;
    int64_t most = kl_rollout_sum_of(rollout->changed, "status.availableReplicas") -
                   (rollout->replicas - kl_rollout_max_unavailable(rollout));
    struct cor_json *set = NULL;
    while (gone < most && (set = next_old(rollout, set)) != NULL) {
        int64_t count =
            kl_rollout_size_of(set) < most - gone ? kl_rollout_size_of(set) : most - gone;
        (void)scale_set(rollout, set, kl_rollout_size_of(set) - count);
        gone += count;
    }
    return gone;
}

/* Returns whether anything was scaled. */
static bool step_old(struct rollout *rollout)
{
    int64_t in_new = kl_rollout_size_of(rollout->latest);
    if (kl_rollout_total_size(rollout) - in_new == 0) {
        return false;
    }
    int64_t unavailable = in_new - cor_json_int_at(rollout->latest, "status.availableReplicas", 0);
    int64_t most = kl_rollout_total_size(rollout) -
                   (rollout->replicas - kl_rollout_max_unavailable(rollout)) - unavailable;
    if (most <= 0) {
        return false;
    }
    int64_t gone = drop_unhealthy(rollout, most);
    return gone + drop_surplus(rollout) > 0;
}

/* The history keeps revisionHistoryLimit old sets (cleanupDeployment). */
static void clean_up(struct rollout *rollout)
{
    const struct cor_json *limit = cor_json_at(rollout->old, "spec.revisionHistoryLimit");
    int64_t surplus = (int64_t)cor_json_count(rollout->sets) - (rollout->latest == NULL ? 0 : 1) -
                      cor_json_as_int(limit, INT32_MAX);
    auto_(cor_json_free) struct cor_json *done = cor_json_object();
    for (; surplus > 0; surplus--) {
        const struct cor_json *first = NULL;
        for (size_t i = 0; i < cor_json_count(rollout->sets); i++) {
            const struct cor_json *set = cor_json_item(rollout->sets, i);
            bool mine = cor_json_item(rollout->changed, i) == rollout->latest;
            if (!mine && cor_json_get(done, kl_meta_str(set, "name")) == NULL &&
                (first == NULL || older(set, first))) {
                first = set;
            }
        }
        if (first == NULL) {
            return;
        }
        cor_json_set(done, kl_meta_str(first, "name"), cor_json_bool(true));
        if (kl_rollout_size_of(first) == 0 && cor_json_int_at(first, "status.replicas", 0) == 0 &&
            !kl_meta_deleting(first)) {
            kl_plan_remove(rollout->plan, KL_REPLICASET, first);
        }
    }
}

static void roll(struct rollout *rollout)
{
    sync_latest(rollout, true);
    int64_t size = kl_rollout_size_of(rollout->latest);
    bool scaled = false;
    if (rollout->created) {
        scaled = true;
    } else if (size > rollout->replicas) {
        scaled = scale_set(rollout, rollout->latest, rollout->replicas);
    } else if (size < rollout->replicas) {
        scaled = scale_set(rollout, rollout->latest, room_for_latest(rollout, size));
    }
    if (!scaled && !step_old(rollout) && kl_rollout_is_complete(rollout, rollout->old)) {
        clean_up(rollout);
    }
}

/* All old Pods must be gone before the first new one. */
static void recreate(struct rollout *rollout)
{
    bool scaled = false;
    bool running = false;
    sync_latest(rollout, false);
    for (size_t i = 0; i < cor_json_count(rollout->changed); i++) {
        struct cor_json *set = cor_json_item(rollout->changed, i);
        if (set != rollout->latest) {
            scaled = (kl_rollout_size_of(set) > 0 && scale_set(rollout, set, 0)) || scaled;
            running = running || cor_json_int_at(set, "status.replicas", 0) > 0;
        }
    }
    if (scaled || running) {
        return;
    }
    sync_latest(rollout, true);
    if (!rollout->created && kl_rollout_size_of(rollout->latest) != rollout->replicas) {
        (void)scale_set(rollout, rollout->latest, rollout->replicas);
    } else if (kl_rollout_is_complete(rollout, rollout->old)) {
        clean_up(rollout);
    }
}

/* The number of Pods was changed: an active set says another one. */
static bool is_scaling(const struct rollout *rollout)
{
    for (size_t i = 0; i < cor_json_count(rollout->sets); i++) {
        const struct cor_json *set = cor_json_item(rollout->sets, i);
        int64_t desired = 0;
        if (kl_rollout_size_of(set) > 0 &&
            cor_view_i64(cor_view_of(annotation(set, desired_key)), &desired) &&
            desired != rollout->replicas) {
            return true;
        }
    }
    return false;
}

/* Whether a comes before b: by size, the newer of two equal ones first when they grow, the older
 * when they shrink (ReplicaSetsBySizeNewer, ReplicaSetsBySizeOlder). */
static bool goes_first(const struct cor_json *a, const struct cor_json *b, bool grow)
{
    int64_t size_a = kl_rollout_size_of(a);
    int64_t size_b = kl_rollout_size_of(b);
    return size_a != size_b ? size_a > size_b : older(a, b) != grow;
}

/* The sets that have Pods, in that order. Returns an owned array. */
static struct cor_json *by_size(const struct rollout *rollout, bool grow)
{
    struct cor_json *order = cor_json_array();
    for (size_t i = 0; i < cor_json_count(rollout->changed); i++) {
        struct cor_json *set = cor_json_item(rollout->changed, i);
        size_t place = 0;
        while (place < cor_json_count(order) &&
               goes_first(cor_json_item(order, place), set, grow)) {
            place++;
        }
        if (kl_rollout_size_of(set) > 0) {
            cor_json_insert(order, place, cor_json_ref(set));
        }
    }
    return order;
}

/* GetProportion: the part of change that is the set's, at most left. */
static int64_t proportion(const struct rollout *rollout, const struct cor_json *set,
                          int64_t allowed, int64_t left)
{
    int64_t size = kl_rollout_size_of(set);
    int64_t most = cor_json_int_at(rollout->old, "status.replicas", 0);
    (void)cor_view_i64(cor_view_of(annotation(set, max_key)), &most);
    int64_t wanted = most <= 0 ? size : (2 * size * allowed + most) / (2 * most);
    int64_t step = wanted - size;
    bool too_far = left > 0 ? step > left : step < left;
    return too_far ? left : step;
}

/* Several sets have Pods: they grow and shrink in proportion (scale of sync.go); what is left over
 * goes to the first. */
static void scale_in_proportion(struct rollout *rollout)
{
    int64_t surge = kl_rollout_max_surge(rollout);
    int64_t allowed = rollout->replicas > 0 ? rollout->replicas + surge : 0;
    int64_t left = allowed - kl_rollout_total_size(rollout);
    auto_(cor_json_free) struct cor_json *order = by_size(rollout, left > 0);
    int64_t sizes[SETS_MAX] = {0};
    size_t count = cor_json_count(order) < SETS_MAX ? cor_json_count(order) : SETS_MAX;
    for (size_t i = 0; i < count; i++) {
        const struct cor_json *set = cor_json_item(order, i);
        int64_t step = left == 0 ? 0 : proportion(rollout, set, allowed, left);
        sizes[i] = kl_rollout_size_of(set) + step;
        left -= step;
    }
    sizes[0] = sizes[0] + left < 0 ? 0 : sizes[0] + left;
    for (size_t i = 0; i < count; i++) {
        (void)scale_set(rollout, cor_json_item(order, i), sizes[i]);
    }
}

static bool is_saturated(const struct rollout *rollout)
{
    int64_t desired = -1;
    (void)cor_view_i64(cor_view_of(annotation(rollout->latest, desired_key)), &desired);
    return rollout->latest != NULL && kl_rollout_size_of(rollout->latest) == rollout->replicas &&
           desired == rollout->replicas &&
           cor_json_int_at(rollout->latest, "status.availableReplicas", 0) == rollout->replicas;
}

static void scale(struct rollout *rollout)
{
    size_t active = 0;
    struct cor_json *only = rollout->latest;
    struct cor_json *largest = NULL;
    sync_latest(rollout, false);
    for (size_t i = 0; i < cor_json_count(rollout->changed); i++) {
        struct cor_json *set = cor_json_item(rollout->changed, i);
        active += kl_rollout_size_of(set) > 0 ? 1 : 0;
        largest = largest == NULL || kl_rollout_size_of(set) > kl_rollout_size_of(largest)
                      ? set
                      : largest;
    }
    only = active > 0 || only == NULL ? largest : only;
    if (active <= 1) {
        if (only != NULL) {
            (void)scale_set(rollout, only, rollout->replicas);
        }
    } else if (is_saturated(rollout)) {
        for (size_t i = 0; i < cor_json_count(rollout->changed); i++) {
            struct cor_json *set = cor_json_item(rollout->changed, i);
            if (set != rollout->latest && kl_rollout_size_of(set) > 0) {
                (void)scale_set(rollout, set, 0);
            }
        }
    } else if (cor_json_at(rollout->old, "spec.strategy.rollingUpdate") != NULL) {
        scale_in_proportion(rollout);
    }
}

/* checkPausedConditions. */
static void note_pause(struct rollout *rollout, bool paused)
{
    const char *reason =
        cor_json_str_at(kl_condition(rollout->object, "Progressing"), "reason", "");
    bool was = strcmp(reason, "DeploymentPaused") == 0;
    if (strcmp(reason, "ProgressDeadlineExceeded") == 0 || was == paused) {
        return;
    }
    kl_rollout_progressing(rollout, "Unknown", paused ? "DeploymentPaused" : "DeploymentResumed",
                           paused ? "Deployment is paused" : "Deployment is resumed");
}

static void write_down(struct rollout *rollout)
{
    size_t before = cor_json_count(rollout->sets);
    for (size_t i = 0; i < cor_json_count(rollout->changed); i++) {
        struct cor_json *set = cor_json_ref(cor_json_item(rollout->changed, i));
        if (i < before) {
            kl_plan_update(rollout->plan, KL_REPLICASET, set, cor_json_item(rollout->sets, i));
        } else {
            kl_plan_create(rollout->plan, KL_REPLICASET, set);
        }
    }
    kl_plan_status(rollout->plan, KL_DEPLOYMENT, cor_json_ref(rollout->object), rollout->old);
}

void kl_deployment_sync(const struct cor_json *deployment, const struct cor_json *sets,
                        struct cor_wall now, struct kl_plan *plan)
{
    auto_(cor_json_free) struct cor_json *object = cor_json_copy(deployment);
    auto_(cor_json_free) struct cor_json *changed = cor_json_copy(sets);
    struct rollout rollout = {.old = deployment,
                              .object = object,
                              .sets = sets,
                              .changed = changed,
                              .replicas = cor_json_int_at(deployment, "spec.replicas", 0),
                              .now = now,
                              .plan = plan};
    bool paused = cor_json_bool_at(deployment, "spec.paused", false);
    bool all_at_once =
        strcmp(cor_json_str_at(deployment, "spec.strategy.type", ""), "Recreate") == 0;
    find_latest(&rollout);
    if (!kl_meta_deleting(deployment)) {
        note_pause(&rollout, paused);
        bool scaling = paused || is_scaling(&rollout);
        void (*go)(struct rollout * rollout) = scaling ? scale : all_at_once ? recreate : roll;
        go(&rollout);
        kl_rollout_status(&rollout);
        if (!scaling) {
            kl_rollout_judge(&rollout);
        }
    } else {
        kl_rollout_status(&rollout);
    }
    write_down(&rollout);
}
