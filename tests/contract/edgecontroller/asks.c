// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/edgecontroller/asks.h"

#include <string.h>

#include "common/base/mem.h"

enum { TRIES = 500, PAUSE_MS = 20, ANSWER_S = 20 };

uint64_t world_ask(struct world *w, uint16_t number, const void *question, struct test_answer *a)
{
    for (int i = 0; i < TRIES; i++) {
        test_call(w->hub, number, question, COR_SEC(ANSWER_S), a);
        world_until(w, test_is_answered, a);
        if (a->status != 503) { /* it is still starting */
            break;
        }
        stage_idle(w->stage, PAUSE_MS);
    }
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
