// SPDX-License-Identifier: Apache-2.0
#include "statics.h"

#include <string.h>

#include "common/base/mem.h"
#include "folder.h"
#include "kept.h"
#include "manifest.h"
#include "mirrors.h"

struct statics {
    struct agent *agent;
    struct folder *folder;
    char *kept;             /* folder of the manifests' last good forms */
    struct cor_map *files;  /* path to struct wanted, owned */
    bool shadowed;          /* a file was refused because another one has its Pod */
    struct cor_timer *look; /* looks at all files again */
};

/* What a file wants. */
struct wanted {
    char *key;            /* "<ns>/pod/<name>" */
    struct cor_json *pod; /* owned */
};

static void wanted_free(void *value)
{
    struct wanted *wanted = value;
    cor_free(wanted->key);
    cor_json_free(&wanted->pod);
    cor_free(wanted);
}

static struct wanted *wanted_of(struct cor_json *pod)
{
    struct wanted *wanted = cor_alloc(sizeof(*wanted));
    wanted->key = cor_sprintf("%s/pod/%s", cor_json_str_at(pod, "metadata.namespace", ""),
                              cor_json_str_at(pod, "metadata.name", ""));
    wanted->pod = pod;
    return wanted;
}

/* The file that wants the Pod; an absent view: none. */
static struct cor_view file_of(const struct statics *statics, const char *key)
{
    size_t at = 0;
    struct cor_view path;
    void *value = NULL;
    while (cor_map_next(statics->files, &at, &path, &value)) {
        if (strcmp(((const struct wanted *)value)->key, key) == 0) {
            return path;
        }
    }
    return (struct cor_view){0};
}

/* One of that name that is there still ends first; statics_buried goes on. */
static void begin(struct statics *statics, struct cor_view path, const struct wanted *wanted)
{
    struct agent *agent = statics->agent;
    if (agent_find_static(agent, wanted->key) != NULL) {
        agent_drop_static(agent, wanted->key);
        return;
    }
    LOGI(agent->log, "edged.static-pod", "pod=%s file=%s", wanted->key, cor_log_esc(path));
    agent_put_static(agent, wanted->pod);
    mirrors_look(agent->mirrors, wanted->key);
}

void statics_buried(struct statics *statics, const char *key)
{
    struct cor_view path = statics == NULL ? (struct cor_view){0} : file_of(statics, key);
    if (path.ptr != NULL) {
        begin(statics, path, cor_map_get(statics->files, path));
    } else if (statics != NULL) {
        mirrors_look(statics->agent->mirrors, key);
    }
}

/* ---- what the folder says ---- */

static void refuse(struct statics *statics, const char *path, const char *why)
{
    LOGW(statics->agent->log, "edged.manifest-refused", "file=%s error=%s",
         cor_log_esc(cor_view_of(path)), cor_log_esc(cor_view_of(why)));
}

static void end(struct statics *statics, struct cor_view path)
{
    struct wanted *old = cor_map_take(statics->files, path);
    if (old != NULL) {
        agent_drop_static(statics->agent, old->key);
        wanted_free(old);
    }
}

/* The file wants pod (taken). False: another file has that one. */
static bool accept(struct statics *statics, const char *path, struct cor_json *pod)
{
    struct cor_view place = cor_view_of(path);
    struct wanted *now = wanted_of(pod);
    const struct wanted *old = cor_map_get(statics->files, place);
    struct cor_view other = file_of(statics, now->key);
    if (old != NULL && strcmp(manifest_hash(old->pod), manifest_hash(pod)) == 0) {
        wanted_free(now);
        return true;
    }
    if (other.ptr != NULL && !cor_view_eq(other, place)) {
        auto_(cor_freep) char *why =
            cor_sprintf("%s is the Pod of %.*s already", now->key, COR_VIEW_ARG(other));
        refuse(statics, path, why);
        statics->shadowed = true;
        wanted_free(now);
        return false;
    }
    end(statics, place);
    cor_map_set(statics->files, place, now);
    begin(statics, place, now);
    return true;
}

static enum cor_code read_manifest(const struct statics *statics, const char *path,
                                   struct cor_view text, struct cor_json **pod_r,
                                   struct cor_err *err)
{
    return manifest_read(text, path, statics->agent->cfg->node_name, cor_wall_now(), pod_r, err);
}

/* What the file was when it was good last. */
static void take_kept(struct statics *statics, const char *path)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_json *pod = NULL;
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = kept_get(statics->kept, path, &text, &err);
    if (code == COR_NOTFOUND) {
        return; /* it never was */
    }
    if (code == COR_OK) {
        code = read_manifest(statics, path, cor_buf_as_view(&text), &pod, &err);
    }
    if (code == COR_OK) {
        (void)accept(statics, path, pod);
    } else {
        refuse(statics, path, err.text);
    }
}

/* The file is there, but says nothing that can be run: its Pod goes on, and says why. */
static void go_on_without(struct statics *statics, const char *path, const char *why)
{
    const struct wanted *wanted = NULL;
    struct agent_pod *pod = NULL;
    refuse(statics, path, why);
    if (cor_map_get(statics->files, cor_view_of(path)) == NULL) {
        take_kept(statics, path);
    }
    wanted = cor_map_get(statics->files, cor_view_of(path));
    pod = wanted == NULL ? NULL : agent_find_static(statics->agent, wanted->key);
    if (pod != NULL) {
        run_note(pod->run, true, "FailedValidation", RUN_NO_CONTAINER,
                 "Error validating pod %s from file, ignoring: %s: %s", pod->key, path, why);
        agent_touch(pod);
    }
}

static void on_file(void *self, const char *path, struct cor_view text)
{
    struct statics *statics = self;
    struct cor_json *pod = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (read_manifest(statics, path, text, &pod, &err) != COR_OK) {
        go_on_without(statics, path, err.text);
    } else if (accept(statics, path, pod) && kept_put(statics->kept, path, text, &err) != COR_OK) {
        LOGE(statics->agent->log, "edged.manifest-not-kept", "file=%s error=%s",
             cor_log_esc(cor_view_of(path)), cor_log_esc(cor_view_of(err.text)));
    }
}

static void on_unreadable(void *self, const char *path, const struct cor_err *err)
{
    go_on_without(self, path, err->text);
}

static void on_gone(void *self, const char *path)
{
    struct statics *statics = self;
    kept_drop(statics->kept, path);
    end(statics, cor_view_of(path));
    if (statics->shadowed) { /* another file may have the Pod now */
        statics->shadowed = false;
        cor_timer_start(statics->look, 0);
    }
}

static void on_look(void *self)
{
    struct statics *statics = self;
    if (statics->folder != NULL) {
        folder_look(statics->folder);
    }
}

/* ---- */

/* A form is kept: its file is looked for. Those of another folder are nobody's any more. */
static void on_kept(void *self, const char *path)
{
    struct statics *statics = self;
    const char *dir = statics->agent->cfg->static_dir;
    size_t len = strlen(dir);
    if (dir[0] == '\0' || strncmp(path, dir, len) != 0 || path[len] != '/' ||
        strchr(path + len + 1, '/') != NULL) {
        kept_drop(statics->kept, path);
    } else if (statics->folder != NULL) {
        folder_know(statics->folder, path + len + 1);
    } else {
        go_on_without(statics, path, "the folder is not watched");
    }
}

struct statics *statics_new(struct agent *agent)
{
    static const struct folder_events events = {on_file, on_unreadable, on_gone};
    struct statics *statics = cor_alloc(sizeof(*statics));
    struct cor_err err = COR_ERR_NONE;
    const char *path = agent->cfg->static_dir;
    statics->agent = agent;
    statics->kept = cor_sprintf("%s/static-pods", agent->cfg->root_dir);
    statics->files = cor_map_new(wanted_free);
    statics->look = cor_timer_new(agent->loop, on_look, statics);
    if (path[0] != '\0' && folder_open(agent->loop, agent->log, path, &events, statics,
                                       &statics->folder, &err) != COR_OK) {
        LOGE(agent->log, "edged.manifests-not-watched", "error=%s",
             cor_log_esc(cor_view_of(err.text)));
    }
    kept_each(statics->kept, on_kept, statics);
    on_look(statics);
    return statics;
}

void statics_free(struct statics **statics)
{
    if (*statics != NULL) {
        folder_close(&(*statics)->folder);
        cor_timer_free(&(*statics)->look);
        cor_map_free(&(*statics)->files);
        cor_free((*statics)->kept);
        cor_freep(statics);
    }
}
