// SPDX-License-Identifier: Apache-2.0
// Inside of stock*.c.
#ifndef EDGED_STOCK_PRIVATE_H
#define EDGED_STOCK_PRIVATE_H

#include "stock.h"

struct stock_item {
    char *id;
    bool healthy;
};

struct stock_resource {
    char *name;
    struct stock_item *devices;
    size_t count;
    bool live;            /* its plug-in is there */
    struct cor_mono lost; /* when it went */
};

struct stock {
    struct stock_resource resources[STOCK_RESOURCES_MAX];
    size_t count;
    struct cor_link grants; /* struct stock_grant */
};

/* The resource; NULL: not known. */
struct stock_resource *stock_find(const struct stock *stock, const char *name);

/* An empty grant, in the list. */
struct stock_grant *stock_grant_new(struct stock *stock, const char *uid, const char *container,
                                    const char *resource);

/* Adds a device (copies id). */
void stock_grant_add(struct stock_grant *grant, const char *id);

/* Unlinks and frees. */
void stock_grant_free(struct stock_grant *grant);

#endif
