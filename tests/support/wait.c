// SPDX-License-Identifier: Apache-2.0
#include "tests/support/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "tests/support/process.h"

enum { PATIENCE_S = 30 };

struct wait {
    struct cor_loop *loop;
    bool late;
};

static void look_again(void *self)
{
    cor_loop_stop(((struct wait *)self)->loop);
}

static void too_late(void *self)
{
    ((struct wait *)self)->late = true;
    look_again(self);
}

void test_wait(struct cor_loop *loop, const char *dir, bool (*cond)(void *arg), void *arg)
{
    struct wait wait = {.loop = loop};
    auto_(cor_timer_free) struct cor_timer *look = cor_timer_new(loop, look_again, &wait);
    auto_(cor_timer_free) struct cor_timer *deadline = cor_timer_new(loop, too_late, &wait);
    cor_timer_repeat(look, COR_MS(2));
    cor_timer_start(deadline, COR_SEC(PATIENCE_S));
    while (!cond(arg)) {
        cor_loop_run(loop);
        if (wait.late) {
            auto_(cor_freep) char *log = test_read(dir, "log");
            (void)fputs(log, stderr); /* fail_msg cuts after 1 KiB */
            fail_msg("nothing happened for %d s", PATIENCE_S);
        }
    }
}

struct sight {
    const struct cor_buf *seen;
    const char *text;
};

static bool has_text(void *arg)
{
    const struct sight *sight = arg;
    return sight->seen->len > 0 && strstr(sight->seen->data, sight->text) != NULL;
}

void test_wait_text(struct cor_loop *loop, const char *dir, const struct cor_buf *seen,
                    const char *text)
{
    struct sight sight = {seen, text};
    test_wait(loop, dir, has_text, &sight);
}
