// SPDX-License-Identifier: Apache-2.0
#include "plugin.h"

#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/grpc/frame.h"
#include "common/grpc/grpc.h"
#include "services/edged/device/deviceplugin.pb-c.h"

#define SERVICE "/v1beta1.DevicePlugin/"

enum {
    MESSAGE_MAX = 4 * 1024 * 1024, /* gRPC's own default */
    CONNECT_S = 10,                /* as the kubelet dials */
    PRE_START_S = 30,              /* KubeletPreStartContainerRPCTimeoutInSecs */
    ALLOCATE_S = 60,               /* the kubelet waits for ever, and with it all Pods */
};

struct plugin {
    struct cor_loop *loop;
    struct cor_grpc *grpc;
    char *resource;
    struct plugin_options options;
    const struct plugin_events *events;
    void *self;
    struct cor_timer *late; /* it does not answer */
    bool ended;
    struct cor_link questions;
};

/* A question under way. */
struct question {
    struct cor_link link;
    plugin_fn fn;
    void *self;
    void (*read)(struct question *question, struct cor_view message);
};

/* ---- ends ---- */

static void end(struct plugin *plugin, const char *text)
{
    if (!plugin->ended) {
        plugin->ended = true;
        cor_timer_stop(plugin->late);
        plugin->events->ended(plugin->self, plugin, text);
    }
}

static void on_late(void *self)
{
    end(self, "no answer within 10 s");
}

static void on_watch_ended(void *self, const struct cor_grpc_reply *reply)
{
    end(self, reply->text[0] != '\0' ? reply->text : "ListAndWatch has ended");
}

/* ---- what it has ---- */

static void on_list(void *self, struct cor_view message)
{
    struct plugin *plugin = self;
    V1beta1__ListAndWatchResponse *list =
        v1beta1__list_and_watch_response__unpack(NULL, message.len, (const uint8_t *)message.ptr);
    if (list == NULL) {
        end(plugin, "its list of devices cannot be read");
        return;
    }
    cor_timer_stop(plugin->late);
    auto_(cor_freep) struct stock_device *devices =
        cor_calloc(list->n_devices + 1, sizeof(*devices));
    for (size_t i = 0; i < list->n_devices; i++) {
        devices[i] = (struct stock_device){list->devices[i]->id,
                                           strcmp(list->devices[i]->health, "Healthy") == 0};
    }
    if (!plugin->ended) {
        plugin->events->devices(plugin->self, plugin, devices, list->n_devices);
    }
    v1beta1__list_and_watch_response__free_unpacked(list, NULL);
}

static void watch(struct plugin *plugin)
{
    const struct cor_grpc_request request = {.path = SERVICE "ListAndWatch",
                                             .message = {"", 0},
                                             .message_fn = on_list,
                                             .done_fn = on_watch_ended,
                                             .self = plugin};
    if (cor_grpc_call(plugin->grpc, &request) == 0) {
        end(plugin, "too many calls under way");
    }
}

static void on_options(void *self, const struct cor_grpc_reply *reply)
{
    struct plugin *plugin = self;
    V1beta1__DevicePluginOptions *options =
        reply->code != COR_OK ? NULL
                              : v1beta1__device_plugin_options__unpack(
                                    NULL, reply->message.len, (const uint8_t *)reply->message.ptr);
    if (options == NULL) {
        end(plugin, reply->text[0] != '\0' ? reply->text : "its options cannot be read");
        return;
    }
    plugin->options = (struct plugin_options){true, options->pre_start_required,
                                              options->get_preferred_allocation_available};
    v1beta1__device_plugin_options__free_unpacked(options, NULL);
    watch(plugin);
}

static void begin(struct plugin *plugin)
{
    if (plugin->options.known) {
        watch(plugin);
        return;
    }
    const struct cor_grpc_request request = {.path = SERVICE "GetDevicePluginOptions",
                                             .message = {"", 0},
                                             .timeout_us = COR_SEC(CONNECT_S),
                                             .done_fn = on_options,
                                             .self = plugin};
    if (cor_grpc_call(plugin->grpc, &request) == 0) {
        end(plugin, "too many calls under way");
    }
}

struct plugin *plugin_new(struct cor_loop *loop, const char *socket_path, const char *resource,
                          const struct plugin_options *options, const struct plugin_events *events,
                          void *self)
{
    struct plugin *plugin = cor_alloc(sizeof(*plugin));
    plugin->loop = loop;
    plugin->resource = cor_strdup(resource);
    plugin->options = *options;
    plugin->events = events;
    plugin->self = self;
    cor_list_init(&plugin->questions);
    plugin->late = cor_timer_new(loop, on_late, plugin);
    cor_timer_start(plugin->late, COR_SEC(CONNECT_S));
    plugin->grpc = cor_grpc_new(
        loop, &(struct cor_grpc_conf){.socket_path = socket_path, .message_max = MESSAGE_MAX}, NULL,
        NULL);
    begin(plugin);
    return plugin;
}

static void answer(struct question *question, const struct plugin_answer *a)
{
    cor_list_del(&question->link);
    question->fn(question->self, a);
    cor_free(question);
}

void plugin_free(struct plugin **plugin)
{
    if (*plugin == NULL) {
        return;
    }
    struct plugin *p = *plugin;
    *plugin = NULL;
    cor_grpc_free(&p->grpc); /* drops its calls without a word */
    while (!cor_list_empty(&p->questions)) {
        answer(COR_LIST_OBJECT(p->questions.next, struct question, link),
               &(struct plugin_answer){.code = COR_GONE, .text = "the device plugin is gone"});
    }
    cor_timer_free(&p->late);
    cor_free(p->resource);
    cor_free(p);
}

const char *plugin_resource(const struct plugin *plugin)
{
    return plugin->resource;
}

const struct plugin_options *plugin_options(const struct plugin *plugin)
{
    return &plugin->options;
}

/* ---- questions ---- */

static void on_answer(void *self, const struct cor_grpc_reply *reply)
{
    struct question *question = self;
    if (reply->code == COR_OK) {
        question->read(question, reply->message);
        return;
    }
    char text[600];
    (void)snprintf(text, sizeof(text), "rpc error: code = %s desc = %s",
                   cor_grpc_status_name(reply->status), reply->text);
    answer(question, &(struct plugin_answer){.code = reply->code, .text = text});
}

static void unreadable(struct question *question)
{
    answer(question, &(struct plugin_answer){.code = COR_INVALID,
                                             .text = "the device plugin's answer cannot be read"});
}

/* What the plug-in has to say of one container is kept as it is. */
static void read_allocated(struct question *question, struct cor_view message)
{
    V1beta1__AllocateResponse *all =
        v1beta1__allocate_response__unpack(NULL, message.len, (const uint8_t *)message.ptr);
    if (all == NULL || all->n_containers != 1) {
        unreadable(question);
    } else {
        auto_(cor_buf_free) struct cor_buf bytes = {0};
        size_t size = v1beta1__container_allocate_response__get_packed_size(all->containers[0]);
        (void)v1beta1__container_allocate_response__pack(all->containers[0],
                                                         (uint8_t *)cor_buf_room(&bytes, size));
        bytes.len = size;
        answer(question, &(struct plugin_answer){.response = cor_buf_as_view(&bytes)});
    }
    v1beta1__allocate_response__free_unpacked(all, NULL);
}

static void read_preferred(struct question *question, struct cor_view message)
{
    V1beta1__PreferredAllocationResponse *all = v1beta1__preferred_allocation_response__unpack(
        NULL, message.len, (const uint8_t *)message.ptr);
    if (all == NULL) {
        unreadable(question);
        return;
    }
    const V1beta1__DeviceIds *first = all->n_containers > 0 ? all->containers[0] : NULL;
    const struct plugin_answer a = {
        .ids = first == NULL ? NULL : (const char *const *)first->ids,
        .id_count = first == NULL ? 0 : first->n_ids,
    };
    answer(question, &a);
    v1beta1__preferred_allocation_response__free_unpacked(all, NULL);
}

static void read_nothing(struct question *question, struct cor_view message)
{
    (void)message;
    answer(question, &(struct plugin_answer){0});
}

static void ask(struct plugin *plugin, const char *path, const ProtobufCMessage *message,
                int64_t seconds, const struct question *kind)
{
    struct question *question = cor_alloc(sizeof(*question));
    *question = *kind;
    cor_list_add(&plugin->questions, &question->link);
    auto_(cor_buf_free) struct cor_buf bytes = {0};
    size_t size = protobuf_c_message_get_packed_size(message);
    (void)protobuf_c_message_pack(message, (uint8_t *)cor_buf_room(&bytes, size));
    bytes.len = size;
    const struct cor_grpc_request request = {.path = path,
                                             .message = cor_buf_as_view(&bytes),
                                             .timeout_us = COR_SEC(seconds),
                                             .done_fn = on_answer,
                                             .self = question};
    if (plugin->ended || cor_grpc_call(plugin->grpc, &request) == 0) {
        answer(question,
               &(struct plugin_answer){.code = COR_GONE, .text = "the device plugin is gone"});
    }
}

static char **list_of(struct plugin_ids ids)
{
    return (char **)(uintptr_t)ids.item;
}

void plugin_allocate(struct plugin *plugin, struct plugin_ids ids, plugin_fn fn, void *self)
{
    V1beta1__DeviceIds one = V1BETA1__DEVICE_IDS__INIT;
    V1beta1__DeviceIds *list[] = {&one};
    V1beta1__AllocateRequest request = V1BETA1__ALLOCATE_REQUEST__INIT;
    one.ids = list_of(ids);
    one.n_ids = ids.count;
    request.containers = list;
    request.n_containers = 1;
    ask(plugin, SERVICE "Allocate", &request.base, ALLOCATE_S,
        &(struct question){.fn = fn, .self = self, .read = read_allocated});
}

void plugin_prefer(struct plugin *plugin, struct plugin_ids available,
                   struct plugin_ids must_include, size_t size, plugin_fn fn, void *self)
{
    V1beta1__ContainerPreferredAllocationRequest one =
        V1BETA1__CONTAINER_PREFERRED_ALLOCATION_REQUEST__INIT;
    V1beta1__ContainerPreferredAllocationRequest *list[] = {&one};
    V1beta1__PreferredAllocationRequest request = V1BETA1__PREFERRED_ALLOCATION_REQUEST__INIT;
    one.available = list_of(available);
    one.n_available = available.count;
    one.must_include = list_of(must_include);
    one.n_must_include = must_include.count;
    one.size = (int32_t)size;
    request.containers = list;
    request.n_containers = 1;
    ask(plugin, SERVICE "GetPreferredAllocation", &request.base, ALLOCATE_S,
        &(struct question){.fn = fn, .self = self, .read = read_preferred});
}

void plugin_pre_start(struct plugin *plugin, struct plugin_ids ids, plugin_fn fn, void *self)
{
    V1beta1__DeviceIds request = V1BETA1__DEVICE_IDS__INIT;
    request.ids = list_of(ids);
    request.n_ids = ids.count;
    ask(plugin, SERVICE "PreStartContainer", &request.base, PRE_START_S,
        &(struct question){.fn = fn, .self = self, .read = read_nothing});
}
