// SPDX-License-Identifier: Apache-2.0
// Inside of devices*.c.
#ifndef EDGED_DEVICES_PRIVATE_H
#define EDGED_DEVICES_PRIVATE_H

#include "common/grpc/server.h"
#include "devices.h"
#include "plugin.h"
#include "stock.h"

/* A plug-in that has registered. */
struct devices_slot {
    struct cor_link link;
    struct devices *devices;
    struct plugin *plugin;
    bool dead; /* it is freed soon, not from within its own callback */
};

struct devices {
    struct agent *agent;
    char *dir;
    char *checkpoint; /* path */
    struct stock *stock;
    struct cor_grpc_server *server;
    struct cor_link slots;
    struct cor_timer *bury;
    struct cor_timer *expire;
    bool closing;
};

/* The live plug-in for resource; NULL. */
struct plugin *devices_plugin(const struct devices *devices, const char *resource);

/* Writes down what is handed out. A failure is logged. */
void devices_save(struct devices *devices);

/* Registration.Register. */
void devices_register(void *self, struct cor_view message, struct cor_grpc_result *result);

/* A plug-in has registered at path. text is filled when it cannot be taken. */
bool devices_add(struct devices *devices, const char *path, const char *resource,
                 const struct plugin_options *options, struct cor_err *err);

#endif
