// SPDX-License-Identifier: Apache-2.0
// How edged learns that a container has ended: containerd's own events, which containerd 1.6 has,
// else those of CRI (GetContainerEvents: CRI-O, containerd since 1.7), else lists.
#include <string.h>

#include "cri_private.h"
#include "services/edged/cri/events.pb-c.h"
#include "services/edged/cri/runtime.pb-c.h"

enum {
    REOPEN_MS = 200, /* the stream ended while the connection stands */
    LISTS_MS = 1000, /* no stream at all: the kubelet's interval (pkg/kubelet, generic PLEG) */
    UNIMPLEMENTED = 12,
    STOPPED = 2, /* ContainerEventType */
};

static void on_containerd(void *self, struct cor_view bytes)
{
    struct cri *cri = self;
    Containerd__V1__Envelope *envelope =
        containerd__v1__envelope__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    if (envelope == NULL || envelope->event == NULL) {
        protobuf_c_message_free_unpacked(envelope == NULL ? NULL : &envelope->base, NULL);
        return;
    }
    ProtobufCBinaryData value = envelope->event->value;
    Containerd__V1__TaskExit *event =
        containerd__v1__task_exit__unpack(NULL, value.len, value.data);
    if (event != NULL && strcmp(event->container_id, event->id) == 0) {
        cri->events->exited(cri->self, event->container_id);
    }
    protobuf_c_message_free_unpacked(event == NULL ? NULL : &event->base, NULL);
    protobuf_c_message_free_unpacked(&envelope->base, NULL);
}

static void on_cri(void *self, struct cor_view bytes)
{
    struct cri *cri = self;
    Runtime__V1__ContainerEvent *event =
        runtime__v1__container_event__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    if (event != NULL && event->type == STOPPED) {
        cri->events->exited(cri->self, event->container_id);
    }
    protobuf_c_message_free_unpacked(event == NULL ? NULL : &event->base, NULL);
}

static struct cor_buf ask_containerd(void)
{
    char filter[] = "topic==\"/tasks/exit\",namespace==k8s.io";
    char *filters[] = {filter};
    Containerd__V1__SubscribeRequest request = CONTAINERD__V1__SUBSCRIBE_REQUEST__INIT;
    request.n_filters = COR_COUNT(filters);
    request.filters = filters;
    return cri_pack(&request.base);
}

static struct cor_buf ask_cri(void)
{
    Runtime__V1__Empty request = RUNTIME__V1__EMPTY__INIT;
    return cri_pack(&request.base);
}

static const struct {
    const char *path;
    struct cor_buf (*request)(void);
    cor_grpc_message_fn message_fn;
} sources[] = {
    {"/containerd.services.events.v1.Events/Subscribe", ask_containerd, on_containerd},
    {"/runtime.v1.RuntimeService/GetContainerEvents", ask_cri, on_cri},
};

static void on_stream_end(void *self, const struct cor_grpc_reply *reply)
{
    struct cri *cri = self;
    bool lists = false;
    cri->stream = 0;
    if (reply->status == UNIMPLEMENTED) {
        cri->source = (cri->source + 1) % COR_COUNT(sources);
        lists = cri->source == 0;
    }
    if (cri->up) {
        cor_timer_start(cri->reopen, COR_MS(lists ? LISTS_MS : REOPEN_MS));
    }
}

/* Where there is no stream, each try makes the caller list all. */
void cri_stream_open(void *self)
{
    struct cri *cri = self;
    auto_(cor_buf_free) struct cor_buf bytes = sources[cri->source].request();
    const struct cor_grpc_request outgoing = {
        .path = sources[cri->source].path,
        .message = cor_buf_as_view(&bytes),
        .message_fn = sources[cri->source].message_fn,
        .done_fn = on_stream_end,
        .self = cri,
    };
    cor_grpc_cancel(cri->grpc, cri->stream);
    cri->stream = cor_grpc_call(cri->grpc, &outgoing);
    cri->events->resynced(cri->self);
}
