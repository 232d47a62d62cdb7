// SPDX-License-Identifier: Apache-2.0
#include "flow.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"

void ec_flow_init(struct ec_flow_queue *queue)
{
    *queue = (struct ec_flow_queue){0};
    cor_list_init(&queue->list);
}

enum ec_taken ec_flow_take(struct ec_flow_queue *queue, struct ec_flow_limit limit,
                           const struct ec_upload *message)
{
    if (message->seq <= queue->committed) {
        return EC_OVER;
    }
    if (message->seq <= queue->received) {
        return EC_TAKEN_BEFORE;
    }
    if (queue->count > 0 &&
        (queue->count >= limit.count || queue->bytes + message->len > limit.bytes)) {
        return EC_FULL;
    }
    struct ec_upload *copy = cor_alloc(sizeof(*copy));
    *copy = *message;
    copy->topic = cor_strdup(message->topic);
    copy->payload = cor_memdup(message->payload, message->len);
    cor_list_add(&queue->list, &copy->link);
    queue->received = message->seq;
    queue->count++;
    queue->bytes += message->len;
    return EC_TAKEN;
}

const struct ec_upload *ec_flow_head(const struct ec_flow_queue *queue)
{
    return cor_list_empty(&queue->list) ? NULL
                                        : COR_LIST_OBJECT(queue->list.next, struct ec_upload, link);
}

size_t ec_flow_batch(const struct ec_flow_queue *queue, size_t max, size_t bytes)
{
    const struct ec_upload *head = ec_flow_head(queue);
    size_t count = 0;
    size_t sum = 0;
    COR_LIST_EACH (node, &queue->list) {
        const struct ec_upload *upload = COR_LIST_OBJECT(node, struct ec_upload, link);
        sum += upload->len;
        if (count > 0 && (count >= max || sum > bytes || upload->len == 0 ||
                          strcmp(upload->topic, head->topic) != 0)) {
            break;
        }
        count++;
    }
    return count;
}

static size_t drop(struct ec_flow_queue *queue, struct ec_upload *upload)
{
    size_t len = upload->len;
    cor_list_del(&upload->link);
    queue->count--;
    queue->bytes -= len;
    cor_free(upload->topic);
    cor_free(upload->payload);
    cor_free(upload);
    return len;
}

size_t ec_flow_pop(struct ec_flow_queue *queue, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        must(!cor_list_empty(&queue->list));
        struct ec_upload *upload = COR_LIST_OBJECT(queue->list.next, struct ec_upload, link);
        queue->committed = upload->seq;
        bytes += drop(queue, upload);
    }
    return bytes;
}

size_t ec_flow_skip(struct ec_flow_queue *queue, uint64_t seq, size_t *bytes_r)
{
    size_t count = 0;
    const struct ec_upload *head = NULL;
    *bytes_r = 0;
    while ((head = ec_flow_head(queue)) != NULL && head->seq <= seq) {
        *bytes_r += ec_flow_pop(queue, 1);
        count++;
    }
    return count;
}

size_t ec_flow_clear(struct ec_flow_queue *queue)
{
    size_t bytes = 0;
    while (!cor_list_empty(&queue->list)) {
        bytes += drop(queue, COR_LIST_OBJECT(queue->list.next, struct ec_upload, link));
    }
    ec_flow_init(queue);
    return bytes;
}
