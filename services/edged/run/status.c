// SPDX-License-Identifier: Apache-2.0
#include "status.h"

#include <string.h>

#include "common/base/mem.h"
#include "gates.h"
#include "phase.h"

#define HELD "HeldUpgrade" /* KubeEdge's word for a Pod that waits: hold/hold.h */

static struct cor_json *time_of(int64_t ns)
{
    char text[COR_RFC3339_SIZE];
    cor_wall_format((struct cor_wall){ns / 1000}, text);
    return cor_json_str(text);
}

static struct cor_json *waiting(const char *reason, const char *message)
{
    struct cor_json *state = cor_json_object();
    cor_json_set_at(state, "waiting.reason", cor_json_str(reason));
    if (message != NULL && message[0] != '\0') {
        cor_json_set_at(state, "waiting.message", cor_json_str(message));
    }
    return state;
}

static struct cor_json *running(const struct run_container *c)
{
    struct cor_json *state = cor_json_object();
    cor_json_set_at(state, "running.startedAt", time_of(c->end.started_ns));
    return state;
}

static struct cor_json *terminated(const struct run_end *end)
{
    struct cor_json *state = cor_json_object();
    struct cor_json *t = cor_json_object();
    cor_json_set(t, "exitCode", cor_json_int(end->exit_code));
    cor_json_set(
        t, "reason",
        cor_json_str(end->reason != NULL && end->reason[0] != '\0' ? end->reason : "Error"));
    if (end->message != NULL && end->message[0] != '\0') {
        cor_json_set(t, "message", cor_json_str(end->message));
    }
    cor_json_set(t, "startedAt", end->started_ns > 0 ? time_of(end->started_ns) : cor_json_null());
    cor_json_set(t, "finishedAt",
                 end->finished_ns > 0 ? time_of(end->finished_ns) : cor_json_null());
    cor_json_set(t, "containerID", cor_json_fmt("containerd://%s", end->id == NULL ? "" : end->id));
    cor_json_set(state, "terminated", t);
    return state;
}

static bool is_up(const struct run_container *c)
{
    return (c->state == RUN_RUNNING && !run_is_hooked(c)) ||
           (c->state == RUN_UNKNOWN && c->end.started_ns > 0);
}

static bool will_restart(const struct run *run, size_t index)
{
    return run->over == NULL && run->want == RUN_WANT_RUN && run_restarts(run, index);
}

static const char *default_wait(const struct run *run)
{
    return run->pod->init_count > 0 ? "PodInitializing" : "ContainerCreating";
}

static struct cor_json *last_state(const struct run_container *c)
{
    return c->last.id != NULL ? terminated(&c->last) : cor_json_object();
}

static void set_states(const struct run *run, size_t index, struct cor_json *out)
{
    const struct run_container *c = &run->containers[index];
    if (is_up(c)) {
        cor_json_set(out, "state", running(c));
        cor_json_set(out, "lastState", last_state(c));
    } else if (c->state == RUN_EXITED && c->wait_reason != NULL && will_restart(run, index)) {
        cor_json_set(out, "state", waiting(c->wait_reason, c->wait_message));
        cor_json_set(out, "lastState", terminated(&c->end));
    } else if (c->state == RUN_EXITED) {
        cor_json_set(out, "state", terminated(&c->end));
        cor_json_set(out, "lastState", last_state(c));
    } else {
        const char *reason = c->wait_reason != NULL ? c->wait_reason : default_wait(run);
        cor_json_set(out, "state", waiting(reason, c->wait_message));
        cor_json_set(out, "lastState", last_state(c));
    }
}

static int64_t restarts_of(const struct run_container *c)
{
    if (c->state != RUN_NONE) {
        return c->attempt;
    }
    return c->next_attempt > 0 && !c->renewed ? (int64_t)c->next_attempt - 1 : c->next_attempt;
}

static bool is_ready(const struct run *run, size_t index)
{
    const struct run_container *c = &run->containers[index];
    if (pod_is_init(run->pod, index) && !pod_container(run->pod, index)->sidecar) {
        return phase_is_complete(run, index);
    }
    return !pod_is_ephemeral(run->pod, index) && is_up(c) && run_seems_ready(run, index);
}

static struct cor_json *container_status(const struct run *run, size_t index)
{
    const struct run_container *c = &run->containers[index];
    const struct pod_container *spec = pod_container(run->pod, index);
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "name", cor_json_str(spec->name));
    set_states(run, index, out);
    cor_json_set(out, "ready", cor_json_bool(is_ready(run, index)));
    cor_json_set(out, "restartCount", cor_json_int(restarts_of(c)));
    cor_json_set(out, "image", cor_json_str(spec->image));
    cor_json_set(out, "imageID", cor_json_str(c->image_ref == NULL ? "" : c->image_ref));
    if (c->id != NULL) {
        cor_json_set(out, "containerID", cor_json_fmt("containerd://%s", c->id));
    }
    cor_json_set(out, "started", cor_json_bool(is_up(c) && run_has_started(run, index)));
    return out;
}

static const struct cor_json *condition_before(const struct cor_json *previous, const char *type)
{
    const struct cor_json *list = cor_json_get(previous, "conditions");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *condition = cor_json_item(list, i);
        if (strcmp(cor_json_str_at(condition, "type", ""), type) == 0) {
            return condition;
        }
    }
    return NULL;
}

/* What a condition says. */
struct condition {
    const char *type;
    bool is_true;
    const char *reason;  /* NULL: none */
    const char *message; /* NULL: none */
};

static void add_condition(struct cor_json *list, struct condition c,
                          const struct cor_json *previous, struct cor_wall now)
{
    const struct cor_json *before = condition_before(previous, c.type);
    const char *status = c.is_true ? "True" : "False";
    const char *since = cor_json_str_at(before, "lastTransitionTime", "");
    bool same = before != NULL && strcmp(cor_json_str_at(before, "status", ""), status) == 0 &&
                since[0] != '\0';
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "type", cor_json_str(c.type));
    cor_json_set(out, "status", cor_json_str(status));
    cor_json_set(out, "lastProbeTime", cor_json_null());
    cor_json_set(out, "lastTransitionTime", same ? cor_json_str(since) : time_of(now.us * 1000));
    cor_json_set(out, "reason", c.reason != NULL ? cor_json_str(c.reason) : cor_json_null());
    cor_json_set(out, "message", c.message != NULL ? cor_json_str(c.message) : cor_json_null());
    cor_json_add(list, out);
}

/* Sidecars count as main containers here. */
static bool lacks_ready(const struct run *run, size_t index)
{
    bool init = pod_is_init(run->pod, index) && !pod_container(run->pod, index)->sidecar;
    return !init && !pod_is_ephemeral(run->pod, index) && !is_ready(run, index);
}

static bool lacks_init(const struct run *run, size_t index)
{
    return pod_is_init(run->pod, index) && !phase_is_complete(run, index);
}

/* "containers with <what> status: [a b]" of those that lack it; "" when none does. */
static char *unready(const struct run *run, bool (*lacks)(const struct run *run, size_t index),
                     const char *what)
{
    struct cor_buf text = {0};
    for (size_t i = 0; i < run->count; i++) {
        if (lacks(run, i)) {
            cor_buf_fmt(&text, "%s%s", text.len == 0 ? "" : " ", pod_container(run->pod, i)->name);
        }
    }
    char *out = text.len == 0 ? cor_strdup("")
                              : cor_sprintf("containers with %s status: [%s]", what, text.data);
    cor_buf_free(&text);
    return out;
}

static void fill_ready(struct condition *c, const char *phase, const char *unready_text)
{
    if (strcmp(phase, "Succeeded") == 0) {
        *c = (struct condition){c->type, false, "PodCompleted", NULL};
    } else if (strcmp(phase, "Failed") == 0) {
        *c = (struct condition){c->type, false, "PodFailed", NULL};
    } else if (unready_text[0] != '\0') {
        *c = (struct condition){c->type, false, "ContainersNotReady", unready_text};
    } else {
        *c = (struct condition){c->type, true, NULL, NULL};
    }
}

static struct condition initialized(const struct run *run, const char *phase,
                                    const char *unready_text)
{
    size_t init = run->pod->init_count;
    bool done = phase_next_init(run) == init || strcmp(phase, "Succeeded") == 0;
    for (size_t i = init; i < pod_main_end(run->pod);
         i++) { /* a main container ran: the init ones had completed */
        done = done || run->containers[i].state != RUN_NONE;
    }
    if (!done) {
        return (struct condition){"Initialized", false, "ContainersNotInitialized", unready_text};
    }
    const char *reason = strcmp(phase, "Succeeded") == 0 ? "PodCompleted" : NULL;
    return (struct condition){"Initialized", true, reason, NULL};
}

static struct cor_json *conditions(const struct run *run, const char *phase,
                                   const struct cor_json *previous, struct cor_wall now)
{
    auto_(cor_freep) char *main_text = unready(run, lacks_ready, "unready");
    auto_(cor_freep) char *init_text = unready(run, lacks_init, "incomplete");
    struct condition ready = {.type = "Ready"};
    struct condition containers = {.type = "ContainersReady"};
    auto_(cor_freep) char *gates_text = gates_closed(run->pod, run->gates);
    fill_ready(&ready, phase, main_text);
    fill_ready(&containers, phase, main_text);
    if (ready.is_true && gates_text[0] != '\0') {
        ready = (struct condition){ready.type, false, "ReadinessGatesNotReady", gates_text};
    }
    const struct condition all[] = {
        {"PodReadyToStartContainers", run->sandbox.state == RUN_BOX_READY && run->sandbox.read,
         NULL, NULL},
        initialized(run, phase, init_text),
        ready,
        containers,
        {"PodScheduled", true, NULL, NULL},
    };
    struct cor_json *list = cor_json_array();
    for (size_t i = 0; i < COR_COUNT(all); i++) {
        add_condition(list, all[i], previous, now);
    }
    if (run->held) {
        add_condition(list,
                      (struct condition){HELD, true, "HoldUpgradeEnabled",
                                         "Upgrade is currently held due to edge-hold-upgrade "
                                         "annotation"},
                      previous, now);
    }
    if (run->disrupted) {
        add_condition(
            list,
            (struct condition){"DisruptionTarget", true, "TerminationByKubelet", run->over_message},
            previous, now);
    }
    return list;
}

static void set_ips(struct cor_json *out, const char *one, const char *many, const char *const *ips,
                    size_t count)
{
    if (count == 0) {
        return;
    }
    struct cor_json *list = cor_json_array();
    for (size_t i = 0; i < count; i++) {
        struct cor_json *entry = cor_json_object();
        cor_json_set(entry, "ip", cor_json_str(ips[i]));
        cor_json_add(list, entry);
    }
    cor_json_set(out, one, cor_json_str(ips[0]));
    cor_json_set(out, many, list);
}

static void set_addresses(struct cor_json *out, const struct run *run, const struct facts *facts)
{
    set_ips(out, "hostIP", "hostIPs", facts->host_ips, facts->host_ip_count);
    if (run->pod->host_network) {
        set_ips(out, "podIP", "podIPs", facts->host_ips, facts->host_ip_count);
        return;
    }
    const char *ips[CRI_IPS_MAX];
    for (size_t i = 0; i < run->sandbox.ip_count; i++) {
        ips[i] = run->sandbox.ips[i];
    }
    set_ips(out, "podIP", "podIPs", ips, run->sandbox.ip_count);
}

static void set_containers(struct cor_json *out, const struct run *run)
{
    const struct pod *pod = run->pod;
    struct cor_json *first = cor_json_array();
    struct cor_json *main = cor_json_array();
    struct cor_json *last = cor_json_array();
    for (size_t i = 0; i < run->count; i++) {
        struct cor_json *other = pod_is_ephemeral(pod, i) ? last : main;
        cor_json_add(pod_is_init(pod, i) ? first : other, container_status(run, i));
    }
    cor_json_set(out, "initContainerStatuses", pod->init_count > 0 ? cor_json_ref(first) : NULL);
    cor_json_set(out, "containerStatuses", cor_json_ref(main));
    cor_json_set(out, "ephemeralContainerStatuses",
                 pod->ephemeral_count > 0 ? cor_json_ref(last) : NULL);
    cor_json_free(&first);
    cor_json_free(&main);
    cor_json_free(&last);
}

struct cor_json *status_build(const struct run *run, const struct facts *facts,
                              const struct cor_json *previous, struct cor_wall now)
{
    const char *phase = phase_of(run);
    const char *since = cor_json_str_at(previous, "startTime", "");
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "phase", cor_json_str(phase));
    cor_json_set(out, "conditions", conditions(run, phase, previous, now));
    if (run->over_reason != NULL) {
        cor_json_set(out, "reason", cor_json_str(run->over_reason));
        cor_json_set(out, "message", cor_json_str(run->over_message));
    }
    set_addresses(out, run, facts);
    cor_json_set(out, "startTime", since[0] != '\0' ? cor_json_str(since) : time_of(now.us * 1000));
    set_containers(out, run);
    cor_json_set(out, "qosClass", cor_json_str(pod_qos_name(run->pod->qos)));
    return out;
}

struct cor_json *status_failed(const char *reason, const char *message, struct cor_wall now)
{
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "phase", cor_json_str("Failed"));
    cor_json_set(out, "reason", cor_json_str(reason));
    cor_json_set(out, "message", cor_json_str(message));
    cor_json_set(out, "startTime", time_of(now.us * 1000));
    return out;
}

/* Lists that merge by "ip" (patchStrategy of PodStatus): what is not told to go stays. */
static const char *const ADDRESSES[] = {"podIPs", "hostIPs"};

static bool has_ip(const struct cor_json *list, const char *ip)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (strcmp(cor_json_str_at(cor_json_item(list, i), "ip", ""), ip) == 0) {
            return true;
        }
    }
    return false;
}

static void drop_old(struct cor_json *list, const struct cor_json *old)
{
    for (size_t i = 0; i < cor_json_count(old); i++) {
        const char *ip = cor_json_str_at(cor_json_item(old, i), "ip", "");
        if (!has_ip(list, ip)) {
            struct cor_json *directive = cor_json_object();
            cor_json_set(directive, "$patch", cor_json_str("delete"));
            cor_json_set(directive, "ip", cor_json_str(ip));
            cor_json_add(list, directive);
        }
    }
}

/* A condition that others' words do not follow: once told it stays until it is told to go. */
static void drop_held(struct cor_json *status, const struct cor_json *known)
{
    struct cor_json *list = cor_json_get(status, "conditions");
    if (condition_before(known, HELD) != NULL && condition_before(status, HELD) == NULL &&
        list != NULL) {
        struct cor_json *directive = cor_json_object();
        cor_json_set(directive, "$patch", cor_json_str("delete"));
        cor_json_set(directive, "type", cor_json_str(HELD));
        cor_json_add(list, directive);
    }
}

static struct cor_json *patch_of(const char *uid, struct cor_json *status)
{
    struct cor_json *out = cor_json_object();
    cor_json_set_at(out, "metadata.uid", cor_json_str(uid));
    cor_json_set(out, "status", status);
    return out;
}

struct cor_json *status_patch(const char *uid, const struct cor_json *status,
                              const struct cor_json *known)
{
    struct cor_json *copy = cor_json_copy(status);
    for (size_t i = 0; i < COR_COUNT(ADDRESSES); i++) {
        struct cor_json *list = cor_json_get(copy, ADDRESSES[i]);
        if (list != NULL) {
            drop_old(list, cor_json_get(known, ADDRESSES[i]));
        }
    }
    drop_held(copy, known);
    return patch_of(uid, copy);
}

struct cor_json *status_clear(const char *uid)
{
    struct cor_json *status = cor_json_object();
    for (size_t i = 0; i < COR_COUNT(ADDRESSES); i++) {
        cor_json_set(status, ADDRESSES[i], cor_json_null());
    }
    cor_json_set(status, "podIP", cor_json_null()); /* the server makes a list of it again */
    return patch_of(uid, status);
}
