// SPDX-License-Identifier: Apache-2.0
#include "post.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/clock/clock.h"
#include "common/json/json.h"
#include "common/kube/path.h"

enum { MESSAGE_MAX = 2 << 20 };

static char *encoded(const char *text)
{
    struct cor_buf out = {0};
    cor_percent_encode(cor_view_of(text), &out);
    return cor_buf_take(&out);
}

static const struct ec_upload *last_of(const struct ec_flow_queue *queue, size_t count)
{
    const struct ec_upload *last = NULL;
    COR_LIST_EACH (node, &queue->list) {
        if (count-- == 0) {
            break;
        }
        last = COR_LIST_OBJECT(node, struct ec_upload, link);
    }
    return last;
}

static char *key_line(const struct ec_post_from *from, uint64_t first, uint64_t last)
{
    auto_(cor_freep) char *node = encoded(from->node);
    auto_(cor_freep) char *stream = encoded(from->stream);
    struct cor_buf line = {0};
    cor_buf_fmt(&line, "Idempotency-Key: %s/bus/%016" PRIx64 "/%s/%" PRIu64, node,
                from->incarnation, stream, first);
    if (last != first) {
        cor_buf_fmt(&line, "..%" PRIu64, last);
    }
    return cor_buf_take(&line);
}

/* Slashes stay: nothing else in a header could be taken for one. */
static char *header(const char *name, const char *value)
{
    struct cor_view rest = cor_view_of(value);
    struct cor_view part;
    struct cor_buf line = {0};
    const char *between = ": ";
    cor_buf_str(&line, name);
    while (cor_view_split(&rest, '/', &part)) {
        cor_buf_str(&line, between);
        cor_percent_encode(part, &line);
        between = "/";
    }
    return cor_buf_take(&line);
}

/* ---- batches ------------------------------------------------------------------------------------
 */

static void add_base64(struct cor_view payload, struct cor_buf *out)
{
    cor_buf_str(out, "{\"base64\":\"");
    cor_base64(out, payload);
    cor_buf_str(out, "\"}");
}

/* JSON in one line: line ends are but blanks in it. */
static void add_json(const struct ec_upload *upload, struct cor_buf *out)
{
    size_t at = out->len;
    cor_buf_add(out, upload->payload, upload->len);
    for (; at < out->len; at++) {
        if (out->data[at] == '\n' || out->data[at] == '\r') {
            out->data[at] = ' ';
        }
    }
}

static void add_message(const struct ec_upload *upload, struct cor_buf *out)
{
    struct cor_view payload = {upload->payload, upload->len};
    auto_(cor_json_free) struct cor_json *json = NULL;
    if (!cor_view_is_utf8(payload)) {
        add_base64(payload, out);
    } else if (cor_json_parse(payload, MESSAGE_MAX, 0, &json, NULL) == COR_OK) {
        add_json(upload, out);
    } else {
        json = cor_json_view(payload);
        cor_json_write(json, out);
    }
}

static void add_batch(const struct ec_flow_queue *queue, size_t count, bool ndjson,
                      struct cor_buf *out)
{
    size_t done = 0;
    COR_LIST_EACH (node, &queue->list) {
        if (done == count) {
            break;
        }
        cor_buf_str(out, ndjson ? "" : done == 0 ? "[" : ",");
        add_message(COR_LIST_OBJECT(node, struct ec_upload, link), out);
        cor_buf_str(out, ndjson ? "\n" : "");
        done++;
    }
    cor_buf_str(out, ndjson ? "" : "]");
}

void ec_post_make(const struct ec_post_from *from, const struct ec_flow_queue *queue, size_t count,
                  const struct ec_post_format *format, struct ec_post *post_r)
{
    const struct ec_upload *head = ec_flow_head(queue);
    char time[COR_RFC3339_SIZE];
    cor_wall_format_us((struct cor_wall){head->time_us}, time);
    const char *type = format->ndjson ? "application/x-ndjson" : "application/json";
    *post_r = (struct ec_post){0};
    char **line = post_r->headers;
    *line++ = key_line(from, head->seq, last_of(queue, count)->seq);
    *line++ = header("X-Coracle-Node", from->node);
    *line++ = header("X-Coracle-Topic", head->topic);
    *line++ = cor_sprintf("X-Coracle-Time: %s", time);
    *line++ = format->batch ? cor_sprintf("Content-Type: %s", type)
                            : cor_strdup("Content-Type:"); /* none, as KubeEdge's router sends */
    if (format->batch) {
        add_batch(queue, count, format->ndjson, &post_r->body);
    } else {
        cor_buf_add(&post_r->body, head->payload, head->len);
    }
}

void ec_post_clear(struct ec_post *post)
{
    for (size_t i = 0; i < EC_POST_HEADERS; i++) {
        cor_free(post->headers[i]);
    }
    cor_buf_free(&post->body);
    *post = (struct ec_post){0};
}
