// SPDX-License-Identifier: Apache-2.0
// The sink of uploads: streams named NODE/bus/FLOW on hub-controller, and single messages of nodes
// whose link has no streams. A message is committed when its target has it, or when no rule wants
// it. What waits here is little; a stream whose target does not keep up is held, its origin keeps
// the rest.
#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/pki/digest.h"
#include "router.h"

/* Begins the names of flows of messages that have no stream. */
#define SINGLES "node/"

enum {
    FLOWS_MAX = 1 << 16,
    FLOW_MESSAGES = 1024,
    FLOW_BYTES = 1 << 20,
    AWAY_MESSAGES = 16, /* of a flow whose target is away */
    ALL_BYTES = 64 << 20,
    GONE_US = 600000000, /* a flow is kept so long after its node went */
};

static struct cor_view number_key(const uint64_t *number)
{
    return (struct cor_view){(const char *)number, sizeof(*number)};
}

/* ---- flows --------------------------------------------------------------------------------------
 */

static void unbind(struct ec_flow *flow)
{
    struct cor_map *by_number = flow->router->by_number;
    if (flow->number != 0 && cor_map_get(by_number, number_key(&flow->number)) == flow) {
        (void)cor_map_del(by_number, number_key(&flow->number));
    }
    flow->number = 0;
    flow->held = false;
}

void ec_flow_drop(void *self)
{
    struct ec_flow *flow = self;
    ec_target_give_up(flow);
    if (!flow->router->stopping) {
        unbind(flow);
    }
    flow->router->bytes -= ec_flow_clear(&flow->queue);
    cor_timer_free(&flow->timer);
    cor_free(flow->name);
    cor_free(flow->node);
    cor_free(flow);
}

/* The node of a stream's name and what follows "NODE/bus/". */
static bool split_name(const char *name, char **node_r, const char **stream_r)
{
    static const char BUS[] = "/bus/";
    const char *slash = strchr(name, '/');
    if (slash == NULL || slash == name || strncmp(slash, BUS, strlen(BUS)) != 0 ||
        slash[strlen(BUS)] == '\0') {
        return false;
    }
    *node_r = cor_memdup(name, (size_t)(slash - name));
    *stream_r = slash + strlen(BUS);
    return true;
}

/* Makes the flow; NULL: that is no name of one, or there are too many. */
static struct ec_flow *flow_new(struct ec_router *router, const char *name, uint64_t incarnation)
{
    char *node = NULL;
    const char *stream = NULL;
    if (cor_map_count(router->flows) >= FLOWS_MAX || !split_name(name, &node, &stream)) {
        return NULL;
    }
    struct ec_flow *flow = cor_alloc(sizeof(*flow));
    flow->router = router;
    flow->name = cor_strdup(name);
    flow->stream = flow->name + (stream - name);
    flow->node = node;
    flow->incarnation = incarnation;
    flow->books =
        cor_ledger_account(router->ec->ledger, "uploads", COR_LEDGER_SINK, cor_view_of(flow->name));
    flow->backoff = (struct cor_backoff){.first_us = COR_MS(router->ec->cfg->retry_first_ms),
                                         .last_us = COR_MS(router->ec->cfg->retry_last_ms)};
    cor_list_init(&flow->link);
    ec_flow_init(&flow->queue);
    cor_map_set(router->flows, cor_view_of(name), flow);
    return flow;
}

/* ---- what waits is bounded ----------------------------------------------------------------------
 */

static bool is_away(const struct ec_flow *flow)
{
    const struct ec_router *router = flow->router;
    const struct ec_upload *head = ec_flow_head(&flow->queue);
    const struct ec_rule_entry *entry =
        head == NULL ? NULL : ec_rules_upload(router, flow->node, head->topic);
    return flow->backoff.now_us > 0 ||
           (entry != NULL && ec_target_is_away(router, entry->rule.url));
}

static void end_hold(struct ec_flow *flow)
{
    flow->held = false;
    if (flow->number != 0) {
        cor_hold(flow->router->ec->hub, flow->number, false);
    }
}

static void release_all(struct ec_router *router)
{
    size_t at = 0;
    void *value = NULL;
    router->full = false;
    while (cor_map_next(router->flows, &at, NULL, &value)) {
        struct ec_flow *flow = value;
        if (flow->held && flow->queue.count <= AWAY_MESSAGES / 2 && !is_away(flow)) {
            end_hold(flow);
        }
    }
}

/* There may be room again. */
static void release(struct ec_flow *flow)
{
    struct ec_router *router = flow->router;
    if (router->full && router->bytes < ALL_BYTES / 2) {
        release_all(router);
    }
    if (flow->held && !router->full && router->known && flow->queue.count <= FLOW_MESSAGES / 4 &&
        flow->queue.bytes <= FLOW_BYTES / 4 && !is_away(flow)) {
        end_hold(flow);
    }
}

static void put_place(const struct ec_flow *flow)
{
    uint64_t committed = flow->queue.committed;
    struct cor_ledger_place at = {flow->incarnation,
                                  committed > flow->opened ? committed : flow->opened};
    cor_ledger_put_place(flow->books, &at);
}

void ec_flow_settle(struct ec_flow *flow, size_t count, uint64_t *column)
{
    cor_ledger_accept(flow->books, count, column);
    flow->router->bytes -= ec_flow_pop(&flow->queue, count);
    put_place(flow);
    if (flow->number != 0) {
        cor_commit(flow->router->ec->hub, flow->number, flow->queue.committed);
    }
}

/* ---- what is next -------------------------------------------------------------------------------
 */

void ec_flow_go_on(struct ec_flow *flow)
{
    struct ec_router *router = flow->router;
    bool resting = flow->timer != NULL && cor_timer_running(flow->timer);
    const struct ec_upload *head = NULL;
    while (router->known && !resting && flow->entry == NULL &&
           (head = ec_flow_head(&flow->queue)) != NULL) {
        struct ec_rule_entry *entry = ec_rules_upload(router, flow->node, head->topic);
        if (entry == NULL) {
            router->stats.unrouted++;
            ec_flow_settle(flow, 1, &flow->books->dropped);
        } else if (head->len == 0) {
            /* KubeEdge's router sends none either (provider/rest GoToTarget). */
            router->stats.dropped++;
            ec_rule_failed(entry, "an empty message was dropped");
            ec_flow_settle(flow, 1, &flow->books->dropped);
        } else {
            ec_target_want(flow, entry);
        }
    }
    release(flow);
}

/* What has waited for its target or rested does so by other rules now. */
void ec_flows_look_again(struct ec_router *router)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(router->flows, &at, NULL, &value)) {
        ec_flow_go_on(value);
    }
}

/* ---- from the bus -------------------------------------------------------------------------------
 */

static void rebind(struct ec_flow *flow, uint64_t number)
{
    struct ec_router *router = flow->router;
    struct ec_flow *other = cor_map_get(router->by_number, number_key(&number));
    if (other != NULL && other != flow) {
        unbind(other);
    }
    unbind(flow);
    flow->number = number;
    flow->gone = false;
    cor_map_set(router->by_number, number_key(&number), flow);
}

/* What the origin says is confirmed and waits here still was committed at another replica. */
static void skip_to(struct ec_flow *flow, uint64_t after)
{
    const struct ec_upload *head = ec_flow_head(&flow->queue);
    size_t bytes = 0;
    if (head == NULL || head->seq > after) {
        return;
    }
    ec_target_give_up(flow);
    flow->books->duplicates += ec_flow_skip(&flow->queue, after, &bytes);
    flow->router->bytes -= bytes;
}

uint64_t ec_upload_committed(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    struct ec *ec = self;
    struct ec_router *router = ec->router;
    auto_(cor_freep) char *name = cor_view_dup(open->name);
    (void)port;
    struct ec_flow *flow = cor_map_get(router->flows, open->name);
    if (flow != NULL && flow->incarnation != open->incarnation) {
        (void)cor_map_del(router->flows, open->name); /* the origin's store is another one */
        flow = NULL;
    }
    if (flow == NULL) {
        flow = flow_new(router, name, open->incarnation);
    }
    if (flow == NULL) {
        LOGW(ec->service->log, "controller.no-flow", "stream=%s flows=%zu", cor_log_esc(open->name),
             cor_map_count(router->flows));
        return open->after;
    }
    skip_to(flow, open->after);
    if (flow->queue.count == 0 && flow->queue.committed < open->after) {
        flow->queue.committed = open->after;
    }
    if (flow->queue.received < open->after) {
        flow->queue.received = open->after;
    }
    flow->opened = open->after;
    rebind(flow, open->stream);
    put_place(flow);
    return flow->queue.committed;
}

static enum ec_taken take_in(struct ec_flow *flow, const struct ec_upload *upload)
{
    struct ec_router *router = flow->router;
    struct ec_flow_limit limit = {is_away(flow) ? AWAY_MESSAGES : FLOW_MESSAGES, FLOW_BYTES};
    if (router->bytes >= ALL_BYTES && upload->seq > flow->queue.received) {
        router->full = true;
        return EC_FULL;
    }
    enum ec_taken taken = ec_flow_take(&flow->queue, limit, upload);
    if (taken == EC_TAKEN) {
        router->bytes += upload->len;
        router->stats.accepted++;
    } else if (taken != EC_FULL) {
        router->stats.duplicates++;
        flow->books->duplicates++;
    }
    return taken;
}

enum cor_code ec_on_stream_upload(void *self, struct cor_in *in, const void *body,
                                  struct cor_err *err)
{
    struct ec *ec = self;
    struct ec_router *router = ec->router;
    const struct px_upload *message = body;
    uint64_t number = in->head->stream;
    struct ec_flow *flow = cor_map_get(router->by_number, number_key(&number));
    if (flow == NULL || number == 0) {
        return cor_err_set(err, COR_BUSY, "stream %" PRIu64 " has no flow", number);
    }
    auto_(cor_freep) char *topic = cor_view_dup(message->topic);
    struct ec_upload upload = {.seq = in->head->seq,
                               .time_us = in->head->time_us,
                               .topic = topic,
                               .payload = (char *)(uintptr_t)message->payload.ptr,
                               .len = message->payload.len};
    enum ec_taken taken = router->known ? take_in(flow, &upload) : EC_FULL;
    if (taken == EC_OVER) {
        cor_commit_lazily(in->port, number, in->head->seq);
    } else if (taken == EC_FULL) {
        flow->held = true;
        return COR_BUSY; /* the bus holds the stream */
    }
    ec_flow_go_on(flow);
    return COR_OK;
}

/* A KubeEdge node's: its protocol has no answer, so what does not fit is lost. */
enum cor_code ec_on_upload(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct ec *ec = self;
    struct ec_router *router = ec->router;
    const struct px_node_upload *message = body;
    (void)err;
    auto_(cor_freep) char *name = cor_sprintf(
        "%.*s/bus/" SINGLES "%.*s", COR_VIEW_ARG(message->node), COR_VIEW_ARG(message->topic));
    struct ec_flow *flow = cor_map_get(router->flows, cor_view_of(name));
    if (flow == NULL) {
        uint64_t incarnation = 0;
        cor_random(&incarnation, sizeof(incarnation));
        flow = flow_new(router, name, incarnation);
    }
    auto_(cor_freep) char *topic = cor_view_dup(message->topic);
    struct ec_upload upload = {.seq = flow == NULL ? 0 : flow->queue.received + 1,
                               .time_us = in->head->time_us,
                               .topic = topic,
                               .payload = (char *)(uintptr_t)message->payload.ptr,
                               .len = message->payload.len};
    if (flow == NULL || take_in(flow, &upload) == EC_FULL) {
        router->stats.dropped++;
        return COR_OK;
    }
    flow->gone = false;
    ec_flow_go_on(flow);
    if (flow->queue.count == 0 && ec_rules_upload(router, flow->node, topic) == NULL) {
        (void)cor_map_del(router->flows, cor_view_of(name)); /* nobody wants its topic */
    }
    return COR_OK;
}

/* ---- nodes that go ------------------------------------------------------------------------------
 */

void ec_flows_gone(struct ec *ec, const char *node)
{
    struct ec_router *router = ec->router;
    size_t at = 0;
    void *value = NULL;
    bool any = false;
    while (cor_map_next(router->flows, &at, NULL, &value)) {
        struct ec_flow *flow = value;
        if (flow->gone || (node != NULL && strcmp(flow->node, node) != 0)) {
            continue;
        }
        flow->gone = true;
        flow->gone_since = cor_loop_now(ec->service->loop);
        any = true;
    }
    if (any && !cor_timer_running(router->sweep)) {
        cor_timer_start(router->sweep, GONE_US);
    }
}

void ec_flows_lost(struct ec *ec, const char *node)
{
    struct ec_router *router = ec->router;
    size_t at = 0;
    void *value = NULL;
    struct cor_view key;
    while (cor_map_next(router->flows, &at, &key, &value)) {
        const struct ec_flow *flow = value;
        bool of_origin = strncmp(flow->stream, SINGLES, strlen(SINGLES)) != 0;
        if (of_origin && strcmp(flow->node, node) == 0) {
            if (flow->number != 0) {
                cor_stream_forget(ec->hub, flow->number);
            }
            (void)cor_map_del(router->flows, key);
        }
    }
}

void ec_router_sweep(struct ec_router *router)
{
    struct cor_mono now = cor_loop_now(router->ec->service->loop);
    size_t at = 0;
    void *value = NULL;
    struct cor_view key;
    bool any = false;
    while (cor_map_next(router->flows, &at, &key, &value)) {
        const struct ec_flow *flow = value;
        if (!flow->gone) {
            continue;
        }
        if (cor_mono_since(now, flow->gone_since) < GONE_US) {
            any = true;
            continue;
        }
        if (flow->number != 0) {
            cor_stream_forget(router->ec->hub, flow->number);
        }
        (void)cor_map_del(router->flows, key);
    }
    if (any) {
        cor_timer_start(router->sweep, GONE_US / 2);
    }
}
