// SPDX-License-Identifier: Apache-2.0
#include "apps.h"

#include <string.h>

#include "common/base/mem.h"
#include "proto/kubeedge/app.h"
#include "proto/status.h"

/* Watches of a node; questions of one under way; time for an answer: EdgeCore waits 10 s. */
enum { WATCHES_MAX = 256, ASKS_MAX = 64, ASK_US = 9 * 1000 * 1000 };

enum { OK = 200, FORBIDDEN = 403, TOO_MANY = 429, UNAVAILABLE = 503 };

/* A collection that is watched. Texts owned. */
struct watch {
    char *group_version;
    char *plural;
    char *ns;
    char *labels;
    char *fields;
};

/* A question that the controller is to answer. */
struct question {
    struct hub *hub;
    cor_handle session;
    char *id;                 /* of the message, owned */
    struct cor_json *content; /* owned */
    struct watch *watch;      /* to be kept if the answer is yes; owned, NULL: none */
};

static void watch_drop(void *value)
{
    struct watch *watch = value;
    if (watch != NULL) {
        cor_free(watch->group_version);
        cor_free(watch->plural);
        cor_free(watch->ns);
        cor_free(watch->labels);
        cor_free(watch->fields);
        cor_free(watch);
    }
}

static struct watch *watch_new(const struct px_kubeedge_app *app)
{
    struct watch *watch = cor_alloc(sizeof(*watch));
    watch->group_version = cor_strdup(app->group_version);
    watch->plural = cor_view_dup(app->plural);
    watch->ns = cor_view_dup(app->ns);
    watch->labels = cor_strdup(cor_json_str_at(app->option, "labelSelector", ""));
    watch->fields = cor_strdup(cor_json_str_at(app->option, "fieldSelector", ""));
    return watch;
}

/* Of one node. */
struct watches {
    struct cor_map *all; /* id -> struct watch, owned */
    bool whole;          /* the node has said all: else there may be more, from before this hub */
};

static void watches_drop(void *value)
{
    struct watches *watches = value;
    cor_map_free(&watches->all);
    cor_free(watches);
}

struct cor_map *apps_watches_new(void)
{
    return cor_map_new(watches_drop);
}

static void question_free(struct question **question)
{
    if (*question != NULL) {
        cor_free((*question)->id);
        cor_json_free(&(*question)->content);
        watch_drop((*question)->watch);
        cor_freep(question);
    }
}

/* ---- watches ---- */

/* One of a node that is away makes room. */
static void make_room(struct hub *hub)
{
    size_t at = 0;
    struct cor_view node;
    while (cor_map_count(hub->watches) >= hub->limits.nodes &&
           cor_map_next(hub->watches, &at, &node, NULL)) {
        if (cor_map_get(hub->sessions, node) == NULL) {
            (void)cor_map_del(hub->watches, node);
        }
    }
}

static struct watches *watches_of(struct session *session)
{
    if (session->watches == NULL) {
        struct watches *watches = cor_alloc(sizeof(*watches));
        make_room(session->hub);
        watches->all = cor_map_new(watch_drop);
        cor_map_set(session->hub->watches, cor_view_of(session->node), watches);
        session->watches = watches;
    }
    return session->watches;
}

void apps_begin(struct session *session)
{
    if (session->coracle == NULL) {
        session->watches = cor_map_get(session->hub->watches, cor_view_of(session->node));
        apps_tell(session);
    }
}

void apps_tell(struct session *session)
{
    struct hub *hub = session->hub;
    size_t at = 0;
    size_t count = 0;
    void *value = NULL;
    if (session->watches == NULL || !cor_port_is_up(hub->port)) {
        return;
    }
    auto_(cor_freep) struct px_watched *rows =
        cor_calloc(cor_map_count(session->watches->all) + 1, sizeof(*rows));
    while (cor_map_next(session->watches->all, &at, NULL, &value)) {
        const struct watch *watch = value;
        rows[count++] = (struct px_watched){.group_version = cor_view_of(watch->group_version),
                                            .plural = cor_view_of(watch->plural),
                                            .ns = cor_view_of(watch->ns),
                                            .labels = cor_view_of(watch->labels),
                                            .fields = cor_view_of(watch->fields)};
    }
    struct px_node_watches body = {
        .node = cor_view_of(session->node), .epoch = session->epoch, .watches = {rows, count}};
    if (cor_send(hub->port, PX_node_watches, &body) == COR_BUSY) {
        LOGW(hub->service->log, "hub.watches.untold", "node=%s", session->node);
    }
}

/* ---- answers ---- */

static void say(struct session *session, const char *parent, const char *resource,
                const struct cor_json *content)
{
    auto_(cor_freep) char *text = cor_json_text(content);
    struct px_kubeedge_out out = {.parent = parent,
                                  .source = "dynamiccontroller",
                                  .group = "resource",
                                  .operation = "applicationResponse",
                                  .resource = resource,
                                  .content = cor_view_of(text)};
    session_write(session, &out);
}

static void answer(struct session *session, const char *parent, const struct cor_json *content,
                   const struct px_kubeedge_answer *given)
{
    auto_(cor_json_free) struct cor_json *app =
        px_kubeedge_app_answer(content, session->node, given);
    hub_count(session->hub->books.calls, given->status / 100 == 2);
    say(session, parent, "ignore/Application/ignore", app);
}

static void refuse(struct session *session, const char *parent, const struct cor_json *content,
                   uint64_t status, const char *message)
{
    static const struct {
        uint64_t status;
        const char *reason;
    } REASONS[] = {{FORBIDDEN, "Forbidden"}, {TOO_MANY, "TooManyRequests"}};
    auto_(cor_buf_free) struct cor_buf body = {0};
    const char *reason = "ServiceUnavailable";
    for (size_t i = 0; i < COR_COUNT(REASONS); i++) {
        reason = REASONS[i].status == status ? REASONS[i].reason : reason;
    }
    px_status(status, reason, message, &body);
    struct px_kubeedge_answer given = {status, cor_buf_as_view(&body)};
    answer(session, parent, content, &given);
}

static void keep_watch(struct session *session, struct question *question)
{
    struct cor_view id = cor_json_as_view(cor_json_get(question->content, "ID"));
    cor_map_set(watches_of(session)->all, id, take(&question->watch));
    apps_tell(session);
}

static void on_answer(void *self, const void *body, const struct cor_err *err)
{
    auto_(question_free) struct question *question = self;
    struct session *session = cor_pool_get(question->hub->handles, question->session);
    const struct px_api_reply *reply = body;
    if (session == NULL) {
        return;
    }
    session->asks--;
    if (reply == NULL) {
        refuse(session, question->id, question->content, UNAVAILABLE, err->text);
        return;
    }
    if (question->watch != NULL && reply->status == OK) {
        keep_watch(session, question);
    }
    struct px_kubeedge_answer given = {reply->status, reply->body};
    answer(session, question->id, question->content, &given);
}

/* ---- questions ---- */

static struct question *question_new(struct session *session, const struct px_kubeedge_in *in)
{
    struct question *question = cor_alloc(sizeof(*question));
    question->hub = session->hub;
    question->session = session->handle;
    question->id = cor_strdup(in->id);
    question->content = cor_json_ref(in->content);
    return question;
}

/* Asks the controller; it answers, or the node is told that it does not. */
static void call(struct session *session, struct question *question, uint16_t number,
                 const void *body)
{
    struct hub *hub = session->hub;
    hub->stats.calls++;
    if (cor_call(hub->port, number, body, ASK_US, on_answer, question) == COR_OK) {
        session->asks++;
        return;
    }
    refuse(session, question->id, question->content, UNAVAILABLE, "the controller is not there");
    question_free(&question);
}

static void write(struct session *session, const struct px_kubeedge_in *in,
                  const struct px_kubeedge_app *app)
{
    auto_(px_kubeedge_call_free) struct px_kubeedge_call wanted = {0};
    if (!px_kubeedge_app_call(app, &wanted) ||
        upstream_is_foreign(session, cor_view_of(wanted.key))) {
        upstream_denied(session, "hub.app.forbidden", app->key);
        refuse(session, in->id, in->content, FORBIDDEN, "a node may only write what is its own");
        return;
    }
    struct px_node_call body = {.node = cor_view_of(session->node),
                                .verb = wanted.verb,
                                .key = cor_view_of(wanted.key),
                                .patch = wanted.patch,
                                .body = cor_buf_as_view(&wanted.body)};
    call(session, question_new(session, in), PX_node_call, &body);
}

static void ask(struct session *session, const struct px_kubeedge_in *in,
                const struct px_kubeedge_app *app)
{
    static const enum px_verb VERBS[] = {
        [PX_APP_GET] = PX_VERB_GET, [PX_APP_LIST] = PX_VERB_LIST, [PX_APP_WATCH] = PX_VERB_WATCH};
    struct question *question = question_new(session, in);
    struct px_node_ask body = {
        .node = cor_view_of(session->node),
        .verb = VERBS[app->verb],
        .path = app->discovery ? app->key : (struct cor_view){0},
        .group_version = cor_view_of(app->group_version),
        .plural = app->plural,
        .ns = app->ns,
        .name = app->name,
        .labels = cor_json_as_view(cor_json_get(app->option, "labelSelector")),
        .fields = cor_json_as_view(cor_json_get(app->option, "fieldSelector")),
        .more = cor_json_as_view(cor_json_get(app->option, "continue")),
        .limit = (uint64_t)cor_json_int_at(app->option, "limit", 0),
    };
    if (app->verb == PX_APP_WATCH) {
        question->watch = watch_new(app);
    }
    call(session, question, PX_node_ask, &body);
}

/* Whether messages.def has room for what it says. */
static bool fits(const struct px_kubeedge_app *app)
{
    const struct {
        struct cor_view text;
        size_t max;
    } rows[] = {
        {cor_view_of(app->group_version), 128},
        {app->plural, 128},
        {app->ns, 253},
        {app->name, 253},
        {app->discovery ? app->key : (struct cor_view){0}, 512},
        {cor_json_as_view(cor_json_get(app->option, "labelSelector")), 4096},
        {cor_json_as_view(cor_json_get(app->option, "fieldSelector")), 4096},
        {cor_json_as_view(cor_json_get(app->option, "continue")), 4096},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        if (rows[i].text.len > rows[i].max) {
            return false;
        }
    }
    return true;
}

/* Why an Application cannot be; NULL: it can. */
static const char *problem_of(const struct session *session, const struct px_kubeedge_app *app,
                              uint64_t *status_r)
{
    *status_r = TOO_MANY;
    if (session->asks >= ASKS_MAX) {
        return "the node asks too much at once";
    }
    if (app->verb == PX_APP_WATCH && session->watches != NULL &&
        cor_map_count(session->watches->all) >= WATCHES_MAX &&
        cor_map_get(session->watches->all, app->id) == NULL) {
        return "the node watches too much";
    }
    *status_r = FORBIDDEN;
    if (app->verb == PX_APP_OTHER) {
        return "unsupported Application Verb type";
    }
    if (app->option == NULL && !app->discovery) {
        return "failed to parse Option bytes";
    }
    return fits(app) ? NULL : "a part of it is too long";
}

static void take_app(struct session *session, const struct px_kubeedge_in *in)
{
    auto_(px_kubeedge_app_free) struct px_kubeedge_app app = {0};
    uint64_t status = 0;
    if (!px_kubeedge_app_read(in->content, &app)) {
        session->hub->stats.up_dropped++; /* CloudCore does not answer it either */
        return;
    }
    const char *problem = problem_of(session, &app, &status);
    if (problem != NULL) {
        refuse(session, in->id, in->content, status, problem);
    } else if (app.verb <= PX_APP_WATCH) {
        ask(session, in, &app);
    } else {
        write(session, in, &app);
    }
}

/* ---- watchapp/sync: all that the node watches now ---- */

static void add_watch(struct session *session, const char *id, const struct cor_json *content,
                      struct cor_json *failed)
{
    auto_(px_kubeedge_app_free) struct px_kubeedge_app app = {0};
    bool well = px_kubeedge_app_read(content, &app) && app.verb == PX_APP_WATCH &&
                app.option != NULL && fits(&app) &&
                cor_map_count(session->watches->all) < WATCHES_MAX;
    if (well) {
        cor_map_set(session->watches->all, cor_view_of(id), watch_new(&app));
        return;
    }
    auto_(cor_buf_free) struct cor_buf body = {0};
    px_status(TOO_MANY, "TooManyRequests", "this is no watch, or one too many", &body);
    struct px_kubeedge_answer given = {TOO_MANY, cor_buf_as_view(&body)};
    cor_json_set(failed, id, px_kubeedge_app_answer(content, session->node, &given));
}

static void take_sync(struct session *session, const struct px_kubeedge_in *in)
{
    auto_(cor_json_free) struct cor_json *failed = cor_json_object();
    void *at = NULL;
    const char *id = NULL;
    struct cor_json *content = NULL;
    struct watches *watches = watches_of(session);
    cor_map_free(&watches->all);
    watches->all = cor_map_new(watch_drop);
    watches->whole = true;
    while (cor_json_each(in->content, &at, &id, &content)) {
        add_watch(session, id, content, failed);
    }
    apps_tell(session);
    say(session, in->id, "watchapp/sync", failed);
}

void apps_take(struct session *session, const struct px_kubeedge_in *in)
{
    if (cor_view_ends(cor_view_of(in->resource), "watchapp/sync")) {
        take_sync(session, in);
    } else {
        take_app(session, in);
    }
}
