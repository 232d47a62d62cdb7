// SPDX-License-Identifier: Apache-2.0
// Pods: where desired state, the runtime's state and what follows from both come together.
#include "services/edged/api/api.h"

#include <string.h>

#include "common/base/mem.h"
#include "services/edged/admit/admission.h"
#include "services/edged/drain/drain.h"
#include "services/edged/hold/hold.h"
#include "services/edged/hook/hook.h"
#include "services/edged/manifest/manifest.h"
#include "services/edged/manifest/mirrors.h"
#include "services/edged/manifest/statics.h"
#include "services/edged/probe/prober.h"
#include "services/edged/run/status.h"
#include "tiers.h"

enum { POD_MAX = 4 * 1024 * 1024 }; /* an object of the API has at most 1.5 MiB in etcd */

void agent_pod_free(void *value)
{
    struct agent_pod *pod = value;
    api_logs_look(pod);
    books_ended(pod->agent->books.pods, &pod->status_book, BOOKS_OBSOLETE);
    books_ended(pod->agent->books.deletions, &pod->delete_book, BOOKS_OBSOLETE);
    cor_timer_free(&pod->wake);
    cor_timer_free(&pod->report);
    prober_pod_free(&pod->probes);
    hooks_free(pod);
    run_free(&pod->run);
    externals_free(pod);
    pod_free(&pod->pod);
    refs_free(&pod->refs);
    claims_free(&pod->claims);
    cor_free(pod->device_error);
    cor_free(pod->reason);
    cor_free(pod->known);
    cor_json_free(&pod->sending);
    cor_free(pod->volume_sums);
    cor_free(pod->volume_made);
    cor_free(pod->uid);
    cor_free(pod->key);
    cor_free(pod->patch_key);
    cor_free(pod->next);
    cor_free(pod->mirror);
    cor_free(pod);
}

struct agent_pod *agent_find(const struct agent *agent, const char *uid)
{
    return cor_map_get(agent->pods, cor_view_of(uid));
}

struct agent_pod *agent_find_named(const struct agent *agent, const char *ns, const char *name)
{
    struct agent_pod *found = NULL;
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        if (strcmp(pod->pod->ns, ns) == 0 && strcmp(pod->pod->name, name) == 0 &&
            (found == NULL || pod->desired)) {
            found = pod;
        }
    }
    return found;
}

void agent_touch(struct agent_pod *pod)
{
    pod->dirty = true;
}

void agent_hold(struct agent_pod *pod)
{
    pod->ops++;
}

void agent_release(struct agent_pod *pod)
{
    pod->ops--;
    agent_touch(pod);
}

static void on_wake(void *self)
{
    struct agent_pod *pod = self;
    if (refs_next_due(&pod->refs).us <= cor_loop_now(pod->agent->loop).us) {
        run_inputs_changed(pod->run); /* a token is to be renewed */
    }
    agent_touch(pod);
}

/* Takes parsed. */
static struct agent_pod *add_pod(struct agent *agent, struct pod *parsed)
{
    struct agent_pod *pod = cor_alloc(sizeof(*pod));
    pod->agent = agent;
    cor_list_init(&pod->hooks);
    pod->pod = parsed;
    pod->run = run_new(parsed);
    pod->uid = cor_strdup(parsed->uid);
    pod->key = cor_sprintf("%s/pod/%s", parsed->ns, parsed->name);
    pod->patch_key = cor_sprintf("%s/podpatch/%s", parsed->ns, parsed->name);
    pod->volume_sums = cor_calloc(parsed->volume_count + 1, sizeof(*pod->volume_sums));
    pod->volume_made = cor_calloc(parsed->volume_count + 1, sizeof(*pod->volume_made));
    pod->wake = cor_timer_new(agent->loop, on_wake, pod);
    pod->report = cor_timer_new(agent->loop, report_timer, pod);
    pod->cause = cor_bus_cause(agent->service->bus);
    pod->reported = cor_loop_now(agent->loop);
    refs_collect(&pod->refs, parsed);
    claims_collect(&pod->claims, parsed);
    run_see_begin(pod->run);
    cor_map_set(agent->pods, cor_view_of(pod->uid), pod);
    agent_touch(pod);
    return pod;
}

static int64_t grace_of(const struct pod *pod)
{
    int64_t grace = pod->delete_grace_seconds >= 0 ? pod->delete_grace_seconds : pod->grace_seconds;
    return grace < 1 ? 1 : grace; /* kubelet's least (pod_workers.go) */
}

/* A pod that was not known: what the runtime has of it is read first, if it has anything. */
static void begin(struct agent *agent, struct agent_pod *pod)
{
    if (agent->listed && cor_map_get(agent->unclaimed, cor_view_of(pod->uid)) == NULL) {
        run_seen_all(pod->run, cor_loop_now(agent->loop));
    } else if (agent->listed) {
        relist_start(agent);
    }
}

/* A name is one Pod's at a time: the one that had it before was deleted, though nobody said so
 * (what waits for a node is one message a name, the newest). */
static void drop_namesakes(struct agent *agent, const struct agent_pod *pod)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *other = value;
        if (other != pod && other->desired && !other->is_static &&
            strcmp(other->key, pod->key) == 0) {
            other->desired = false;
            run_end_pod(other->run, RUN_WANT_GONE, grace_of(other->pod));
            agent_touch(other);
        }
    }
}

/* The object cannot be run: it is a Pod that has failed, in words that name the field. One that
 * runs goes on as it was. */
static void refuse(struct agent *agent, const struct cor_json *object, const struct cor_err *err)
{
    struct agent_pod *pod = agent_find(agent, cor_json_str_at(object, "metadata.uid", ""));
    struct pod *stand_in = pod_refused(object);
    LOGW(agent->log, "edged.pod-refused", "pod=%s/%s error=%s",
         cor_log_esc(cor_json_as_view(cor_json_at(object, "metadata.namespace"))),
         cor_log_esc(cor_json_as_view(cor_json_at(object, "metadata.name"))),
         cor_log_esc(cor_view_of(err->text)));
    if (stand_in == NULL) {
        return;
    }
    bool deleted = stand_in->deleted;
    int64_t grace = grace_of(stand_in);
    if (pod == NULL) {
        pod = add_pod(agent, stand_in);
        known_set(pod, cor_json_get(object, "status"));
        drop_namesakes(agent, pod);
        run_fail(pod->run, "InvalidPod", err->text);
        run_note(pod->run, true, "InvalidPod", RUN_NO_CONTAINER, "%s", err->text);
        begin(agent, pod);
    } else {
        pod_free(&stand_in);
    }
    pod->desired = true;
    pod->mentioned = true;
    if (deleted) {
        run_end_pod(pod->run, RUN_WANT_GONE, grace);
    }
    agent_touch(pod);
}

static bool same_containers(const struct pod *a, const struct pod *b)
{
    static const char *const lists[] = {"spec.containers", "spec.initContainers"};
    bool same = true;
    for (size_t i = 0; i < COR_COUNT(lists); i++) {
        same = same &&
               cor_json_equal(cor_json_at(a->object, lists[i]), cor_json_at(b->object, lists[i]));
    }
    return same;
}

/* Takes parsed. */
static void update(struct agent_pod *pod, struct pod *parsed)
{
    if (pod->pod->volume_count != parsed->volume_count || !run_set_pod(pod->run, parsed)) {
        LOGW(pod->agent->log, "edged.pod-update-refused", "pod=%s reason=containers-differ",
             pod->key);
        pod_free(&parsed);
        return;
    }
    if (!same_containers(pod->pod, parsed)) {
        prober_pod_free(&pod->probes); /* they begin anew with what they are now */
    }
    pod_free(&pod->pod);
    pod->pod = parsed;
    refs_collect(&pod->refs, parsed);
    claims_collect(&pod->claims, parsed);
    struct cor_err err = COR_ERR_NONE;
    if (claims_apply(pod, &err) != COR_OK) { /* told when it is prepared */
        LOGD(pod->agent->log, "edged.claim-unknown", "pod=%s error=%s", pod->key,
             cor_log_esc(cor_view_of(err.text)));
    }
}

static void put(struct agent *agent, struct pod *parsed, struct cor_json *status)
{
    struct agent_pod *pod = agent_find(agent, parsed->uid);
    bool fresh = pod == NULL;
    if (fresh) {
        pod = add_pod(agent, parsed);
        known_set(pod, status);
        run_recall(pod->run, status);
        drop_namesakes(agent, pod);
        hold_judge(pod, status);
        if (!pod->run->held) { /* else it is judged when it is let go */
            admission_judge(pod, status);
        }
    } else {
        update(pod, parsed);
        hold_updated(pod);
    }
    run_told_status(pod->run, status);
    pod->desired = true;
    pod->mentioned = true;
    pod->cause = cor_bus_cause(agent->service->bus);
    if (pod->pod->deleted) {
        run_end_pod(pod->run, RUN_WANT_GONE, grace_of(pod->pod));
    }
    if (fresh) {
        begin(agent, pod);
    }
    agent_touch(pod);
}

/* An object of which only these are known. */
static struct cor_json *name_only(struct cor_view key, struct cor_view uid)
{
    struct px_key parts;
    struct cor_json *object = cor_json_object();
    if (px_key_parse(key, &parts)) {
        cor_json_set_at(object, "metadata.namespace", cor_json_view(parts.ns));
        cor_json_set_at(object, "metadata.name", cor_json_view(parts.name));
        cor_json_set_at(object, "metadata.uid", cor_json_view(uid));
    }
    return object;
}

void agent_put_pod(struct agent *agent, struct cor_view key, struct cor_view uid,
                   struct cor_view body)
{
    struct cor_json *object = NULL;
    struct pod *parsed = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (cor_json_parse(body, POD_MAX, COR_JSON_NUL, &object, &err) != COR_OK) {
        auto_(cor_json_free) struct cor_json *named = name_only(key, uid);
        refuse(agent, named, &err);
        return;
    }
    const char *node = cor_json_str_at(object, "spec.nodeName", "");
    if (strcmp(node, agent->cfg->node_name) != 0) {
        LOGD(agent->log, "edged.pod-of-other-node", "node=%s", cor_log_esc(cor_view_of(node)));
        cor_json_free(&object);
        return;
    }
    if (manifest_is_mirror(object)) {
        mirrors_put(agent->mirrors, key, object);
        cor_json_free(&object);
        return;
    }
    auto_(cor_json_free) struct cor_json *status = cor_json_ref(cor_json_get(object, "status"));
    auto_(cor_json_free) struct cor_json *raw = cor_json_ref(object);
    struct agent_pod *old = agent_find(agent, cor_json_str_at(object, "metadata.uid", ""));
    if (old != NULL && !old->desired) { /* it is being removed: begin anew after that */
        cor_free(old->next);
        old->next = cor_view_dup(body);
        cor_json_free(&object);
        return;
    }
    if (pod_parse(object, &parsed, &err) != COR_OK) {
        refuse(agent, raw, &err);
        return;
    }
    put(agent, parsed, status);
}

struct agent_pod *agent_find_static(const struct agent *agent, const char *key)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        if (pod->is_static && strcmp(pod->key, key) == 0) {
            return pod;
        }
    }
    return NULL;
}

void agent_put_static(struct agent *agent, struct cor_json *object)
{
    char now[COR_RFC3339_SIZE];
    struct pod *parsed = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (pod_parse(cor_json_copy(object), &parsed, &err) != COR_OK) {
        LOGW(agent->log, "edged.static-pod-refused", "error=%s",
             cor_log_esc(cor_view_of(err.text)));
        return;
    }
    struct agent_pod *pod = add_pod(agent, parsed);
    cor_wall_format(cor_wall_now(), now);
    pod->is_static = true;
    pod->desired = true;
    auto_(cor_json_free) struct cor_json *status = cor_json_object();
    cor_json_set(status, "startTime", cor_json_str(now));
    known_set(pod, status); /* until a mirror says more */
    admission_judge(pod, NULL);
    begin(agent, pod);
}

void agent_drop_static(struct agent *agent, const char *key)
{
    struct agent_pod *pod = agent_find_static(agent, key);
    if (pod != NULL && pod->desired) {
        pod->desired = false;
        run_end_pod(pod->run, RUN_WANT_GONE, grace_of(pod->pod));
        agent_touch(pod);
    }
}

void agent_session_begin(struct agent *agent)
{
    size_t at = 0;
    void *value = NULL;
    agent->desired_known = false;
    mirrors_session_begin(agent->mirrors);
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        pod->mentioned = false;
        if (pod->run->prepare_error != NULL) {
            run_inputs_changed(pod->run);
            agent_touch(pod);
        }
    }
}

void agent_session_done(struct agent *agent)
{
    size_t at = 0;
    void *value = NULL;
    agent->desired_known = true;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        if (pod->desired && !pod->mentioned && !pod->is_static) {
            agent_drop_pod(agent, cor_view_of(pod->key), cor_view_of(pod->uid));
        } else if (pod->run->prepare_error != NULL) { /* it may wait for this */
            run_inputs_changed(pod->run);
            agent_touch(pod);
        }
    }
    mirrors_session_done(agent->mirrors);
    if (agent->listed) {
        relist_start(agent); /* now it is known what nobody wants */
    }
}

void agent_drop_pod(struct agent *agent, struct cor_view key, struct cor_view uid)
{
    size_t at = 0;
    void *value = NULL;
    mirrors_gone(agent->mirrors, key, uid);
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        if (!pod->desired || pod->is_static || !cor_view_is(key, pod->key) ||
            (uid.len > 0 && !cor_view_is(uid, pod->uid))) {
            continue;
        }
        pod->desired = false;
        run_end_pod(pod->run, RUN_WANT_GONE, grace_of(pod->pod));
        agent_touch(pod);
    }
}

static struct cor_json *orphan_object(const char *uid, const char *ns, const char *name,
                                      const struct pod_strings *containers)
{
    struct cor_json *object = cor_json_object();
    struct cor_json *list = cor_json_array();
    for (size_t i = 0; i < containers->count; i++) {
        struct cor_json *container = cor_json_object();
        cor_json_set(container, "name", cor_json_str(containers->item[i]));
        cor_json_set(container, "image", cor_json_str("orphan"));
        cor_json_add(list, container);
    }
    cor_json_set_at(object, "metadata.name", cor_json_str(name));
    cor_json_set_at(object, "metadata.namespace", cor_json_str(ns));
    cor_json_set_at(object, "metadata.uid", cor_json_str(uid));
    cor_json_set_at(object, "spec.containers", list);
    return object;
}

void agent_adopt_orphan(struct agent *agent, const char *uid, const char *ns, const char *name,
                        const struct pod_strings *containers, int64_t grace_seconds)
{
    struct pod *parsed = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (pod_parse(orphan_object(uid, ns, name, containers), &parsed, &err) != COR_OK) {
        LOGW(agent->log, "edged.orphan-refused", "error=%s", cor_log_esc(cor_view_of(err.text)));
        return;
    }
    LOGI(agent->log, "edged.orphan", "pod=%s/%s uid=%s", parsed->ns, parsed->name, parsed->uid);
    struct agent_pod *pod = add_pod(agent, parsed);
    run_end_pod(pod->run, RUN_WANT_GONE, grace_seconds < 0 ? 30 : grace_seconds);
}

static void note_if_seen(struct agent_pod *pod)
{
    for (size_t i = 0; i < pod->run->count; i++) {
        pod->was_seen = pod->was_seen || pod->run->containers[i].id != NULL;
    }
}

/* activeDeadlineSeconds, counted from the start time that was reported. Us until then; INT64_MAX:
 * no deadline. */
static int64_t until_deadline(const struct agent_pod *pod)
{
    struct cor_wall start;
    int64_t seconds = pod->pod->deadline_seconds.n;
    if (!pod->pod->deadline_seconds.given || seconds < 0 || seconds > INT32_MAX ||
        pod->run->over != NULL) {
        return INT64_MAX;
    }
    auto_(cor_json_free) struct cor_json *status = known_status(pod);
    if (!cor_wall_parse(cor_json_as_view(cor_json_get(status, "startTime")), &start)) {
        return INT64_MAX;
    }
    return start.us + COR_SEC(seconds) - cor_wall_now().us;
}

static void check_deadline(struct agent_pod *pod)
{
    if (until_deadline(pod) <= 0) {
        run_fail(pod->run, "DeadlineExceeded",
                 "Pod was active on the node longer than the specified deadline");
        run_note(pod->run, false, "DeadlineExceeded", RUN_NO_CONTAINER,
                 "Pod was active on the node longer than the specified deadline");
    }
}

/* Steps until there is nothing more to do now. True when a call was started. */
static bool step(struct agent_pod *pod)
{
    struct run_action actions[RUN_ACTIONS_MAX];
    bool busy = false;
    size_t count = 0;
    if (hold_keeps(pod)) {
        pod->dirty = false;
        return false;
    }
    check_deadline(pod);
    do {
        pod->dirty = false;
        count = run_step(pod->run, cor_loop_now(pod->agent->loop), actions);
        for (size_t i = 0; i < count; i++) {
            perform(pod, &actions[i]);
        }
        busy = busy || count > 0;
    } while (count > 0 && pod->dirty);
    note_if_seen(pod);
    return busy;
}

static void set_wake(struct agent_pod *pod)
{
    struct cor_mono now = cor_loop_now(pod->agent->loop);
    struct cor_mono at = {INT64_MAX};
    if (pod->run->want == RUN_WANT_RUN) { /* nobody renews what a Pod that ends was given */
        at = refs_next_due(&pod->refs);
    }
    at = pod->run->wake_at.us < at.us ? pod->run->wake_at : at;
    int64_t deadline = until_deadline(pod);
    if (deadline != INT64_MAX && now.us + deadline < at.us) {
        at.us = now.us + deadline;
    }
    if (at.us == INT64_MAX || pod->run->held) {
        cor_timer_stop(pod->wake);
    } else {
        cor_timer_start(pod->wake, at.us > now.us ? at.us - now.us : 0);
    }
}

static bool is_over(const struct agent_pod *pod)
{
    return pod->run->cleaned && !pod->desired && pod->ops == 0 && pod->sending == NULL &&
           !pod->deleting;
}

static void bury(struct agent *agent, struct agent_pod *pod)
{
    LOGI(agent->log, "edged.pod-gone", "pod=%s uid=%s", pod->key, pod->uid);
    auto_(cor_freep) char *next = take(&pod->next);
    auto_(cor_freep) char *key = cor_strdup(pod->key);
    auto_(cor_freep) char *uid = cor_strdup(pod->uid);
    bool is_static = pod->is_static;
    (void)cor_map_del(agent->pods, cor_view_of(uid));
    tiers_set(agent);
    if (is_static) {
        statics_buried(agent->statics, key);
    }
    if (next != NULL) {
        agent_put_pod(agent, cor_view_of(key), cor_view_of(uid), cor_view_of(next));
    }
}

bool agent_round(void *self)
{
    struct agent *agent = self;
    size_t at = 0;
    void *value = NULL;
    bool busy = false;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        if (!pod->dirty) {
            continue;
        }
        cor_bus_set_cause(agent->service->bus, pod->cause);
        busy = step(pod) || busy;
        prober_look(pod);
        teller_pod_notes(pod);
        report(pod);
        api_logs_look(pod);
        set_wake(pod);
        if (is_over(pod)) {
            bury(agent, pod);
            busy = true;
            break; /* the map may have changed: the others come in the next round */
        }
    }
    cor_bus_set_cause(agent->service->bus, 0);
    drain_look(agent->drain);
    if (busy) {
        cor_service_calm(agent->service);
    }
    return busy;
}
