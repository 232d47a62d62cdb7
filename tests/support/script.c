// SPDX-License-Identifier: Apache-2.0
#include "tests/support/script.h"

#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "tests/support/process.h"

/* How often the loop looks whether it has ended. */
enum { LOOK_MS = 20, SPARE_S = 5 };

struct script {
    struct cor_loop *loop;
    const char *dir;
    const char *name;
    char *result; /* exit status as text, once it has ended; owned */
    struct cor_mono until;
};

/* libev reaps children: how one has ended is in a file. */
static void look(void *self)
{
    struct script *script = self;
    cor_free(script->result);
    script->result = test_read(script->dir, script->name);
    if (script->result[0] != '\0' || cor_mono_since(cor_mono_now(), script->until) > 0) {
        cor_loop_stop(script->loop);
    }
}

extern char **environ;

void test_script(struct cor_loop *loop, const char *dir, const char *name, int seconds,
                 const char *command)
{
    auto_(cor_freep) char *text =
        cor_sprintf("cd %s; timeout %d %s; echo $? >new; mv new %s", dir, seconds, command, name);
    const char *const argv[] = {"bash", "-c", text, NULL};
    pid_t pid = 0;
    struct script script = {.loop = loop,
                            .dir = dir,
                            .name = name,
                            .until = cor_mono_add(cor_mono_now(), COR_SEC(seconds + SPARE_S))};
    assert_int_equal(
        posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ), 0);
    struct cor_timer *timer = cor_timer_new(loop, look, &script);
    cor_timer_repeat(timer, COR_MS(LOOK_MS));
    cor_loop_run(loop);
    cor_timer_free(&timer);
    assert_string_equal(script.result, "0\n");
    cor_free(script.result);
}
