// SPDX-License-Identifier: Apache-2.0
#include "hold.h"

#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "services/edged/admit/admission.h"

bool hold_is_marked(const struct cor_json *object)
{
    const struct cor_json *mark =
        cor_json_get(cor_json_at(object, "metadata.annotations"), "edge.kubeedge.io/hold-upgrade");
    return strcmp(cor_json_as_str(mark, ""), "true") == 0;
}

bool hold_begins(const struct cor_json *object, const struct cor_json *status)
{
    const char *phase = cor_json_str_at(status, "phase", "Pending");
    return hold_is_marked(object) && strcmp(phase, "Pending") == 0 &&
           cor_json_is_null(cor_json_at(object, "metadata.deletionTimestamp"));
}

/* It goes with the Pod's folder. */
static char *mark_of(const struct agent_pod *pod)
{
    return cor_sprintf("%s/pods/%s/released", pod->agent->cfg->root_dir, pod->uid);
}

void hold_judge(struct agent_pod *pod, const struct cor_json *status)
{
    auto_(cor_freep) char *mark = mark_of(pod);
    pod->run->held = hold_begins(pod->pod->object, status) && access(mark, F_OK) != 0;
    if (pod->run->held) {
        LOGI(pod->agent->log, "edged.pod-held", "pod=%s", pod->key);
    }
}

/* Who let it go was told so: it counts for the edged after this one, too. */
static void remember(const struct agent_pod *pod)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *mark = mark_of(pod);
    auto_(cor_freep) char *folder = cor_sprintf("%s/pods/%s", pod->agent->cfg->root_dir, pod->uid);
    if (cor_mkdirs(folder, 0750, &err) != COR_OK ||
        cor_file_write(mark, COR_VIEW(""), 0600, &err) != COR_OK) {
        LOGW(pod->agent->log, "edged.release-not-kept", "pod=%s error=%s", pod->key,
             cor_log_esc(cor_view_of(err.text)));
    }
}

static bool was_started(const struct run *run)
{
    bool started = run->sandbox.id != NULL;
    for (size_t i = 0; i < run->count; i++) {
        started = started || run->containers[i].id != NULL;
    }
    return started;
}

bool hold_keeps(struct agent_pod *pod)
{
    struct run *run = pod->run;
    if (run->want != RUN_WANT_RUN || run->over != NULL || was_started(run)) {
        run->held = false;
    }
    return run->held;
}

/* Whether the node can take it is judged now: what it was to replace may be gone. */
static void let_go(struct agent_pod *pod)
{
    pod->run->held = false;
    remember(pod);
    LOGI(pod->agent->log, "edged.pod-released", "pod=%s", pod->key);
    admission_judge(pod, NULL);
    agent_touch(pod);
}

void hold_updated(struct agent_pod *pod)
{
    if (pod->run->held && !hold_is_marked(pod->pod->object)) {
        let_go(pod);
    }
}

static bool is_meant(struct agent_pod *pod, const char *ns, const char *name)
{
    return pod->desired && hold_keeps(pod) && (ns == NULL || strcmp(pod->pod->ns, ns) == 0) &&
           (name == NULL || strcmp(pod->pod->name, name) == 0);
}

/* Those of the namespace (NULL: all) with the name (NULL: all). Returns how many. */
static size_t release(struct agent *agent, const char *ns, const char *name, struct cor_json *list)
{
    size_t at = 0;
    size_t count = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        if (is_meant(pod, ns, name)) {
            let_go(pod);
            count++;
            cor_json_add(list, cor_json_fmt("%s/%s", pod->pod->ns, pod->pod->name));
        }
    }
    return count;
}

static enum cor_code unhold(struct agent *agent, const struct cor_json *args, struct cor_json *list,
                            struct cor_err *err)
{
    struct cor_view name = cor_json_as_view(cor_json_get(args, "pod"));
    const char *node = cor_json_str_at(args, "node", NULL);
    struct cor_view ns = {0};
    if (node != NULL && strcmp(node, agent->cfg->node_name) != 0) {
        return cor_err_set(err, COR_NOTFOUND, "this is node %s", agent->cfg->node_name);
    }
    if (node != NULL || cor_json_bool_at(args, "all", false)) {
        (void)release(agent, NULL, NULL, list);
        return COR_OK;
    }
    if (!cor_view_split(&name, '/', &ns) || name.len == 0 || ns.len == 0) {
        return cor_err_set(err, COR_INVALID, "expected pod: NS/NAME, node, or all");
    }
    auto_(cor_freep) char *space = cor_view_dup(ns);
    auto_(cor_freep) char *last = cor_view_dup(name);
    return release(agent, space, last, list) > 0
               ? COR_OK
               : cor_err_set(err, COR_NOTFOUND, "pod %.60s/%.100s is not held", space, last);
}

enum cor_code hold_ctl(void *self, struct cor_ctl_in *in, struct cor_view args,
                       struct cor_buf *result, struct cor_err *err)
{
    (void)in;
    auto_(cor_json_free) struct cor_json *json = NULL;
    auto_(cor_json_free) struct cor_json *answer = cor_json_object();
    struct cor_json *list = cor_json_array();
    cor_json_set(answer, "released", list);
    enum cor_code code = cor_json_parse(args, 4096, 0, &json, err);
    code = code == COR_OK ? unhold(self, json, list, err) : code;
    if (code == COR_OK) {
        cor_json_write(answer, result);
    }
    return code;
}
