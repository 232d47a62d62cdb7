// SPDX-License-Identifier: Apache-2.0
// A connector hears late that a connection was lost: the one after it may have been greeted already
// and be taken for the lost one. The sockets here are the test's own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/bus/bus.h"
#include "common/bus/zsock.h"

struct cor_zsock {
    struct cor_zsock_ops ops;
    void *self;
    bool binds;
    unsigned probes; /* empty frames that were sent */
};

/* The connector's, of which there is one. */
static struct cor_zsock *connector;

enum cor_code cor_zsock_open(struct cor_loop *loop, const struct cor_zsock_spec *spec,
                             const struct cor_zsock_ops *ops, void *self, struct cor_zsock **z_r,
                             struct cor_err *err)
{
    (void)loop;
    (void)err;
    *z_r = cor_alloc(sizeof(**z_r));
    **z_r = (struct cor_zsock){.ops = *ops, .self = self, .binds = spec->binds};
    connector = spec->binds ? connector : *z_r;
    return COR_OK;
}

void cor_zsock_close(struct cor_zsock **z)
{
    cor_freep(z);
}

bool cor_zsock_send(struct cor_zsock *z, const struct cor_peer *peer, struct cor_view frame)
{
    (void)peer;
    z->probes += frame.len == 0 ? 1 : 0;
    return true;
}

bool cor_zsock_give(struct cor_zsock *z, const struct cor_peer *peer, char *data, size_t len)
{
    (void)z;
    (void)peer;
    (void)len;
    cor_free(data);
    return true;
}

static void the_binder_is_asked_to_greet_again(void **state)
{
    static const struct cor_endpoint ENDPOINT = {.name = "a-b",
                                                 .binder = "a",
                                                 .connector = "b",
                                                 .window = 8,
                                                 .queue = 16,
                                                 .max_bytes = 4096};
    static const struct cor_messages MESSAGES = {0};
    static const struct cor_port_ops OPS = {0};
    static const char *const NAMES[] = {"/bus/a-b.connect.lock", "/bus/ctl.b.lock", "/bus", "/ctl",
                                        ""};
    (void)state;
    char dir[] = "/tmp/cor-loss-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct cor_loop *loop = cor_loop_new();
    struct cor_log *log = cor_log_new("b", COR_LEVEL_ERROR);
    struct cor_bus_spec spec = {"b", dir, NULL, loop, log, &MESSAGES};
    struct cor_bus *bus = NULL;
    struct cor_port *port = NULL;
    assert_int_equal(cor_bus_new(&spec, &bus, NULL), COR_OK);
    assert_int_equal(cor_port_open(bus, &ENDPOINT, &OPS, NULL, &port, NULL), COR_OK);
    assert_non_null(connector);
    unsigned before = connector->probes;
    connector->ops.lost(connector->self);
    assert_int_equal(connector->probes, before + 1);
    cor_port_close(&port);
    cor_bus_free(&bus);
    cor_log_free(&log);
    cor_loop_free(&loop);
    for (size_t i = 0; i < COR_COUNT(NAMES); i++) {
        auto_(cor_freep) char *path = cor_sprintf("%s%s", dir, NAMES[i]);
        (void)(unlink(path) != 0 && rmdir(path));
    }
    assert_int_not_equal(access(dir, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_binder_is_asked_to_greet_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
