// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/edgecontroller/asks.h"

#include <string.h>

#include "common/base/mem.h"

enum { TRIES = 500, PAUSE_MS = 20, ANSWER_S = 20 };

static void on_reply(void *self, const void *body, const struct cor_err *err)
{
    struct node_answer *a = self;
    const struct px_api_reply *reply = body;
    a->answered = true;
    a->code = reply == NULL ? err->code : COR_OK;
    a->status = reply == NULL ? 0 : reply->status;
    cor_buf_clear(&a->body);
    if (reply != NULL) {
        cor_buf_view(&a->body, reply->body);
    }
}

static bool is_answered(void *self)
{
    return ((struct node_answer *)self)->answered;
}

uint64_t world_ask(struct world *w, uint16_t number, const void *question, struct node_answer *a)
{
    for (int i = 0; i < TRIES; i++) {
        a->answered = false;
        assert_int_equal(cor_call(w->hub, number, question, COR_SEC(ANSWER_S), on_reply, a),
                         COR_OK);
        world_until(w, is_answered, a);
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

char *world_quoted(const char *body)
{
    char *text = cor_strdup(body);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    return text;
}
