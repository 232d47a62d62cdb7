// SPDX-License-Identifier: Apache-2.0
#include "mirrors.h"

#include <string.h>

#include "common/base/mem.h"
#include "manifest.h"

enum { AGAIN_FIRST_MS = 500, AGAIN_LAST_MS = 60000, OBJECT_MAX = 4 * 1024 * 1024 };

struct mirrors {
    struct agent *agent;
    struct cor_map *all; /* key to struct mirror, owned */
};

struct mirror {
    struct mirrors *mirrors;
    char *key;
    struct cor_json *object; /* what the API has; NULL: nothing */
    bool mentioned;          /* in this session */
    bool busy;               /* a call is under way */
    int64_t again_us;        /* back-off */
    struct cor_timer *again;
};

static void look(struct mirror *mirror);

static void on_again(void *self)
{
    look(self);
}

static void mirror_free(void *value)
{
    struct mirror *mirror = value;
    cor_timer_free(&mirror->again);
    cor_json_free(&mirror->object);
    cor_free(mirror->key);
    cor_free(mirror);
}

static struct mirror *mirror_of(struct mirrors *mirrors, struct cor_view key)
{
    struct mirror *mirror = cor_map_get(mirrors->all, key);
    if (mirror == NULL) {
        mirror = cor_alloc(sizeof(*mirror));
        mirror->mirrors = mirrors;
        mirror->key = cor_view_dup(key);
        mirror->again = cor_timer_new(mirrors->agent->loop, on_again, mirror);
        cor_map_set(mirrors->all, key, mirror);
    }
    return mirror;
}

static struct cor_view uid_of(const struct mirror *mirror)
{
    return cor_json_as_view(cor_json_at(mirror->object, "metadata.uid"));
}

/* ---- calls ---- */

static void again_later(struct mirror *mirror)
{
    int64_t us = mirror->again_us == 0 ? COR_MS(AGAIN_FIRST_MS) : mirror->again_us * 2;
    mirror->again_us = us > COR_MS(AGAIN_LAST_MS) ? COR_MS(AGAIN_LAST_MS) : us;
    cor_timer_start(mirror->again, mirror->again_us);
}

/* What went wrong is told, but that the cloud is away. */
static void failed(struct mirror *mirror, const char *event, int status, struct cor_view body)
{
    if (status != 0 && status != 503) {
        LOGW(mirror->mirrors->agent->log, event, "pod=%s status=%d answer=%s", mirror->key, status,
             cor_log_esc(body));
    }
    again_later(mirror);
}

static bool is_as_wanted(const struct mirror *mirror, const struct cor_json *object)
{
    const struct agent_pod *pod = agent_find_static(mirror->mirrors->agent, mirror->key);
    return pod == NULL || strcmp(manifest_hash(object), pod->uid) == 0;
}

static void on_made(void *self, int status, struct cor_view body)
{
    struct mirror *mirror = self;
    auto_(cor_json_free) struct cor_json *object = NULL;
    mirror->busy = false;
    if (status / 100 != 2) {
        failed(mirror, "edged.mirror-not-made", status, body);
        return;
    }
    bool read = cor_json_parse(body, OBJECT_MAX, 0, &object, NULL) == COR_OK;
    if (read && is_as_wanted(mirror, object)) {
        mirror->again_us = 0;
    } else { /* somebody in between has changed it: not at full speed */
        again_later(mirror);
    }
    if (mirror->object == NULL && manifest_is_mirror(object)) {
        mirrors_put(mirror->mirrors, cor_view_of(mirror->key), object);
    } else {
        look(mirror);
    }
}

static void make(struct mirror *mirror, const struct agent_pod *pod)
{
    struct agent *agent = mirror->mirrors->agent;
    const char *node_uid = registrar_uid(agent->registrar);
    if (pod == NULL || node_uid[0] == '\0') {
        return; /* without a Node: registrar_node looks again */
    }
    auto_(cor_json_free) struct cor_json *object =
        manifest_mirror(pod->pod->object, agent->cfg->node_name, node_uid);
    auto_(cor_freep) char *text = cor_json_text(object);
    mirror->busy =
        meta_call(agent->meta, PX_VERB_CREATE, mirror->key, 0, cor_view_of(text), on_made, mirror);
    if (!mirror->busy) {
        again_later(mirror);
    }
}

static void on_deleted(void *self, int status, struct cor_view body)
{
    struct mirror *mirror = self;
    mirror->busy = false;
    if (status / 100 == 2 || status == 404 || status == 409) {
        mirror->again_us = 0;
        cor_json_free(&mirror->object);
        look(mirror);
    } else {
        failed(mirror, "edged.mirror-not-deleted", status, body);
    }
}

/* At once, and only this very one. */
static void unmake(struct mirror *mirror)
{
    struct agent *agent = mirror->mirrors->agent;
    auto_(cor_json_free) struct cor_json *options = cor_json_object();
    cor_json_set(options, "gracePeriodSeconds", cor_json_int(0));
    cor_json_set_at(options, "preconditions.uid", cor_json_view(uid_of(mirror)));
    auto_(cor_freep) char *text = cor_json_text(options);
    mirror->busy = meta_call(agent->meta, PX_VERB_DELETE, mirror->key, 0, cor_view_of(text),
                             on_deleted, mirror);
    if (!mirror->busy) {
        again_later(mirror);
    }
}

/* ---- what follows ---- */

static bool is_leaving(const struct mirror *mirror)
{
    return !cor_json_is_null(cor_json_at(mirror->object, "metadata.deletionTimestamp"));
}

/* The Pod is reported to its own mirror, not to one of what it was before. */
static void show(const struct mirror *mirror, struct agent_pod *pod)
{
    bool own = mirror->object != NULL && strcmp(manifest_hash(mirror->object), pod->uid) == 0;
    report_to(pod, own ? mirror->object : NULL);
    run_told_status(pod->run, own ? cor_json_get(mirror->object, "status") : NULL);
    agent_touch(pod);
}

static void look(struct mirror *mirror)
{
    struct agent *agent = mirror->mirrors->agent;
    struct agent_pod *pod = agent_find_static(agent, mirror->key);
    const struct manifest_wish wish = {.hash = pod == NULL ? NULL : pod->uid,
                                       .ending = pod != NULL && !pod->desired};
    const struct manifest_shown shown = {
        .hash = mirror->object == NULL ? NULL : manifest_hash(mirror->object),
        .leaving = is_leaving(mirror)};
    if (pod != NULL) {
        show(mirror, pod);
    }
    if (mirror->busy || cor_timer_running(mirror->again) || !agent->link || !agent->desired_known) {
        return;
    }
    switch (manifest_next(&wish, &shown)) {
    case MANIFEST_CREATE:
        make(mirror, pod);
        break;
    case MANIFEST_DELETE:
        unmake(mirror);
        break;
    case MANIFEST_NOTHING:
        if (pod == NULL && mirror->object == NULL) {
            (void)cor_map_del(mirror->mirrors->all, cor_view_of(mirror->key));
        }
        break;
    }
}

void mirrors_look(struct mirrors *mirrors, const char *key)
{
    if (mirrors != NULL) {
        look(mirror_of(mirrors, cor_view_of(key)));
    }
}

void mirrors_look_at_all(struct mirrors *mirrors)
{
    size_t at = 0;
    void *value = NULL;
    while (mirrors != NULL && cor_map_next(mirrors->all, &at, NULL, &value)) {
        struct mirror *mirror = value;
        cor_timer_stop(mirror->again);
        mirror->again_us = 0;
        look(mirror);
    }
}

void mirrors_put(struct mirrors *mirrors, struct cor_view key, const struct cor_json *object)
{
    struct mirror *mirror = mirror_of(mirrors, key);
    cor_json_free(&mirror->object);
    mirror->object = cor_json_copy(object);
    mirror->mentioned = true;
    look(mirror);
}

void mirrors_gone(struct mirrors *mirrors, struct cor_view key, struct cor_view uid)
{
    struct mirror *mirror = mirrors == NULL ? NULL : cor_map_get(mirrors->all, key);
    if (mirror != NULL && mirror->object != NULL &&
        (uid.len == 0 || cor_view_eq(uid, uid_of(mirror)))) {
        cor_json_free(&mirror->object);
        look(mirror);
    }
}

void mirrors_session_begin(struct mirrors *mirrors)
{
    size_t at = 0;
    void *value = NULL;
    while (mirrors != NULL && cor_map_next(mirrors->all, &at, NULL, &value)) {
        ((struct mirror *)value)->mentioned = false;
    }
}

void mirrors_session_done(struct mirrors *mirrors)
{
    size_t at = 0;
    void *value = NULL;
    while (mirrors != NULL && cor_map_next(mirrors->all, &at, NULL, &value)) {
        struct mirror *mirror = value;
        if (!mirror->mentioned) {
            cor_json_free(&mirror->object);
        }
        look(mirror);
    }
}

struct mirrors *mirrors_new(struct agent *agent)
{
    struct mirrors *mirrors = cor_alloc(sizeof(*mirrors));
    mirrors->agent = agent;
    mirrors->all = cor_map_new(mirror_free);
    return mirrors;
}

void mirrors_free(struct mirrors **mirrors)
{
    if (*mirrors != NULL) {
        cor_map_free(&(*mirrors)->all);
        cor_freep(mirrors);
    }
}
