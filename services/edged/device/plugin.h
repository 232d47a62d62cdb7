// SPDX-License-Identifier: Apache-2.0
// One device plug-in, by gRPC v1beta1.DevicePlugin: watched for what devices it has, asked to hand
// some out. Every question ends in exactly one callback. No decisions here. Loop thread only.
#ifndef EDGED_PLUGIN_H
#define EDGED_PLUGIN_H

#include "common/base/err.h"
#include "common/base/view.h"
#include "common/loop/loop.h"
#include "stock.h"

struct plugin;

struct plugin_options {
    bool known; /* else the plug-in is asked */
    bool pre_start;
    bool preferred;
};

/* What the owner hears. Neither may free the plug-in. */
struct plugin_events {
    /* It has these devices now; valid during the call. */
    void (*devices)(void *self, struct plugin *plugin, const struct stock_device *list,
                    size_t count);
    /* It is gone, or breaks a rule (text). Once, last. */
    void (*ended)(void *self, struct plugin *plugin, const char *text);
};

/* How a question ended. */
struct plugin_answer {
    enum cor_code code;
    const char *text;         /* the failure, as the kubelet words it */
    struct cor_view response; /* allocate: a ContainerAllocateResponse */
    const char *const *ids;   /* preferred */
    size_t id_count;
};

typedef void (*plugin_fn)(void *self, const struct plugin_answer *answer);

struct plugin_ids {
    const char *const *item;
    size_t count;
};

/* Client of the plug-in for resource at socket_path (borrowed for the call). events is borrowed and
 * must outlive it. Returns owned. */
struct plugin *plugin_new(struct cor_loop *loop, const char *socket_path, const char *resource,
                          const struct plugin_options *options, const struct plugin_events *events,
                          void *self);

/* Closes; questions under way fail. *plugin becomes NULL. Not from a callback of the plug-in. */
void plugin_free(struct plugin **plugin);

/* What it is for. Borrowed. */
const char *plugin_resource(const struct plugin *plugin);

/* Its options, as it has told them. */
const struct plugin_options *plugin_options(const struct plugin *plugin);

/* Allocate, for one container. */
void plugin_allocate(struct plugin *plugin, struct plugin_ids ids, plugin_fn fn, void *self);

/* GetPreferredAllocation, for one container: size of available, with must_include. */
void plugin_prefer(struct plugin *plugin, struct plugin_ids available,
                   struct plugin_ids must_include, size_t size, plugin_fn fn, void *self);

/* PreStartContainer. */
void plugin_pre_start(struct plugin *plugin, struct plugin_ids ids, plugin_fn fn, void *self);

#endif
