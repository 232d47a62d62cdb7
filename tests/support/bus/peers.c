// SPDX-License-Identifier: Apache-2.0
#include "tests/support/bus/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/proto.h"

static const struct {
    const char *service;
    enum px_endpoint endpoint;
} ROLES[PEERS] = {{"metamanager", PX_ENDPOINT_HUB_META},
                  {"devicetwin", PX_ENDPOINT_HUB_TWIN},
                  {"eventbus", PX_ENDPOINT_HUB_BUS}};

void test_peers_open(struct test_peers *peers, int peer, const struct cor_port_ops *ops, void *self)
{
    struct cor_err err = COR_ERR_NONE;
    if (cor_port_open(peers->buses[peer], px_endpoint(ROLES[peer].endpoint), ops, self,
                      &peers->ports[peer], &err) != COR_OK) {
        fail_msg("%s", err.text);
    }
}

void test_peers_join(struct test_peers *peers, const struct cor_bus_spec *spec,
                     const struct cor_port_ops *ops, void *self)
{
    for (int i = 0; i < PEERS; i++) {
        struct cor_err err = COR_ERR_NONE;
        struct cor_bus_spec own = *spec;
        own.service = ROLES[i].service;
        if (cor_bus_new(&own, &peers->buses[i], &err) != COR_OK) {
            fail_msg("%s", err.text);
        }
        test_peers_open(peers, i, ops, self);
    }
}

void test_peers_leave(struct test_peers *peers)
{
    for (int i = 0; i < PEERS; i++) {
        cor_port_close(&peers->ports[i]);
        cor_bus_free(&peers->buses[i]);
    }
}
