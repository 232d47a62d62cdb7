// SPDX-License-Identifier: Apache-2.0
// The DaemonSet controller (pkg/controller/daemon): one Pod on each node that fits; new templates
// go out by rolling update, with a ControllerRevision for each.
#include <string.h>

#include "common/base/mem.h"
#include "meta.h"
#include "plan.h"
#include "schedule.h"

static const char hash_key[] = "controller-revision-hash";
static const char generation_key[] = "pod-template-generation";
static const char deprecated_key[] = "deprecated.daemonset.template.generation";

struct work {
    const struct cor_json *daemon;
    const struct cor_json *pods;
    const struct cor_json *nodes;
    const struct cor_json *revisions;
    char hash[KL_HASH_SIZE];
    int64_t desired, current, misplaced, ready, available, updated;
    struct cor_wall now;
    struct kl_plan *plan;
};

/* The node that a Pod is on, or that it was made for. */
static const char *node_of(const struct cor_json *pod)
{
    const char *bound = cor_json_str_at(pod, "spec.nodeName", "");
    const struct cor_json *terms = cor_json_at(
        pod, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
             "nodeSelectorTerms");
    const struct cor_json *field =
        cor_json_item(cor_json_get(cor_json_item(terms, 0), "matchFields"), 0);
    return bound[0] != '\0' ? bound
                            : cor_json_as_str(cor_json_item(cor_json_get(field, "values"), 0), "");
}

/* The Pod may only run on that node (ReplaceDaemonSetPodNodeNameNodeAffinity). */
static void pin(struct cor_json *pod, const char *node)
{
    struct cor_json *values = cor_json_array();
    struct cor_json *field = cor_json_object();
    struct cor_json *fields = cor_json_array();
    cor_json_add(values, cor_json_str(node));
    cor_json_set(field, "key", cor_json_str("metadata.name"));
    cor_json_set(field, "operator", cor_json_str("In"));
    cor_json_set(field, "values", values);
    cor_json_add(fields, field);
    static const char path[] = "spec.affinity.nodeAffinity."
                               "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    if (!cor_json_is_array(cor_json_at(pod, path))) {
        cor_json_set_at(pod, path, cor_json_array());
        cor_json_add(cor_json_at(pod, path), cor_json_object());
    }
    const struct cor_json *terms = cor_json_at(pod, path);
    for (size_t i = 0; i < cor_json_count(terms); i++) {
        cor_json_set(cor_json_item(terms, i), "matchFields", cor_json_ref(fields));
    }
    cor_json_free(&fields);
}

static void tolerate(struct cor_json *pod, const char *key, const char *effect)
{
    struct cor_json *one = cor_json_object();
    cor_json_set(one, "key", cor_json_str(key));
    cor_json_set(one, "operator", cor_json_str("Exists"));
    cor_json_set(one, "effect", cor_json_str(effect));
    if (!cor_json_is_array(cor_json_at(pod, "spec.tolerations"))) {
        cor_json_set_at(pod, "spec.tolerations", cor_json_array());
    }
    cor_json_add(cor_json_at(pod, "spec.tolerations"), one);
}

static struct cor_json *pod_for(const struct work *work, const char *node)
{
    static const char *const taints[][2] = {
        {"node.kubernetes.io/not-ready", "NoExecute"},
        {"node.kubernetes.io/unreachable", "NoExecute"},
        {"node.kubernetes.io/disk-pressure", "NoSchedule"},
        {"node.kubernetes.io/memory-pressure", "NoSchedule"},
        {"node.kubernetes.io/pid-pressure", "NoSchedule"},
        {"node.kubernetes.io/unschedulable", "NoSchedule"},
        {"node.kubernetes.io/network-unavailable", "NoSchedule"},
    };
    struct cor_json *pod = kl_pod_of(KL_DAEMONSET, work->daemon);
    bool host = cor_json_bool_at(pod, "spec.hostNetwork", false);
    pin(pod, node);
    for (size_t i = 0; i + (host ? 0 : 1) < COR_COUNT(taints); i++) {
        tolerate(pod, taints[i][0], taints[i][1]);
    }
    if (!cor_json_is_object(cor_json_at(pod, "metadata.labels"))) {
        cor_json_set(kl_meta(pod), "labels", cor_json_object());
    }
    struct cor_json *labels = cor_json_at(pod, "metadata.labels");
    const struct cor_json *generation =
        cor_json_get(cor_json_at(work->daemon, "metadata.annotations"), deprecated_key);
    cor_json_set(labels, hash_key, cor_json_str(work->hash));
    if (generation != NULL) {
        cor_json_set(labels, generation_key, cor_json_copy(generation));
    }
    return pod;
}

static bool is_current(const struct work *work, const struct cor_json *pod)
{
    const struct cor_json *labels = cor_json_at(pod, "metadata.labels");
    return strcmp(cor_json_as_str(cor_json_get(labels, hash_key), ""), work->hash) == 0;
}

/* The Pod that counts of those on a node: the oldest that is neither ended nor ending. */
static const struct cor_json *pod_on(const struct work *work, const char *node)
{
    const struct cor_json *best = NULL;
    for (size_t i = 0; i < cor_json_count(work->pods); i++) {
        const struct cor_json *pod = cor_json_item(work->pods, i);
        if (strcmp(node_of(pod), node) == 0 && kl_pod_active(pod) &&
            (best == NULL || kl_seconds_at(pod, "metadata.creationTimestamp") <
                                 kl_seconds_at(best, "metadata.creationTimestamp"))) {
            best = pod;
        }
    }
    return best;
}

static bool any_ending(const struct work *work, const char *node)
{
    for (size_t i = 0; i < cor_json_count(work->pods); i++) {
        const struct cor_json *pod = cor_json_item(work->pods, i);
        if (strcmp(node_of(pod), node) == 0 && kl_meta_deleting(pod)) {
            return true;
        }
    }
    return false;
}

/* Ended Pods and surplus ones of a node; all of them when none shall be there. */
static void tidy(const struct work *work, const char *node, const struct cor_json *keep, bool stays)
{
    for (size_t i = 0; i < cor_json_count(work->pods); i++) {
        const struct cor_json *pod = cor_json_item(work->pods, i);
        bool ended = strcmp(cor_json_str_at(pod, "status.phase", ""), "Failed") == 0;
        bool here = strcmp(node_of(pod), node) == 0 && !kl_meta_deleting(pod);
        if (here && (!stays || ended || (pod != keep && kl_pod_active(pod)))) {
            kl_plan_remove(work->plan, KL_POD, pod);
        }
    }
}

static void look_at(struct work *work, const struct cor_json *node, const struct cor_json *example)
{
    const char *name = kl_meta_str(node, "name");
    bool stays = false;
    bool runs = kl_daemon_fits(example, node, &stays);
    const struct cor_json *pod = pod_on(work, name);
    tidy(work, name, pod, stays);
    work->desired += runs ? 1 : 0;
    work->misplaced += !runs && pod != NULL ? 1 : 0;
    if (runs && pod == NULL && !any_ending(work, name)) {
        kl_plan_create(work->plan, KL_POD, pod_for(work, name));
    }
    if (!runs || pod == NULL) {
        return;
    }
    int64_t min_ready = cor_json_int_at(work->daemon, "spec.minReadySeconds", 0);
    work->current++;
    work->ready += kl_pod_ready(pod) ? 1 : 0;
    work->available += kl_pod_available(pod, min_ready, work->now, work->plan) ? 1 : 0;
    work->updated += is_current(work, pod) ? 1 : 0;
}

/* Pods whose node is gone have no place any more. */
static void drop_homeless(const struct work *work)
{
    for (size_t i = 0; i < cor_json_count(work->pods); i++) {
        const struct cor_json *pod = cor_json_item(work->pods, i);
        bool home = false;
        for (size_t n = 0; n < cor_json_count(work->nodes); n++) {
            home = home ||
                   strcmp(kl_meta_str(cor_json_item(work->nodes, n), "name"), node_of(pod)) == 0;
        }
        if (!home && !kl_meta_deleting(pod)) {
            kl_plan_remove(work->plan, KL_POD, pod);
        }
    }
}

/* Old Pods go: those that are not available at once, of the others as many as may be missing. */
static void roll(const struct work *work)
{
    const struct cor_json *share =
        cor_json_at(work->daemon, "spec.updateStrategy.rollingUpdate.maxUnavailable");
    int64_t left = kl_share_of(share, work->desired, true) - (work->desired - work->available);
    if (share == NULL) {
        return;
    }
    for (size_t i = 0; i < cor_json_count(work->nodes); i++) {
        const struct cor_json *pod =
            pod_on(work, kl_meta_str(cor_json_item(work->nodes, i), "name"));
        struct kl_plan unused = {0};
        if (pod == NULL || is_current(work, pod)) {
            continue;
        }
        bool available = kl_pod_available(
            pod, cor_json_int_at(work->daemon, "spec.minReadySeconds", 0), work->now, &unused);
        if (!available || left-- > 0) {
            kl_plan_remove(work->plan, KL_POD, pod);
        }
    }
}

/* What a rollback puts back (getPatch of pkg/controller/daemon/update.go). */
static struct cor_json *patch_of(const struct cor_json *daemon)
{
    struct cor_json *patch = cor_json_object();
    struct cor_json *template = cor_json_copy(cor_json_at(daemon, "spec.template"));
    cor_json_set(template, "$patch", cor_json_str("replace"));
    cor_json_set_at(patch, "spec.template", template);
    return patch;
}

static void create_revision(struct work *work, struct cor_json *patch, int64_t number)
{
    struct cor_json *revision = cor_json_object();
    struct cor_json *owners = cor_json_array();
    struct cor_json *labels =
        cor_json_copy(cor_json_at(work->daemon, "spec.template.metadata.labels"));
    labels = labels == NULL ? cor_json_object() : labels;
    cor_json_set(labels, hash_key, cor_json_str(work->hash));
    cor_json_add(owners, kl_owner_ref(KL_DAEMONSET, work->daemon));
    cor_json_set_at(revision, "metadata.name",
                    cor_json_fmt("%s-%s", kl_meta_str(work->daemon, "name"), work->hash));
    cor_json_set_at(revision, "metadata.namespace",
                    cor_json_str(kl_meta_str(work->daemon, "namespace")));
    cor_json_set_at(revision, "metadata.labels", labels);
    cor_json_set_at(revision, "metadata.annotations",
                    cor_json_copy(cor_json_at(work->daemon, "metadata.annotations")));
    cor_json_set_at(revision, "metadata.ownerReferences", owners);
    cor_json_set(revision, "data", patch);
    cor_json_set(revision, "revision", cor_json_int(number));
    kl_plan_create(work->plan, KL_CONTROLLERREVISION, revision);
}

/* The history ends with the revision of the current template. */
static void keep_history(struct work *work)
{
    auto_(cor_json_free) struct cor_json *patch = patch_of(work->daemon);
    const struct cor_json *mine = NULL;
    int64_t most = 0;
    for (size_t i = 0; i < cor_json_count(work->revisions); i++) {
        const struct cor_json *one = cor_json_item(work->revisions, i);
        int64_t number = cor_json_int_at(one, "revision", 0);
        bool same = cor_json_equal(cor_json_get(one, "data"), patch);
        mine = same ? one : mine;
        most = !same && number > most ? number : most;
    }
    kl_template_hash(cor_json_at(work->daemon, "spec.template"), work->hash);
    if (mine == NULL) {
        create_revision(work, take(&patch), most + 1);
    } else if (cor_json_int_at(mine, "revision", 0) <= most) {
        struct cor_json *object = cor_json_copy(mine);
        cor_json_set(object, "revision", cor_json_int(most + 1));
        kl_plan_update(work->plan, KL_CONTROLLERREVISION, object, mine);
    }
}

static bool is_used(const struct work *work, const struct cor_json *revision)
{
    const struct cor_json *hash = cor_json_get(cor_json_at(revision, "metadata.labels"), hash_key);
    for (size_t i = 0; i < cor_json_count(work->pods); i++) {
        const struct cor_json *labels =
            cor_json_at(cor_json_item(work->pods, i), "metadata.labels");
        if (cor_json_equal(cor_json_get(labels, hash_key), hash)) {
            return true;
        }
    }
    return strcmp(cor_json_as_str(hash, ""), work->hash) == 0;
}

static void trim_history(const struct work *work)
{
    int64_t unused = 0;
    const struct cor_json *first = NULL;
    for (size_t i = 0; i < cor_json_count(work->revisions); i++) {
        const struct cor_json *one = cor_json_item(work->revisions, i);
        if (is_used(work, one)) {
            continue;
        }
        unused++;
        first = first == NULL ||
                        cor_json_int_at(one, "revision", 0) < cor_json_int_at(first, "revision", 0)
                    ? one
                    : first;
    }
    if (unused > cor_json_int_at(work->daemon, "spec.revisionHistoryLimit", 10)) {
        kl_plan_remove(work->plan, KL_CONTROLLERREVISION, first);
    }
}

static void set_status(struct work *work)
{
    struct cor_json *object = cor_json_copy(work->daemon);
    cor_json_set_at(object, "status.currentNumberScheduled", cor_json_int(work->current));
    cor_json_set_at(object, "status.numberMisscheduled", cor_json_int(work->misplaced));
    cor_json_set_at(object, "status.desiredNumberScheduled", cor_json_int(work->desired));
    cor_json_set_at(object, "status.numberReady", cor_json_int(work->ready));
    kl_set_count(object, "status.observedGeneration",
                 cor_json_int_at(work->daemon, "metadata.generation", 0));
    kl_set_count(object, "status.updatedNumberScheduled", work->updated);
    kl_set_count(object, "status.numberAvailable", work->available);
    kl_set_count(object, "status.numberUnavailable", work->desired - work->available);
    kl_plan_status(work->plan, KL_DAEMONSET, object, work->daemon);
}

void kl_daemonset_sync(const struct cor_json *daemon, const struct cor_json *pods,
                       const struct cor_json *nodes, const struct cor_json *revisions,
                       struct kl_plan *plan, struct cor_wall now)
{
    struct work work = {.daemon = daemon,
                        .pods = pods,
                        .nodes = nodes,
                        .revisions = revisions,
                        .now = now,
                        .plan = plan};
    if (kl_meta_deleting(daemon)) {
        return;
    }
    keep_history(&work);
    auto_(cor_json_free) struct cor_json *example = pod_for(&work, "");
    cor_json_set_at(example, "spec.affinity",
                    cor_json_copy(cor_json_at(daemon, "spec.template.spec.affinity")));
    drop_homeless(&work);
    for (size_t i = 0; i < cor_json_count(nodes); i++) {
        look_at(&work, cor_json_item(nodes, i), example);
    }
    roll(&work);
    trim_history(&work);
    set_status(&work);
}
