// SPDX-License-Identifier: Apache-2.0
#include "tests/support/bus/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/proto.h"

static void on_reply(void *self, const void *body, const struct cor_err *err)
{
    struct test_answer *a = self;
    a->answered = true;
    a->code = body == NULL ? err->code : COR_OK;
    a->status = 0;
    cor_buf_clear(&a->body);
    if (body != NULL && a->reply == PX_api_reply) {
        const struct px_api_reply *reply = body;
        a->status = reply->status;
        cor_buf_view(&a->body, reply->body);
    } else if (body != NULL && a->reply == PX_done) {
        a->status = ((const struct px_done *)body)->dropped;
    }
}

void test_call(struct cor_port *port, uint16_t number, const void *body, int64_t within_us,
               struct test_answer *answer)
{
    answer->answered = false;
    answer->reply = cor_message_find(px_messages(), number)->reply;
    assert_int_equal(cor_call(port, number, body, within_us, on_reply, answer), COR_OK);
}

bool test_is_answered(void *answer)
{
    return ((const struct test_answer *)answer)->answered;
}
