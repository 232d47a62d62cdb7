// SPDX-License-Identifier: Apache-2.0
// Requests that are made on this machine: on a unix socket, which only root may open, and on a port
// of the loopback, with a token (/healthz without).
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "api.h"
#include "common/base/arena.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/httpd/passage.h"

/* Requests at once, and connections of each door; headers and body of one; bytes that wait for a
 * client, and of it for a handler; when an address that is taken is tried again. */
enum {
    VISITS_MAX = 64,
    CONNECTIONS_MAX = 64,
    HEADERS_MAX = 64,
    TEXT_MAX = 512 * 1024,
    WINDOW = 256 * 1024,
    RETRY_S = 30,
    TOKEN_BYTES = 32,
    TOKEN_MAX = 4096,
};

/* Where is listened. */
struct door {
    struct api_http *front;
    char *address; /* owned; "": nowhere */
    bool guarded;  /* the token is asked for */
    bool warned;
    struct cor_httpd *httpd; /* NULL: not yet */
    struct cor_timer *retry;
};

enum { SOCKET, PORT, DOORS };

struct api_http {
    struct agent *agent;
    struct door doors[DOORS];
    char *token; /* owned */
    struct cor_link visits;
    size_t count;
};

/* One request. */
struct visit {
    struct cor_link link;
    struct api_http *front;
    struct cor_passage *passage; /* NULL: the client has gone, and the call is about to hear it */
    struct api_call *call;       /* NULL before it has begun */
    size_t taken;                /* by the client; the call has not heard of it yet */
    size_t held;                 /* bytes of the client that the handler has not consumed */
    struct cor_timer *later;
};

static void free_visit(struct visit *visit)
{
    cor_list_del(&visit->link);
    visit->front->count--;
    cor_timer_free(&visit->later);
    cor_free(visit);
}

static void lose(struct visit *visit)
{
    struct api_call *call = visit->call;
    free_visit(visit);
    api_gone(call);
}

/* What must not be said to the call from within one of its own functions. */
static void on_later(void *self)
{
    struct visit *visit = self;
    size_t taken = visit->taken;
    visit->taken = 0;
    if (visit->passage == NULL) {
        lose(visit);
    } else if (taken > 0) {
        api_gain(visit->call, taken);
    }
}

/* ---- what the handler says ---- */

/* The passage broke off within a function of the call. */
static void note_gone(struct visit *visit)
{
    visit->passage = NULL;
    cor_timer_start(visit->later, 0);
}

static void on_head(void *self, int status, const struct api_header *headers, size_t count)
{
    struct visit *visit = self;
    struct cor_passage_header list[HEADERS_MAX];
    count = count < HEADERS_MAX ? count : HEADERS_MAX;
    for (size_t i = 0; i < count; i++) {
        list[i] = (struct cor_passage_header){cor_view_of(headers[i].name),
                                              cor_view_of(headers[i].value)};
    }
    if (visit->passage != NULL && !cor_passage_head(visit->passage, status, list, count)) {
        note_gone(visit);
    }
}

static void on_data(void *self, struct cor_view bytes, bool last)
{
    struct visit *visit = self;
    if (visit->passage != NULL && !cor_passage_data(visit->passage, bytes, last)) {
        note_gone(visit);
    }
}

static void on_took(void *self, size_t bytes)
{
    struct visit *visit = self;
    visit->held -= bytes;
    if (visit->passage != NULL) {
        cor_passage_room(visit->passage);
    }
}

static void on_end(void *self, const char *error)
{
    struct visit *visit = self;
    if (visit->passage != NULL) {
        cor_passage_end(visit->passage, error);
    }
    free_visit(visit);
}

static const struct api_front FRONT = {on_head, on_data, on_took, on_end};

/* ---- what the client says ---- */

static void on_client_took(void *self, size_t bytes)
{
    struct visit *visit = self;
    visit->taken += bytes;
    cor_timer_start(visit->later, 0);
}

static size_t client_room(void *self)
{
    return WINDOW - ((const struct visit *)self)->held;
}

static void on_client_bytes(void *self, struct cor_view bytes)
{
    struct visit *visit = self;
    visit->held += bytes.len;
    cor_passage_room(visit->passage);
    api_data(visit->call, bytes, false);
}

static void on_client_last(void *self)
{
    api_data(((struct visit *)self)->call, (struct cor_view){0}, true);
}

static void on_client_gone(void *self)
{
    lose(self);
}

static const struct cor_passage_ops PASSAGE_OPS = {on_client_took, client_room, on_client_bytes,
                                                   on_client_last, on_client_gone};

/* ---- a request ---- */

/* Tells nothing of the token by the time it takes. */
static bool is_token(const char *right, const char *header)
{
    static const char SCHEME[] = "Bearer ";
    size_t skip = sizeof(SCHEME) - 1;
    if (right == NULL || header == NULL || strncasecmp(header, SCHEME, skip) != 0) {
        return false;
    }
    struct cor_view given = cor_view_trim(cor_view_of(header + skip));
    size_t len = strlen(right);
    volatile unsigned char differs = given.len != len;
    for (size_t i = 0; i < given.len; i++) {
        differs |= (unsigned char)(given.ptr[i] ^ right[i % len]);
    }
    return differs == 0;
}

struct header_list {
    struct cor_arena *arena;
    struct api_header items[HEADERS_MAX];
    size_t count;
    bool full;
};

static void add_header(void *self, const char *name, const char *value)
{
    struct header_list *list = self;
    if (strcasecmp(name, "Authorization") == 0) {
        return; /* nobody behind needs it */
    }
    struct api_header header = {cor_arena_dup(list->arena, cor_view_of(name)),
                                cor_arena_dup(list->arena, cor_view_of(value))};
    list->full =
        list->full || header.name == NULL || header.value == NULL || list->count == HEADERS_MAX;
    if (!list->full) {
        list->items[list->count++] = header;
    }
}

static void begin(struct visit *visit)
{
    struct cor_exchange *exchange = cor_passage_exchange(visit->passage);
    struct cor_view query = cor_exchange_query(exchange);
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(TEXT_MAX);
    auto_(cor_buf_free) struct cor_buf target = {0};
    struct header_list list = {.arena = arena};
    cor_exchange_each_header(exchange, add_header, &list);
    char *method = cor_arena_dup(arena, cor_view_of(cor_exchange_method(exchange)));
    if (list.full || method == NULL) {
        cor_passage_answer(visit->passage, 431, "too many headers\n");
        free_visit(visit);
        return;
    }
    cor_buf_view(&target, cor_exchange_path(exchange));
    if (query.len > 0) {
        cor_buf_str(&target, "?");
        cor_buf_view(&target, query);
    }
    const struct api_request request = {cor_view_of(method), cor_buf_as_view(&target), list.items,
                                        list.count};
    struct api_call *call = api_begin(visit->front->agent, &request, &FRONT, visit, WINDOW);
    if (call != NULL) { /* else the visit is gone */
        visit->call = call;
    }
}

/* Why the request is not even looked at; 0: it is. */
static int refusal(const struct door *door, struct cor_exchange *exchange, const char **text_r)
{
    const struct api_http *front = door->front;
    const char *method = cor_exchange_method(exchange);
    bool open = cor_view_is(cor_exchange_path(exchange), "/healthz");
    if (door->guarded && !open &&
        !is_token(front->token, cor_exchange_header(exchange, "Authorization"))) {
        *text_r = "Unauthorized\n";
        return 401;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "POST") != 0) {
        *text_r = "Method Not Allowed\n";
        return 405;
    }
    if (cor_exchange_body(exchange).len > 0) {
        *text_r = "a request here has no body\n";
        return 400;
    }
    if (front->count > VISITS_MAX) {
        *text_r = "too many requests\n";
        return 429;
    }
    return 0;
}

static void on_request(void *self, struct cor_exchange *exchange)
{
    struct door *door = self;
    struct api_http *front = door->front;
    const char *text = NULL;
    struct visit *visit = cor_alloc(sizeof(*visit));
    visit->front = front;
    visit->passage = cor_passage_new(exchange, &PASSAGE_OPS, visit);
    visit->later = cor_timer_new(front->agent->loop, on_later, visit);
    cor_list_init(&visit->link);
    cor_list_add(&front->visits, &visit->link);
    front->count++;
    int status = refusal(door, exchange, &text);
    if (status != 0) {
        cor_passage_answer(visit->passage, status, text);
        free_visit(visit);
    } else {
        begin(visit);
    }
}

/* ---- listening ---- */

static void open_door(void *self)
{
    struct door *door = self;
    struct agent *agent = door->front->agent;
    struct cor_err err = COR_ERR_NONE;
    const char *const addresses[] = {door->address};
    const struct cor_httpd_spec spec = {.addresses = addresses,
                                        .address_count = COR_COUNT(addresses),
                                        .max_body = 1,
                                        .max_connections = CONNECTIONS_MAX,
                                        .handler = on_request,
                                        .self = door};
    if (cor_httpd_start(agent->loop, &spec, &door->httpd, &err) == COR_OK) {
        LOGI(agent->log, "edged.api-listening", "address=%s", door->address);
        return;
    }
    if (!door->warned) {
        LOGW(agent->log, "edged.api-not-listening", "address=%s error=%s", door->address,
             cor_log_esc(cor_view_of(err.text)));
        door->warned = true;
    }
    cor_timer_start(door->retry, COR_SEC(RETRY_S));
}

static char *token_new(void)
{
    unsigned char random[TOKEN_BYTES];
    struct cor_buf text = {0};
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return NULL;
    }
    cor_hex(&text, (struct cor_view){(const char *)random, sizeof(random)});
    cor_wipe(random, sizeof(random));
    return cor_buf_take(&text);
}

/* The token in the file, which is made when there is none. NULL: err says why. */
static char *token_of(const char *path, struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    enum cor_code code = cor_file_read(path, TOKEN_MAX, &text, err);
    if (code == COR_OK) {
        struct cor_view token = cor_view_trim(cor_buf_as_view(&text));
        if (token.len >= 16) {
            return cor_view_dup(token);
        }
        (void)cor_err_set(err, COR_INVALID, "%s holds no token", path);
        return NULL;
    }
    auto_(cor_freep) char *fresh = code == COR_NOTFOUND ? token_new() : NULL;
    if (fresh == NULL || cor_file_write(path, cor_view_of(fresh), 0600, err) != COR_OK) {
        return NULL;
    }
    return take(&fresh);
}

/* The path, in the folder of the services' sockets unless it is absolute. "" stays. */
static char *path_of(const struct agent *agent, const char *name)
{
    return name[0] == '\0' || name[0] == '/'
               ? cor_strdup(name)
               : cor_sprintf("%s/%s", agent->cfg->common.run_dir, name);
}

static void init_door(struct api_http *front, size_t index, char *address)
{
    struct door *door = &front->doors[index];
    *door = (struct door){.front = front, .address = address, .guarded = index == PORT};
    door->retry = cor_timer_new(front->agent->loop, open_door, door);
    if (address[0] != '\0') {
        open_door(door);
    }
}

struct api_http *api_http_open(struct agent *agent)
{
    struct cor_err err = COR_ERR_NONE;
    struct api_http *front = cor_alloc(sizeof(*front));
    front->agent = agent;
    cor_list_init(&front->visits);
    if (agent->cfg->api_listen[0] != '\0') {
        auto_(cor_freep) char *path = path_of(agent, agent->cfg->api_token_file);
        front->token = token_of(path, &err);
        if (front->token == NULL) {
            LOGW(agent->log, "edged.api-no-token", "file=%s error=%s", path,
                 cor_log_esc(cor_view_of(err.text)));
        }
    }
    init_door(front, SOCKET, path_of(agent, agent->cfg->api_socket));
    init_door(front, PORT, cor_strdup(agent->cfg->api_listen));
    return front;
}

void api_http_close(struct api_http **front_p)
{
    struct api_http *front = *front_p;
    if (front == NULL) {
        return;
    }
    while (!cor_list_empty(&front->visits)) {
        struct visit *visit = COR_LIST_OBJECT(front->visits.next, struct visit, link);
        if (visit->passage != NULL) {
            cor_passage_end(visit->passage, "edged is stopping");
        }
        lose(visit);
    }
    for (size_t i = 0; i < DOORS; i++) {
        struct door *door = &front->doors[i];
        if (door->httpd != NULL && i == SOCKET) {
            (void)unlink(door->address);
        }
        cor_httpd_free(&door->httpd);
        cor_timer_free(&door->retry);
        cor_free(door->address);
    }
    if (front->token != NULL) {
        cor_wipe(front->token, strlen(front->token));
        cor_free(front->token);
    }
    cor_freep(front_p);
}
