// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/edgecontroller/asks.h"

#include <string.h>

#include "common/base/mem.h"

enum { ANSWER_S = 60 };

struct question {
    struct world *w;
    uint16_t number;
    const void *body;
    struct test_answer *answer;
};

/* It is answered, but not that it is still starting. */
static bool is_taken(void *self)
{
    const struct question *q = self;
    test_call(q->w->hub, q->number, q->body, COR_SEC(ANSWER_S), q->answer);
    world_until(q->w, test_is_answered, q->answer);
    return q->answer->status != 503;
}

uint64_t world_ask(struct world *w, uint16_t number, const void *question, struct test_answer *a)
{
    struct question q = {w, number, question, a};
    world_poll(w, is_taken, &q);
    return a->status;
}

struct told {
    const struct cor_buf *told;
    const char *text;
};

static bool has_text(void *self)
{
    const struct told *t = self;
    return t->told->len > 0 && strstr(t->told->data, t->text) != NULL;
}

void world_told(struct world *w, const struct cor_buf *told, const char *text)
{
    struct told t = {told, text};
    if (!stage_until(w->stage, has_text, &t)) {
        fail_msg("not told: %s; but: %.*s", text, COR_VIEW_ARG(cor_buf_as_view(told)));
    }
}
