// SPDX-License-Identifier: Apache-2.0
// How pods stand, for the API: one call of a pod under way, newest state wins, retried until it is
// there.
#include <string.h>

#include "agent.h"
#include "common/base/mem.h"
#include "services/edged/run/status.h"

/* What changes only conditions or addresses may wait a moment for what follows. */
enum { SOON_MS = 300, RETRY_FIRST_MS = 500, RETRY_LAST_MS = 10000, INVALID = 422 };

/* Who is reported to. */
static const char *uid_of(const struct agent_pod *pod)
{
    return pod->is_static ? pod->mirror : pod->uid;
}

static void retry_later(struct agent_pod *pod)
{
    pod->report_us = pod->report_us == 0 ? COR_MS(RETRY_FIRST_MS) : pod->report_us * 2;
    pod->report_us =
        pod->report_us > COR_MS(RETRY_LAST_MS) ? COR_MS(RETRY_LAST_MS) : pod->report_us;
    pod->report_waits = true;
    cor_timer_start(pod->report, pod->report_us);
}

void report_timer(void *self)
{
    struct agent_pod *pod = self;
    pod->report_waits = false;
    agent_touch(pod);
}

static bool is_temporary(int status)
{
    return status == 0 || status == 429 || status >= 500;
}

static enum books_end end_of(int status)
{
    return is_temporary(status) ? BOOKS_AGAIN : status / 100 == 2 ? BOOKS_ARRIVED : BOOKS_REFUSED;
}

static void on_cleared(void *self, int status, struct cor_view body)
{
    (void)status; /* what was refused is tried once more in any case */
    (void)body;
    struct agent_pod *pod = self;
    known_set(pod, NULL);
    cor_json_free(&pod->sending);
    agent_touch(pod);
    agent_release(pod);
}

static bool patch(struct agent_pod *pod, struct cor_json *object, meta_fn fn)
{
    auto_(cor_json_free) struct cor_json *owned = object;
    auto_(cor_freep) char *text = cor_json_text(owned);
    pod->agent->patches++;
    return meta_call(pod->agent->meta, PX_VERB_PATCH, pod->patch_key, PX_PATCH_STRATEGIC,
                     cor_view_of(text), fn, pod);
}

/* The API may have addresses that are not known here (an answer was lost): with those told it is
 * more than a Pod can have. False: this was done, or cannot be now. */
static bool clear_addresses(struct agent_pod *pod)
{
    if (pod->cleared || !patch(pod, status_clear(uid_of(pod)), on_cleared)) {
        return false;
    }
    pod->cleared = true;
    return true;
}

void report_to(struct agent_pod *pod, const struct cor_json *mirror)
{
    const char *uid = mirror == NULL ? NULL : cor_json_str_at(mirror, "metadata.uid", "");
    bool same = uid != NULL && pod->mirror != NULL && strcmp(uid, pod->mirror) == 0;
    if (same || (uid == NULL && pod->mirror == NULL)) {
        return;
    }
    cor_free(pod->mirror);
    pod->mirror = uid == NULL ? NULL : cor_strdup(uid);
    pod->remirrored = pod->sending != NULL;
    if (uid == NULL) {
        return;
    }
    auto_(cor_json_free) struct cor_json *status = cor_json_copy(cor_json_get(mirror, "status"));
    auto_(cor_json_free) struct cor_json *known = known_status(pod);
    struct cor_json *since = cor_json_get(known, "startTime");
    status = status == NULL ? cor_json_object() : status;
    if (cor_json_get(status, "startTime") == NULL &&
        since != NULL) { /* not the mirror's: its own */
        cor_json_set(status, "startTime", cor_json_ref(since));
    }
    known_set(pod, status);
    agent_touch(pod);
}

/* What was sent to a mirror that is none any more says nothing about the one that is. */
static bool was_for_another(struct agent_pod *pod)
{
    bool other = pod->remirrored;
    pod->remirrored = false;
    if (other) {
        cor_json_free(&pod->sending);
        pod->report_again = true;
        agent_release(pod);
    }
    return other;
}

static void on_patched(void *self, int status, struct cor_view body)
{
    struct agent_pod *pod = self;
    if (pod->remirrored) {
        books_ended(pod->agent->books.pods, &pod->status_book, BOOKS_AGAIN);
    }
    if (was_for_another(pod)) {
        return;
    }
    if (status == INVALID && clear_addresses(pod)) {
        books_ended(pod->agent->books.pods, &pod->status_book, BOOKS_AGAIN);
        return;
    }
    books_ended(pod->agent->books.pods, &pod->status_book, end_of(status));
    if (is_temporary(status)) {
        cor_json_free(&pod->sending);
        retry_later(pod);
    } else {
        /* 404, 409, 422: the API has no such pod, or another one of that name: its word will come.
         */
        if (status / 100 != 2) {
            LOGW(pod->agent->log, "edged.status-refused", "pod=%s status=%d answer=%s", pod->key,
                 status, cor_log_esc(body));
        }
        known_set(pod, pod->sending);
        cor_json_free(&pod->sending);
        pod->report_us = 0;
        pod->cleared = pod->cleared && status / 100 != 2;
        pod->report_again = false;
        pod->reported = cor_loop_now(pod->agent->loop);
    }
    agent_release(pod);
}

/* Takes status. */
static void send_status(struct agent_pod *pod, struct cor_json *status)
{
    pod->sending = status;
    agent_hold(pod);
    cor_timer_stop(pod->report);
    books_sent(pod->agent->books.pods, &pod->status_book);
    auto_(cor_json_free) struct cor_json *known = known_status(pod);
    if (!patch(pod, status_patch(uid_of(pod), status, known), on_patched)) {
        on_patched(pod, 0, (struct cor_view){0});
    }
}

static void on_deleted(void *self, int status, struct cor_view body)
{
    struct agent_pod *pod = self;
    bool gone = status == 404 || status == 409;
    pod->deleting = false;
    books_ended(pod->agent->books.deletions, &pod->delete_book,
                gone ? BOOKS_ARRIVED : end_of(status));
    if (is_temporary(status)) {
        retry_later(pod);
    } else {
        pod->deleted = true;
        pod->report_us = 0;
        if (status / 100 != 2 && !gone) {
            LOGW(pod->agent->log, "edged.delete-refused", "pod=%s status=%d answer=%s", pod->key,
                 status, cor_log_esc(body));
        }
    }
    agent_release(pod);
}

/* DeleteOptions: at once, and only this very pod. */
static void send_delete(struct agent_pod *pod)
{
    auto_(cor_json_free) struct cor_json *options = cor_json_object();
    cor_json_set(options, "gracePeriodSeconds", cor_json_int(0));
    cor_json_set_at(options, "preconditions.uid", cor_json_str(pod->uid));
    auto_(cor_freep) char *text = cor_json_text(options);
    pod->deleting = true;
    books_sent(pod->agent->books.deletions, &pod->delete_book);
    agent_hold(pod);
    if (!meta_call(pod->agent->meta, PX_VERB_DELETE, pod->key, 0, cor_view_of(text), on_deleted,
                   pod)) {
        on_deleted(pod, 0, (struct cor_view){0});
    }
}

/* What people and controllers wait for. */
static bool is_urgent(const struct cor_json *known, const struct cor_json *status)
{
    static const char *const parts[] = {"phase", "containerStatuses", "initContainerStatuses",
                                        "ephemeralContainerStatuses"};
    for (size_t i = 0; i < COR_COUNT(parts); i++) {
        if (!cor_json_equal(cor_json_get(known, parts[i]), cor_json_get(status, parts[i]))) {
            return true;
        }
    }
    return false;
}

static void report_status(struct agent_pod *pod)
{
    struct facts facts;
    (void)prepare_inputs(pod, &facts);
    auto_(cor_json_free) struct cor_json *known = known_status(pod);
    auto_(cor_json_free) struct cor_json *status =
        status_build(pod->run, &facts, known, cor_wall_now());
    if (cor_json_equal(status, known)) {
        if (pod->report_again && pod->agent->link) {
            send_status(pod, take(&status));
        }
        return;
    }
    if (!is_urgent(known, status) && !pod->report_soon) {
        pod->report_soon = true;
        cor_timer_start(pod->report, COR_MS(SOON_MS));
        return;
    }
    if (!is_urgent(known, status) && cor_timer_running(pod->report)) {
        return;
    }
    pod->report_soon = false;
    send_status(pod, take(&status));
}

void report(struct agent_pod *pod)
{
    bool removed = pod->run->want == RUN_WANT_GONE && pod->run->cleaned;
    if (pod->is_static && (pod->mirror == NULL || !pod->desired)) {
        return;
    }
    if (!pod->desired || pod->sending != NULL || pod->deleting || pod->deleted ||
        pod->report_waits) {
        return;
    }
    bool tell = pod->was_seen || !pod->pod->deleted;
    if (tell && !run_is_settling(pod->run)) {
        report_status(pod);
    }
    if (removed && pod->sending == NULL && !pod->report_waits) {
        send_delete(pod);
    }
}

/* A Pod that was deleted while nobody could tell this node: the API's answer to its status does. */
static void report_again(struct agent_pod *pod)
{
    pod->report_again = true;
    agent_touch(pod);
}

void report_old(struct agent *agent)
{
    size_t at = 0;
    void *value = NULL;
    struct cor_mono now = cor_loop_now(agent->loop);
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        if (cor_mono_since(now, pod->reported) >= COR_SEC(agent->cfg->report_seconds)) {
            report_again(pod);
        }
    }
}

void report_at_once(struct agent *agent)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        if (pod->report_waits) {
            cor_timer_stop(pod->report);
            pod->report_waits = false;
            pod->report_us = 0;
        }
        report_again(pod);
    }
}
