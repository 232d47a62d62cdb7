// SPDX-License-Identifier: Apache-2.0
#include "played.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/mem.h"

void played_begin(struct played *p)
{
    p->dir = test_dir_new();
    p->loop = cor_loop_new();
    p->log = cor_log_new("test", COR_LEVEL_ERROR);
}

void played_start(struct played *p, const char *script)
{
    char line[32];
    auto_(cor_freep) char *path =
        cor_sprintf("%s/tests/unit/common/kube/%s", CORACLE_SOURCE_DIR, script);
    const char *const argv[] = {"python3", path, p->dir, NULL};
    test_process_start(&p->server, argv, "/dev/null", line, sizeof(line));
    p->config.server = cor_sprintf("https://127.0.0.1:%d", atoi(line));
    assert_int_equal(cor_kube_new(p->loop, &p->config, &p->kube, NULL), COR_OK);
}

void played_end(struct played *p)
{
    cor_kube_free(&p->kube);
    cor_loop_free(&p->loop);
    cor_log_free(&p->log);
    cor_kube_config_free(&p->config);
    (void)test_process_stop(&p->server, SIGKILL);
    test_dir_free(&p->dir);
}
