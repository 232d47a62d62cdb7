// SPDX-License-Identifier: Apache-2.0
#include "client.h"

#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/grpc/frame.h"
#include "common/grpc/grpc.h"

enum { MESSAGE_MAX = 4 * 1024 * 1024 };

struct csi_client {
    struct cor_grpc *grpc;
    struct cor_link questions;
};

struct question {
    struct cor_link link;
    csi_answer_fn fn;
    void *self;
};

static void answer(struct question *question, const struct csi_answer *a)
{
    cor_list_del(&question->link);
    question->fn(question->self, a);
    cor_free(question);
}

static const struct csi_answer gone = {.code = COR_GONE, .text = "the driver is gone"};

struct csi_client *csi_client_new(struct cor_loop *loop, const char *path)
{
    struct csi_client *client = cor_alloc(sizeof(*client));
    cor_list_init(&client->questions);
    client->grpc = cor_grpc_new(
        loop, &(struct cor_grpc_conf){.socket_path = path, .message_max = MESSAGE_MAX}, NULL, NULL);
    return client;
}

void csi_client_free(struct csi_client **client)
{
    if (*client == NULL) {
        return;
    }
    struct csi_client *c = *client;
    *client = NULL;
    cor_grpc_free(&c->grpc); /* drops its calls without a word */
    while (!cor_list_empty(&c->questions)) {
        answer(COR_LIST_OBJECT(c->questions.next, struct question, link), &gone);
    }
    cor_free(c);
}

static void on_done(void *self, const struct cor_grpc_reply *reply)
{
    char text[600] = "";
    if (reply->code != COR_OK) {
        (void)snprintf(text, sizeof(text), "rpc error: code = %s desc = %s",
                       cor_grpc_status_name(reply->code == COR_TIMEOUT ? 4 : reply->status),
                       reply->text);
    }
    answer(self, &(struct csi_answer){reply->code, text, reply->message});
}

void csi_client_ask(struct csi_client *client, const char *path, const ProtobufCMessage *message,
                    int64_t timeout_us, csi_answer_fn fn, void *self)
{
    auto_(cor_buf_free) struct cor_buf bytes = {0};
    struct question *question = cor_alloc(sizeof(*question));
    *question = (struct question){.fn = fn, .self = self};
    cor_list_add(&client->questions, &question->link);
    size_t size = protobuf_c_message_get_packed_size(message);
    (void)protobuf_c_message_pack(message, (uint8_t *)cor_buf_room(&bytes, size));
    bytes.len = size;
    const struct cor_grpc_request request = {.path = path,
                                             .message = cor_buf_as_view(&bytes),
                                             .timeout_us = timeout_us,
                                             .done_fn = on_done,
                                             .self = question};
    if (cor_grpc_call(client->grpc, &request) == 0) {
        answer(question, &gone);
    }
}
