// SPDX-License-Identifier: Apache-2.0
#include "nodeports.h"

#include <string.h>

#include "common/base/mem.h"

struct ec_nodeports {
    int64_t first;
    size_t count;
    char **nodes; /* by port; NULL: free */
};

struct ec_nodeports *ec_nodeports_new(int64_t first, int64_t count)
{
    struct ec_nodeports *ports = cor_alloc(sizeof(*ports));
    ports->first = first;
    ports->count = count > 0 ? (size_t)count : 0;
    ports->nodes = cor_alloc((ports->count + 1) * sizeof(*ports->nodes));
    return ports;
}

void ec_nodeports_free(struct ec_nodeports **ports)
{
    if (*ports != NULL) {
        for (size_t i = 0; i < (*ports)->count; i++) {
            cor_free((*ports)->nodes[i]);
        }
        cor_free((*ports)->nodes);
        cor_freep(ports);
    }
}

/* Where the node is; count: nowhere. */
static size_t find(const struct ec_nodeports *ports, const char *node)
{
    size_t i = 0;
    while (i < ports->count && (ports->nodes[i] == NULL || strcmp(ports->nodes[i], node) != 0)) {
        i++;
    }
    return i;
}

void ec_nodeports_seen(struct ec_nodeports *ports, const char *node, int64_t port)
{
    bool ours = port >= ports->first && port - ports->first < (int64_t)ports->count;
    size_t at = ours ? (size_t)(port - ports->first) : ports->count;
    if (ours && ports->nodes[at] == NULL && find(ports, node) == ports->count) {
        ports->nodes[at] = cor_strdup(node);
    }
}

void ec_nodeports_gone(struct ec_nodeports *ports, const char *node)
{
    size_t at = find(ports, node);
    if (at < ports->count) {
        cor_freep(&ports->nodes[at]);
    }
}

int64_t ec_nodeports_give(struct ec_nodeports *ports, const char *node)
{
    size_t at = find(ports, node);
    for (size_t i = 0; at == ports->count && i < ports->count; i++) {
        if (ports->nodes[i] == NULL) {
            ports->nodes[i] = cor_strdup(node);
            at = i;
        }
    }
    return at == ports->count ? 0 : ports->first + (int64_t)at;
}

const char *ec_nodeports_node(const struct ec_nodeports *ports, uint64_t port)
{
    uint64_t first = (uint64_t)ports->first;
    return port >= first && port - first < ports->count ? ports->nodes[port - first] : NULL;
}
