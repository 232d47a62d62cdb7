// SPDX-License-Identifier: Apache-2.0
#include "agent_set.h"

#include "common/bus/bus.h"
#include "common/loop/loop.h"
#include "tests/support/process.h"

/* What edged's line to metamanager is here. */
struct meta {
    struct agent_asked *asked;
    struct cor_loop *loop;
};

bool meta_call(struct meta *meta, enum px_verb verb, const char *key, enum px_patch patch,
               struct cor_view body, meta_fn fn, void *self)
{
    struct agent_asked *asked = meta->asked;
    (void)patch;
    asked->calls++;
    asked->verb = verb;
    (void)snprintf(asked->key, sizeof(asked->key), "%s", key);
    (void)snprintf(asked->body, sizeof(asked->body), "%.*s", COR_VIEW_ARG(body));
    asked->fn = fn;
    asked->self = self;
    cor_loop_stop(meta->loop);
    return true;
}

void meta_forget(struct meta *meta, const void *self)
{
    (void)meta;
    (void)self;
}

static void fill_agent(struct agent_set *set, struct agent_asked *asked)
{
    struct meta *meta = cor_alloc(sizeof(*meta));
    *meta = (struct meta){.asked = asked, .loop = set->service.loop};
    set->agent = (struct agent){.service = &set->service,
                                .loop = set->service.loop,
                                .log = set->service.log,
                                .cfg = &set->cfg,
                                .meta = meta,
                                .facts = test_facts,
                                .pods = cor_map_new(agent_pod_free),
                                .unclaimed = cor_map_new(NULL),
                                .listed = true,
                                .link = true};
    books_open(&set->agent.books, NULL);
}

void agent_set_open(struct agent_set *set, struct agent_asked *asked)
{
    struct cor_err err = COR_ERR_NONE;
    *asked = (struct agent_asked){0};
    set->cfg.node_name = cor_strdup("n1");
    set->cfg.report_seconds = 600;
    set->service.loop = cor_loop_new();
    set->service.log = cor_log_new("edged", COR_LEVEL_ERROR);
    set->dir = test_dir_new();
    struct cor_bus_spec spec = {.service = "edged",
                                .run_dir = set->dir,
                                .loop = set->service.loop,
                                .log = set->service.log,
                                .messages = px_messages()};
    assert_int_equal(cor_bus_new(&spec, &set->service.bus, &err), COR_OK);
    fill_agent(set, asked);
}

void agent_set_close(struct agent_set *set)
{
    cor_map_free(&set->agent.pods);
    cor_map_free(&set->agent.unclaimed);
    books_close(&set->agent.books);
    cor_freep(&set->agent.meta);
    cor_bus_free(&set->service.bus);
    test_dir_free(&set->dir);
    cor_log_free(&set->service.log);
    cor_loop_free(&set->service.loop);
    cor_free(set->cfg.node_name);
}
