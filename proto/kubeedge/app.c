// SPDX-License-Identifier: Apache-2.0
#include "proto/kubeedge/app.h"

#include <ctype.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "proto/status.h"

static const char *const VERBS[] = {
    [PX_APP_GET] = "get",       [PX_APP_LIST] = "list",
    [PX_APP_WATCH] = "watch",   [PX_APP_CREATE] = "create",
    [PX_APP_DELETE] = "delete", [PX_APP_UPDATE] = "update",
    [PX_APP_PATCH] = "patch",   [PX_APP_UPDATE_STATUS] = "updatestatus",
};

static enum px_app_verb verb_of(struct cor_view text)
{
    for (size_t i = 0; i < COR_COUNT(VERBS); i++) {
        if (cor_view_is(text, VERBS[i])) {
            return (enum px_app_verb)i;
        }
    }
    return PX_APP_OTHER;
}

/* Of a path's parts the first is what stands before its first slash: nothing. */
static size_t split(struct cor_view path, struct cor_view *parts, size_t max)
{
    size_t count = 0;
    while (path.len > 0 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    while (count < max && cor_view_split(&path, '/', &parts[count])) {
        count++;
    }
    return path.len > 0 ? max + 1 : count;
}

/* Whether it can be asked for as it is: without a query, escapes and steps upwards. */
static bool is_plain(struct cor_view path)
{
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        bool step = c == '.' && i > 0 && (path.ptr[i - 1] == '.' || path.ptr[i - 1] == '/');
        if (step || (!isalnum((unsigned char)c) && strchr("/.-", c) == NULL) || c == '\0') {
            return false;
        }
    }
    return true;
}

/* pkg/util/pass-through: exact words, /api/V, /apis/G and /apis/G/V. */
static bool is_discovery(struct cor_view path)
{
    static const char *const WORDS[] = {"/api",   "/apis",   "/version",    "/healthz",
                                        "/livez", "/readyz", "/openapi/v2", "/openapi/v3"};
    struct cor_view parts[4];
    if (!is_plain(path)) {
        return false;
    }
    while (path.len > 0 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    for (size_t i = 0; i < COR_COUNT(WORDS); i++) {
        if (cor_view_is(path, WORDS[i])) {
            return true;
        }
    }
    size_t count = split(path, parts, COR_COUNT(parts));
    return (count == 3 && cor_view_is(parts[1], "api")) ||
           ((count == 3 || count == 4) && cor_view_is(parts[1], "apis"));
}

static struct cor_view unless_null(struct cor_view part)
{
    return part.len == 0 || cor_view_is(part, "null") ? COR_VIEW("") : part;
}

/* "/<group|core>/<version>/<plural>/<namespace|null>/<name|null>". */
static bool read_key(struct px_kubeedge_app *app)
{
    struct cor_view parts[6] = {0};
    size_t count = split(app->key, parts, COR_COUNT(parts));
    if (count < 4 || count > COR_COUNT(parts) || parts[0].len > 0 || parts[1].len == 0 ||
        parts[2].len == 0 || parts[3].len == 0) {
        return false;
    }
    bool core = cor_view_is(parts[1], "core");
    app->group_version =
        core ? cor_view_dup(parts[2])
             : cor_sprintf("%.*s/%.*s", COR_VIEW_ARG(parts[1]), COR_VIEW_ARG(parts[2]));
    app->plural = parts[3];
    app->ns = unless_null(parts[4]);
    app->name = unless_null(parts[5]);
    return true;
}

static void read_bytes(const struct cor_json *content, const char *key, struct cor_buf *out)
{
    struct cor_view text = cor_json_as_view(cor_json_get(content, key));
    if (text.len > 0) {
        (void)cor_base64_decode(out, text);
    }
}

bool px_kubeedge_app_read(const struct cor_json *content, struct px_kubeedge_app *app_r)
{
    auto_(cor_buf_free) struct cor_buf option = {0};
    *app_r = (struct px_kubeedge_app){
        .id = cor_json_as_view(cor_json_get(content, "ID")),
        .verb = verb_of(cor_json_as_view(cor_json_get(content, "Verb"))),
        .key = cor_json_as_view(cor_json_get(content, "Key")),
        .sub = cor_json_as_view(cor_json_get(content, "Subresource")),
        .ns = COR_VIEW(""),
        .name = COR_VIEW(""),
    };
    if (app_r->key.len == 0 || app_r->key.len > PX_APP_KEY_MAX || app_r->id.len > PX_APP_KEY_MAX) {
        return false;
    }
    app_r->discovery = app_r->verb == PX_APP_GET && is_discovery(app_r->key);
    if (!app_r->discovery && !read_key(app_r)) {
        return false;
    }
    read_bytes(content, "ReqBody", &app_r->body);
    read_bytes(content, "Option", &option);
    if (cor_json_parse(cor_buf_as_view(&option), PX_KUBEEDGE_MAX, 0, &app_r->option, NULL) !=
        COR_OK) {
        app_r->option = NULL;
    } else if (!cor_json_is_object(app_r->option)) {
        cor_json_free(&app_r->option);
    }
    return true;
}

void px_kubeedge_app_free(struct px_kubeedge_app *app)
{
    cor_freep(&app->group_version);
    cor_json_free(&app->option);
    cor_buf_free(&app->body);
}

/* ---- writes ---- */

static const struct write {
    const char *group_version;
    const char *plural;
    const char *sub; /* subresource; of a patch in its PatchInfo */
    enum px_app_verb verb;
    enum px_verb call;
    const char *type;
} WRITES[] = {
    {"v1", "nodes", "status", PX_APP_PATCH, PX_VERB_PATCH, "node"},
    {"v1", "pods", "status", PX_APP_PATCH, PX_VERB_PATCH, "pod"},
    {"v1", "pods", "", PX_APP_DELETE, PX_VERB_DELETE, "pod"},
    {"v1", "events", "", PX_APP_CREATE, PX_VERB_CREATE, "event"},
    {"v1", "events", "", PX_APP_UPDATE, PX_VERB_UPDATE, "event"},
    {"coordination.k8s.io/v1", "leases", "", PX_APP_CREATE, PX_VERB_CREATE, "lease"},
    {"coordination.k8s.io/v1", "leases", "", PX_APP_UPDATE, PX_VERB_UPDATE, "lease"},
};

/* The subresource that is written: of a patch PatchInfo says it (edge/pkg/metamanager/metaserver,
 * pkg/metaserver PatchInfo). */
static struct cor_view sub_of(const struct px_kubeedge_app *app)
{
    const struct cor_json *subs = cor_json_get(app->option, "Subresources");
    if (app->verb != PX_APP_PATCH) {
        return app->sub.len == 0 ? COR_VIEW("") : app->sub;
    }
    struct cor_view sub = cor_json_as_view(cor_json_item(subs, 0));
    return cor_json_count(subs) == 1 ? sub : COR_VIEW("");
}

static const struct write *write_of(const struct px_kubeedge_app *app)
{
    for (size_t i = 0; i < COR_COUNT(WRITES); i++) {
        const struct write *row = &WRITES[i];
        if (app->verb == row->verb && strcmp(app->group_version, row->group_version) == 0 &&
            cor_view_is(app->plural, row->plural) && cor_view_is(sub_of(app), row->sub)) {
            return row;
        }
    }
    return NULL;
}

static bool read_patch(const struct px_kubeedge_app *app, struct px_kubeedge_call *call)
{
    struct cor_view type = cor_json_as_view(cor_json_get(app->option, "PatchType"));
    bool merge = cor_view_is(type, "application/merge-patch+json");
    call->patch = merge ? PX_PATCH_MERGE : PX_PATCH_STRATEGIC;
    read_bytes(app->option, "Data", &call->body);
    return call->body.len > 0 &&
           (merge || cor_view_is(type, "application/strategic-merge-patch+json"));
}

/* What is made says its name itself. */
static bool read_made(const struct px_kubeedge_app *app, char **name_r)
{
    auto_(cor_json_free) struct cor_json *object = NULL;
    if (cor_json_parse(cor_buf_as_view(&app->body), PX_KUBEEDGE_MAX, 0, &object, NULL) != COR_OK) {
        return false;
    }
    *name_r = cor_strdup(cor_json_str_at(object, "metadata.name", ""));
    return (*name_r)[0] != '\0';
}

bool px_kubeedge_app_call(const struct px_kubeedge_app *app, struct px_kubeedge_call *call_r)
{
    auto_(cor_freep) char *name = cor_view_dup(app->name);
    *call_r = (struct px_kubeedge_call){0};
    const struct write *row = app->discovery ? NULL : write_of(app);
    if (row == NULL) {
        return false;
    }
    call_r->verb = row->call;
    if (app->verb == PX_APP_PATCH && !read_patch(app, call_r)) {
        return false;
    }
    if (app->verb == PX_APP_DELETE && app->option != NULL) {
        cor_json_write(app->option, &call_r->body);
    } else if (app->verb == PX_APP_CREATE || app->verb == PX_APP_UPDATE) {
        cor_buf_view(&call_r->body, cor_buf_as_view(&app->body));
    }
    if (app->verb == PX_APP_CREATE) {
        cor_freep(&name);
        if (!read_made(app, &name)) {
            return false;
        }
    }
    call_r->key = cor_sprintf(
        "%.*s/%s/%s", COR_VIEW_ARG(app->ns.len == 0 ? COR_VIEW("null") : app->ns), row->type, name);
    return name[0] != '\0';
}

/* ---- answers ---- */

static struct cor_json *status_of(const struct px_kubeedge_answer *answer)
{
    struct cor_json *status = NULL;
    auto_(cor_buf_free) struct cor_buf text = {0};
    if (cor_json_parse(answer->body, PX_KUBEEDGE_MAX, 0, &status, NULL) == COR_OK &&
        cor_json_is_object(status)) {
        return status;
    }
    cor_json_free(&status);
    px_status(answer->status, "InternalError", "the API gave no reason", &text);
    return cor_json_parse(cor_buf_as_view(&text), text.len, 0, &status, NULL) == COR_OK
               ? status
               : cor_json_object();
}

struct cor_json *px_kubeedge_app_answer(const struct cor_json *content, const char *node,
                                        const struct px_kubeedge_answer *answer)
{
    struct cor_json *app = cor_json_object();
    struct cor_json *error = cor_json_object();
    bool well = answer->status / 100 == 2;
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(content, &at, &key, &value)) {
        cor_json_set(app, key, cor_json_ref(value));
    }
    auto_(cor_buf_free) struct cor_buf body = {0};
    if (well && answer->body.len > 0) {
        cor_base64(&body, answer->body);
    }
    cor_json_set(app, "Nodename", cor_json_str(node));
    cor_json_set(app, "RespBody",
                 body.len == 0 ? cor_json_null() : cor_json_view(cor_buf_as_view(&body)));
    cor_json_set(app, "Status", cor_json_str(well ? "Approved" : "Rejected"));
    cor_json_set_at(error, "ErrStatus", well ? cor_json_object() : status_of(answer));
    if (well) {
        cor_json_set_at(error, "ErrStatus.metadata", cor_json_object());
    }
    cor_json_set(app, "Reason", cor_json_str(cor_json_str_at(error, "ErrStatus.message", "")));
    cor_json_set(app, "Error", error);
    return app;
}
