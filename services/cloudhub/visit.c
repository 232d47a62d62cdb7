// SPDX-License-Identifier: Apache-2.0
#include "visit.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#include "cloudstream.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/httpd/passage.h"
#include "peers.h"
#include "tunnel.h"

enum { ROUTE_S = 30, HEADERS_MAX = 64, GROUPS_MAX = 64, NAME_MAX_BYTES = 253, TARGET_MAX = 16384 };

struct visit {
    struct cor_link link;
    struct hub *hub;
    size_t *count;
    struct cor_passage *passage; /* the client's side; until the visit ends */
    const struct way *way;       /* to the node; NULL: not yet, or no more */
    void *lane;
    bool routing; /* edgecontroller has been asked */
    bool vouched; /* another replica has judged it */
};

static void free_visit(struct visit *visit)
{
    cor_list_del(&visit->link);
    (*visit->count)--;
    if (visit->way != NULL) {
        visit->way->close(visit->lane, "the client is gone");
    }
    if (visit->routing) {
        cor_calls_forget(visit->hub->port, visit);
    }
    cor_free(visit);
}

static void answer(struct visit *visit, int status, const char *text)
{
    cor_passage_answer(visit->passage, status, text);
    free_visit(visit);
}

/* ---- the client's side ---- */

static void on_took(void *self, size_t bytes)
{
    struct visit *visit = self;
    if (visit->way != NULL) {
        visit->way->took(visit->lane, bytes);
    }
}

static size_t client_room(void *self)
{
    const struct visit *visit = self;
    return visit->way == NULL ? 0 : visit->way->room(visit->lane);
}

static void on_client_bytes(void *self, struct cor_view bytes)
{
    struct visit *visit = self;
    visit->way->send(visit->lane, bytes, false);
    cor_passage_room(visit->passage);
}

/* Who sends no more is gone, as Kubernetes' own proxies have it (k8s.io/apimachinery
 * pkg/util/proxy/upgradeaware.go): else a killed client would keep what it began. */
static void on_client_last(void *self)
{
    struct visit *visit = self;
    cor_passage_end(visit->passage, "the client has gone");
    free_visit(visit);
}

static void on_client_gone(void *self)
{
    free_visit(self);
}

static const struct cor_passage_ops PASSAGE_OPS = {on_took, client_room, on_client_bytes,
                                                   on_client_last, on_client_gone};

/* ---- the node's side ---- */

static void on_head(void *self, const struct px_stream_head *head)
{
    struct visit *visit = self;
    const struct px_header *said = head->headers.items;
    struct cor_passage_header headers[HEADERS_MAX];
    size_t count = head->headers.count < HEADERS_MAX ? head->headers.count : HEADERS_MAX;
    for (size_t i = 0; i < count; i++) {
        headers[i] = (struct cor_passage_header){said[i].name, said[i].value};
    }
    int status = head->status <= INT_MAX ? (int)head->status : 0;
    if (!cor_passage_head(visit->passage, status, headers, count)) {
        free_visit(visit);
    }
}

static void on_data(void *self, struct cor_view bytes, bool last)
{
    struct visit *visit = self;
    if (!cor_passage_data(visit->passage, bytes, last)) {
        free_visit(visit);
    }
}

static void on_room(void *self)
{
    cor_passage_room(((struct visit *)self)->passage);
}

static void on_end(void *self, const char *error)
{
    struct visit *visit = self;
    visit->way = NULL;
    cor_passage_end(visit->passage, error);
    free_visit(visit);
}

static const struct way_ops WAY_OPS = {on_head, on_data, on_room, on_end};

/* ---- which node ---- */

struct header_list {
    struct px_header items[HEADERS_MAX];
    size_t count;
};

static void add_header(void *self, const char *name, const char *value)
{
    static const char *const NOT[] = {"Authorization", "Host", "Content-Length",
                                      "Transfer-Encoding", PEERS_MARK};
    struct header_list *list = self;
    for (size_t i = 0; i < COR_COUNT(NOT); i++) {
        if (strcasecmp(name, NOT[i]) == 0) {
            return;
        }
    }
    if (list->count < HEADERS_MAX && strlen(name) <= 128 && strlen(value) <= 8192 &&
        cor_view_is_utf8(cor_view_of(value))) {
        list->items[list->count++] = (struct px_header){cor_view_of(name), cor_view_of(value)};
    }
}

/* Who reaches into a container is told to the log; what is only read is not. */
static void audit(const struct visit *visit, struct cor_view node)
{
    static const char *const TOLD[] = {"/exec/", "/attach/", "/portForward/", "/run/"};
    struct cor_exchange *exchange = cor_passage_exchange(visit->passage);
    struct cor_view path = cor_exchange_path(exchange);
    const char *user = cor_exchange_peer_name(exchange);
    const char *other = visit->vouched ? "(replica)" : "(token)";
    for (size_t i = 0; i < COR_COUNT(TOLD); i++) {
        if (cor_view_starts(path, TOLD[i])) {
            LOGI(visit->hub->service->log, "hub.stream", "node=%.*s user=%s path=%s",
                 COR_VIEW_ARG(node), user == NULL ? other : cor_log_esc(cor_view_of(user)),
                 cor_log_esc(path));
        }
    }
}

static int status_of(enum cor_code code)
{
    return code == COR_BUSY ? 429 : code == COR_INVALID ? 400 : code == COR_RETRY ? 503 : 501;
}

static void write_target(struct cor_exchange *exchange, struct cor_buf *out)
{
    struct cor_view query = cor_exchange_query(exchange);
    cor_buf_view(out, cor_exchange_path(exchange));
    if (query.len > 0) {
        cor_buf_str(out, "?");
        cor_buf_view(out, query);
    }
}

/* Asks the node of a session (NULL: the replica that has it). */
static void open_way(struct visit *visit, struct session *session, struct cor_view node,
                     struct cor_view replica)
{
    struct header_list list = {.count = 0};
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = COR_OK;
    struct cor_exchange *exchange = cor_passage_exchange(visit->passage);
    auto_(cor_buf_free) struct cor_buf target = {0};
    write_target(exchange, &target);
    cor_exchange_each_header(exchange, add_header, &list);
    struct px_stream_open open = {.method = cor_view_of(cor_exchange_method(exchange)),
                                  .target = cor_buf_as_view(&target),
                                  .headers = {.items = list.items, .count = list.count}};
    const struct way *way = &PEERS_WAY;
    if (session == NULL) {
        code = peers_open(visit->hub->peers, replica, node, &open, &WAY_OPS, visit, &visit->lane,
                          &err);
    } else {
        bool kubeedge = session->coracle == NULL && session->hub->cloudstream != NULL;
        way = kubeedge ? &CLOUDSTREAM_WAY : &TUNNEL_WAY;
        code = way->open(session, &open, &WAY_OPS, visit, &visit->lane, &err);
    }
    if (code != COR_OK) {
        answer(visit, status_of(code), err.text);
    } else {
        visit->way = way;
        audit(visit, node);
    }
}

static void go_to(struct visit *visit, struct cor_view node, struct cor_view replica)
{
    struct session *session = cor_map_get(visit->hub->sessions, node);
    if (session == NULL && (replica.len == 0 || visit->hub->peers == NULL)) {
        auto_(cor_freep) char *why = cor_sprintf("node %.*s is not connected", COR_VIEW_ARG(node));
        answer(visit, 503, why);
        return;
    }
    open_way(visit, session, node, replica);
}

static void on_routed(void *self, const void *body, const struct cor_err *err)
{
    struct visit *visit = self;
    const struct px_stream_routed *routed = body;
    visit->routing = false;
    if (routed == NULL) {
        answer(visit, 503, err->text);
        return;
    }
    auto_(cor_freep) char *text = cor_view_dup(routed->text);
    if (routed->status != 200) {
        bool known = routed->status >= 400 && routed->status <= 599;
        answer(visit, known ? (int)routed->status : 502, text);
        return;
    }
    go_to(visit, routed->node, routed->replica);
}

/* Whether a message can carry it. */
static bool fits(struct cor_view text, size_t most)
{
    return text.len <= most && cor_view_is_utf8(text);
}

/* "a.b:10003", "[::1]:10003" without the port. */
static struct cor_view host_of(const char *text)
{
    struct cor_view host = cor_view_of(text == NULL ? "" : text);
    const char *colon = strrchr(host.ptr, ':');
    if (colon != NULL && strchr(colon, ']') == NULL) {
        host.len = (size_t)(colon - host.ptr);
    }
    return fits(host, NAME_MAX_BYTES) ? host : (struct cor_view){"", 0};
}

static struct cor_view bearer(const char *text)
{
    static const char SCHEME[] = "Bearer ";
    size_t len = sizeof(SCHEME) - 1;
    bool has = text != NULL && strncasecmp(text, SCHEME, len) == 0;
    struct cor_view token = has ? cor_view_trim(cor_view_of(text + len)) : (struct cor_view){"", 0};
    return fits(token, TARGET_MAX) ? token : (struct cor_view){"", 0};
}

static void ask_route(struct visit *visit)
{
    struct cor_view groups[GROUPS_MAX];
    struct cor_exchange *exchange = cor_passage_exchange(visit->passage);
    const char *user = cor_exchange_peer_name(exchange);
    struct px_stream_route route = {
        .user = cor_view_of(user == NULL ? "" : user),
        .groups = {.items = groups},
        .token = bearer(cor_exchange_header(exchange, "Authorization")),
        .method = cor_view_of(cor_exchange_method(exchange)),
        .path = cor_exchange_path(exchange),
        .host = host_of(cor_exchange_header(exchange, "Host")),
        .port = (uint64_t)cor_exchange_port(exchange),
    };
    const char *group = NULL;
    for (size_t i = 0; user != NULL && route.groups.count < GROUPS_MAX &&
                       (group = cor_exchange_peer_org(exchange, i)) != NULL;
         i++) {
        if (fits(cor_view_of(group), NAME_MAX_BYTES)) {
            groups[route.groups.count++] = cor_view_of(group);
        }
    }
    enum cor_code code =
        cor_call(visit->hub->port, PX_stream_route, &route, COR_SEC(ROUTE_S), on_routed, visit);
    visit->routing = code == COR_OK;
    if (code != COR_OK) {
        answer(visit, 503, "edgecontroller is not there");
    }
}

/* Another replica has judged it: it goes no further than here. */
static void begin_vouched(struct visit *visit, const char *mark)
{
    struct cor_exchange *exchange = cor_passage_exchange(visit->passage);
    auto_(cor_buf_free) struct cor_buf target = {0};
    struct cor_view node;
    write_target(exchange, &target);
    struct mark_of of =
        peers_mark(visit->hub, cor_exchange_method(exchange), cor_buf_as_view(&target));
    visit->vouched = mark_vouches(&of, mark, &node);
    if (!visit->vouched) {
        LOGW(visit->hub->service->log, "hub.replica.refused", "mark=%s",
             cor_log_esc(cor_view_of(mark)));
        answer(visit, 401, "Unauthorized");
    } else {
        go_to(visit, node, (struct cor_view){0});
    }
}

void visit_begin(struct hub *hub, struct cor_link *visits, size_t *count,
                 struct cor_exchange *exchange)
{
    struct visit *visit = cor_alloc(sizeof(*visit));
    *visit = (struct visit){.hub = hub, .count = count};
    visit->passage = cor_passage_new(exchange, &PASSAGE_OPS, visit);
    cor_list_init(&visit->link);
    cor_list_add(visits, &visit->link);
    (*count)++;
    struct cor_view path = cor_exchange_path(exchange);
    struct cor_view query = cor_exchange_query(exchange);
    const char *user = cor_exchange_peer_name(exchange);
    bool sound = fits(path, TARGET_MAX / 2) && fits(query, TARGET_MAX / 2 - 1) &&
                 fits(cor_view_of(cor_exchange_method(exchange)), 16);
    const char *mark = cor_exchange_header(exchange, PEERS_MARK);
    if (mark != NULL && sound) {
        begin_vouched(visit, mark);
    } else if (cor_exchange_peer_rejected(exchange) ||
               (user != NULL && !fits(cor_view_of(user), NAME_MAX_BYTES))) {
        answer(visit, 401, "Unauthorized");
    } else if (!sound) {
        answer(visit, 400, "the request is too long, or not UTF-8");
    } else if (cor_view_is(path, "/healthz")) {
        answer(visit, 200, "ok");
    } else {
        ask_route(visit);
    }
}

void visits_end(struct cor_link *visits)
{
    while (!cor_list_empty(visits)) {
        struct visit *visit = COR_LIST_OBJECT(visits->next, struct visit, link);
        cor_passage_end(visit->passage, "cloudhub is stopping");
        free_visit(visit);
    }
}
