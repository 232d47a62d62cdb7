// SPDX-License-Identifier: Apache-2.0
#include "router.h"

#include <inttypes.h>

#include "common/base/file.h"
#include "common/base/mem.h"

enum { CA_MAX = 1 << 20, IDLE_CONNECTIONS = 64 };

static enum cor_code open_http(struct ec_router *router, struct cor_err *err)
{
    const struct ec_cfg *cfg = router->ec->cfg;
    auto_(cor_buf_free) struct cor_buf ca = {0};
    struct cor_http_spec spec = {.plain = true, .idle = IDLE_CONNECTIONS};
    if (cfg->target_ca[0] != '\0') {
        enum cor_code code = cor_file_read(cfg->target_ca, CA_MAX, &ca, err);
        if (code != COR_OK) {
            return code;
        }
        spec.ca_pem = ca.data;
    }
    return cor_http_new(router->ec->service->loop, &spec, &router->http, err);
}

static void on_sweep(void *self)
{
    ec_router_sweep(self);
}

enum cor_code ec_router_open(struct ec *ec, struct cor_err *err)
{
    struct ec_router *router = cor_alloc(sizeof(*router));
    struct cor_loop *loop = ec->service->loop;
    ec->router = router;
    router->ec = ec;
    router->rules = cor_map_new(ec_rule_entry_drop);
    router->uploads = cor_map_new(NULL);
    router->flows = cor_map_new(ec_flow_drop);
    router->by_number = cor_map_new(NULL);
    router->targets = cor_map_new(ec_target_drop);
    router->busy_nodes = cor_map_new(cor_free);
    cor_list_init(&router->forwards);
    router->rebuild = cor_timer_new(loop, ec_rules_rebuild, router);
    router->status = cor_timer_new(loop, ec_rule_status_write, router);
    router->sweep = cor_timer_new(loop, on_sweep, router);
    enum cor_code code = open_http(router, err);
    return code == COR_OK ? ec_entrance_open(router, err) : code;
}

void ec_router_close(struct ec *ec)
{
    struct ec_router *router = ec->router;
    if (router == NULL) {
        return;
    }
    router->stopping = true;
    ec_entrance_close(router);
    cor_map_free(&router->busy_nodes);
    cor_map_free(&router->by_number);
    cor_map_free(&router->flows);
    cor_map_free(&router->targets);
    cor_map_free(&router->uploads);
    cor_map_free(&router->rules);
    cor_http_free(&router->http);
    cor_timer_free(&router->rebuild);
    cor_timer_free(&router->status);
    cor_timer_free(&router->sweep);
    cor_freep(&ec->router);
}

void ec_router_stats(const struct ec *ec, struct cor_buf *out)
{
    const struct ec_router *router = ec->router;
    const struct ec_router_stats *stats = &router->stats;
    size_t at = 0;
    void *value = NULL;
    size_t held = 0;
    size_t waiting = 0;
    while (cor_map_next(router->flows, &at, NULL, &value)) {
        const struct ec_flow *flow = value;
        held += flow->held ? 1 : 0;
        waiting += flow->queue.count;
    }
    cor_buf_fmt(out,
                ",\"rules\":%zu,\"flows\":%zu,\"targets\":%zu,\"held\":%zu,\"waiting\":%zu"
                ",\"posting\":%u",
                cor_map_count(router->rules), cor_map_count(router->flows),
                cor_map_count(router->targets), held, waiting, router->running);
    cor_buf_fmt(out,
                ",\"uploads\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"delivered\":%" PRIu64
                ",\"forwarded\":%" PRIu64 ",\"unrouted\":%" PRIu64 ",\"dropped\":%" PRIu64
                ",\"failedPosts\":%" PRIu64 ",\"posts\":%" PRIu64 ",\"published\":%" PRIu64
                ",\"publishFailed\":%" PRIu64,
                stats->accepted, stats->duplicates, stats->delivered, stats->forwarded,
                stats->unrouted, stats->dropped, stats->failed, stats->batches, stats->published,
                stats->publish_failed);
}
