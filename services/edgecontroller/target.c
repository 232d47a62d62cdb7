// SPDX-License-Identifier: Apache-2.0
// Posts uploads to targets. A flow has at most one request under way, so its order holds; a target
// serves its flows in turn.
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/pki/digest.h"
#include "post.h"
#include "router.h"

enum {
    BATCH_BYTES = 1 << 20,
    ANSWER_MAX = 12 << 20, /* as KubeEdge's router (CVE-2022-31078) */
    TEXT_KEPT = 200,
};

static double random_number(void)
{
    uint32_t n = 0;
    cor_random(&n, sizeof(n));
    return (double)n / 4294967296.0;
}

static struct ec_gate_limit limit_of(const struct ec_router *router)
{
    const struct ec_cfg *cfg = router->ec->cfg;
    return (struct ec_gate_limit){(unsigned)cfg->per_target, (unsigned)cfg->all_targets};
}

static struct cor_mono now_of(const struct ec_router *router)
{
    return cor_loop_now(router->ec->service->loop);
}

static void serve(struct ec_target *target);

static void on_timer(void *self)
{
    serve(self);
}

static struct ec_target *target_of(struct ec_router *router, const char *url)
{
    struct ec_target *target = cor_map_get(router->targets, cor_view_of(url));
    if (target == NULL) {
        target = cor_alloc(sizeof(*target));
        target->router = router;
        target->url = cor_strdup(url);
        target->timer = cor_timer_new(router->ec->service->loop, on_timer, target);
        target->gate.backoff =
            (struct cor_backoff){.first_us = COR_MS(router->ec->cfg->retry_first_ms),
                                 .last_us = COR_MS(router->ec->cfg->retry_last_ms)};
        cor_list_init(&target->waiting);
        cor_map_set(router->targets, cor_view_of(url), target);
    }
    return target;
}

void ec_target_drop(void *self)
{
    struct ec_target *target = self;
    cor_timer_free(&target->timer);
    cor_free(target->url);
    cor_free(target);
}

bool ec_target_is_away(const struct ec_router *router, const char *url)
{
    const struct ec_target *target = cor_map_get(router->targets, cor_view_of(url));
    return target != NULL && target->gate.away;
}

/* A target that nobody wants is forgotten. */
static void forget_idle(struct ec_target *target)
{
    if (target->gate.running == 0 && cor_list_empty(&target->waiting)) {
        (void)cor_map_del(target->router->targets, cor_view_of(target->url));
    }
}

/* ---- answers ------------------------------------------------------------------------------------
 */

static char *why_of(const struct ec_flow *flow, const struct cor_http_response *response)
{
    const struct cor_view body = response->body;
    struct cor_buf text = {0};
    cor_buf_fmt(&text, "%s: ", flow->target->url);
    if (response->status == 0) {
        cor_buf_str(&text, response->text);
        return cor_buf_take(&text);
    }
    cor_buf_fmt(&text, "HTTP status %d ", response->status);
    cor_escape(&text, (struct cor_view){body.ptr, body.len < TEXT_KEPT ? body.len : TEXT_KEPT});
    return cor_buf_take(&text);
}

static void on_rested(void *self)
{
    ec_flow_go_on(self);
}

/* The message stays the first; it is tried again later. */
static void rest(struct ec_flow *flow, int64_t retry_after_us)
{
    int64_t delay = cor_backoff_next(&flow->backoff, random_number());
    if (flow->timer == NULL) {
        flow->timer = cor_timer_new(flow->router->ec->service->loop, on_rested, flow);
    }
    cor_timer_start(flow->timer, delay < retry_after_us ? retry_after_us : delay);
}

static void delivered(struct ec_flow *flow, struct ec_rule_entry *entry)
{
    size_t count = flow->batch;
    flow->batch = 0;
    cor_backoff_reset(&flow->backoff);
    flow->router->stats.delivered += count;
    ec_rule_succeeded(entry, count);
    ec_flow_settle(flow, count, &flow->books->delivered);
}

static void on_answer(void *self, const struct cor_http_response *response)
{
    struct ec_flow *flow = self;
    struct ec_router *router = flow->router;
    struct ec_target *target = flow->target;
    struct ec_rule_entry *entry = flow->entry;
    enum ec_verdict verdict = ec_verdict(response->status);
    bool was_away = target->gate.away;
    flow->call = NULL;
    router->running--;
    ec_gate_end(&target->gate, verdict, response->retry_after_us, now_of(router), random_number());
    if (verdict == EC_DELIVERED) {
        delivered(flow, entry);
    } else {
        auto_(cor_freep) char *why = why_of(flow, response);
        router->stats.failed++;
        ec_rule_failed(entry, why);
    }
    if (verdict == EC_REFUSED) {
        rest(flow, response->retry_after_us);
    }
    if (was_away != target->gate.away) {
        LOGW(router->ec->service->log, "controller.target", "url=%s away=%d status=%d error=\"%s\"",
             target->url, target->gate.away, response->status, response->text);
    }
    flow->entry = NULL;
    flow->target = NULL;
    ec_flow_go_on(flow);
    serve(target);
}

/* ---- requests -----------------------------------------------------------------------------------
 */

static void post(struct ec_flow *flow)
{
    struct ec_router *router = flow->router;
    const struct ec_rule *rule = &flow->entry->rule;
    struct ec_post_from from = {flow->node, flow->stream, flow->incarnation};
    struct ec_post_format format = {rule->batch > 1, rule->ndjson};
    struct ec_post post;
    if (flow->batch == 0) {
        flow->batch = ec_flow_batch(&flow->queue, rule->batch, BATCH_BYTES);
    } else {
        flow->books->repeats += flow->batch; /* the target may have had them */
    }
    ec_post_make(&from, &flow->queue, flow->batch, &format, &post);
    struct cor_http_request request = {
        .method = "POST",
        .url = rule->url,
        .headers = (const char *const *)post.headers,
        .body = cor_buf_as_view(&post.body),
        .timeout_us = COR_MS(router->ec->cfg->target_timeout_ms),
        .max_answer = ANSWER_MAX,
        .keep = TEXT_KEPT,
    };
    ec_gate_begin(&flow->target->gate);
    router->running++;
    router->stats.batches++;
    flow->call = cor_http_send(router->http, &request, on_answer, flow);
    ec_post_clear(&post);
}

/* Begins what may begin. May forget the target. */
static void serve(struct ec_target *target)
{
    struct ec_router *router = target->router;
    while (!cor_list_empty(&target->waiting) &&
           ec_gate_may(&target->gate, limit_of(router), router->running, now_of(router))) {
        struct ec_flow *flow = COR_LIST_OBJECT(target->waiting.next, struct ec_flow, link);
        cor_list_del(&flow->link);
        post(flow);
    }
    if (target->gate.away && target->gate.running == 0 && !cor_list_empty(&target->waiting)) {
        int64_t wait = cor_mono_since(target->gate.not_before, now_of(router));
        cor_timer_start(target->timer, wait > 0 ? wait : 0);
    }
    forget_idle(target);
}

void ec_target_want(struct ec_flow *flow, struct ec_rule_entry *entry)
{
    struct ec_target *target = target_of(flow->router, entry->rule.url);
    flow->entry = entry;
    flow->target = target;
    cor_list_add(&target->waiting, &flow->link);
    serve(target);
}

void ec_target_give_up(struct ec_flow *flow)
{
    struct ec_target *target = flow->target;
    if (flow->timer != NULL) {
        cor_timer_stop(flow->timer);
    }
    flow->batch = 0;
    cor_backoff_reset(&flow->backoff);
    if (target == NULL) {
        return;
    }
    cor_list_del(&flow->link);
    if (flow->call != NULL) {
        cor_http_cancel(&flow->call);
        flow->router->running--;
        ec_gate_give_up(&target->gate);
    }
    flow->entry = NULL;
    flow->target = NULL;
    if (!flow->router->stopping) {
        serve(target);
    }
}
