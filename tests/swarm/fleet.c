// SPDX-License-Identifier: Apache-2.0
#include "fleet.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/base/must.h"

enum { PERCENT = 100 };

uint64_t fleet_content(uint64_t version)
{
    return cor_hash_mix(version);
}

/* As services/cloudhub/enrol.c signs them. */
static struct conn_who *sign(const struct fleet *fleet, const struct fleet_spec *spec,
                             uint32_t number)
{
    char name[16];
    node_name(number, name);
    auto_(cor_freep) char *cn = cor_sprintf("system:node:%s", name);
    struct cor_issuer issuer = {spec->ca, spec->ca_key};
    struct cor_wall now = cor_wall_now();
    struct cor_cert_spec what = {.cn = cn,
                                 .org = "system:nodes",
                                 .usage = COR_CERT_CLIENT,
                                 .from = {now.us - COR_SEC(60)},
                                 .until = {now.us + COR_SEC(86400)}};
    auto_(cor_cert_free) struct cor_cert *cert = NULL;
    must(cor_cert_sign(issuer, fleet->key, &what, &cert, NULL) == COR_OK);
    return conn_who_new(cert);
}

struct fleet *fleet_new(const struct fleet_spec *spec)
{
    struct fleet *fleet = cor_alloc(sizeof(*fleet));
    fleet->loop = spec->loop;
    fleet->port = spec->port;
    fleet->key = cor_key_new();
    fleet->tls = conn_tls_new(spec->ca, fleet->key);
    fleet->size = spec->size;
    cor_list_init(&fleet->queue);
    fleet->nodes = cor_calloc(spec->size, sizeof(*fleet->nodes));
    for (size_t i = 0; i < spec->size; i++) {
        uint32_t number = spec->first + (uint32_t)i;
        node_begin(&fleet->nodes[i], fleet, number, sign(fleet, spec, number));
        /* spread evenly */
        fleet->nodes[i].kubeedge =
            (i + 1) * spec->kubeedge / PERCENT != i * spec->kubeedge / PERCENT;
    }
    return fleet;
}

void fleet_free(struct fleet **fleet)
{
    if (*fleet == NULL) {
        return;
    }
    struct fleet *self = *fleet;
    for (size_t i = 0; i < self->size; i++) {
        node_end(&self->nodes[i]);
    }
    conn_tls_free(&self->tls);
    cor_key_free(&self->key);
    stats_free(&self->trips);
    cor_buf_free(&self->frame);
    cor_buf_free(&self->text);
    cor_free(self->nodes);
    cor_freep(fleet);
}

void fleet_dial(struct fleet *fleet, int64_t within_us)
{
    for (size_t i = 0; i < fleet->size; i++) {
        if (fleet->nodes[i].conn == NULL) {
            node_dial(&fleet->nodes[i], (int64_t)(drand48() * (double)within_us));
        }
    }
}

void fleet_await(struct fleet *fleet, uint64_t version)
{
    fleet->target = version;
    fleet->reached = 0;
    for (size_t i = 0; i < fleet->size; i++) {
        fleet->reached += fleet->nodes[i].version == version;
    }
}

void fleet_count_anew(struct fleet *fleet)
{
    fleet->n = (struct fleet_counts){0};
    stats_free(&fleet->trips);
}
