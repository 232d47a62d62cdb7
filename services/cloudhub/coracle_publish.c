// SPDX-License-Identifier: Apache-2.0
// Publications for a node: each waits for the node's answer.
#include "common/base/mem.h"
#include "coracle_private.h"

enum { PUBLISH_MAX = 1024 };

static struct cor_view key_of(const uint64_t *id)
{
    return (struct cor_view){(const char *)id, sizeof(*id)};
}

void coracle_end_publishing(struct coracle *coracle, bool every, enum cor_code code)
{
    struct cor_mono now = cor_mono_now();
    size_t at = 0;
    struct cor_view id;
    void *value = NULL;
    while (cor_map_next(coracle->publishing, &at, &id, &value)) {
        struct cor_ticket ticket = *(const struct cor_ticket *)value;
        if (every || cor_mono_since(now, ticket.deadline) >= 0) {
            struct cor_err err = COR_ERR_NONE;
            (void)cor_err_set(&err, code, "node: %s", cor_code_name(code));
            (void)cor_map_del(coracle->publishing, id);
            hub_count(coracle->session->hub->books.publications, false);
            cor_ticket_fail(&ticket, &err);
        }
    }
}

enum cor_code coracle_publish(struct coracle *coracle, struct cor_in *in,
                              const struct px_publish *publish)
{
    uint64_t id = cor_bus_next_id(coracle->session->hub->service->bus);
    struct cor_wire_header head = {
        .number = PX_publish, .id = id, .cause = in->head->id, .within_ms = in->head->within_ms};
    enum cor_code code = cor_map_count(coracle->publishing) >= PUBLISH_MAX
                             ? COR_BUSY
                             : coracle_put(coracle, &head, publish);
    if (code == COR_OK) {
        struct cor_ticket *ticket = cor_alloc(sizeof(*ticket));
        *ticket = cor_defer(in);
        cor_map_set(coracle->publishing, key_of(&id), ticket);
    }
    return code;
}

enum cor_code coracle_on_done(struct coracle *coracle, const struct px_frame *frame,
                              struct cor_err *err)
{
    struct px_done done;
    enum cor_code code = px_frame_body(frame, NULL, &done, err);
    struct cor_ticket *ticket = cor_map_take(coracle->publishing, key_of(&frame->head.re));
    if (code == COR_OK && ticket != NULL) {
        hub_count(coracle->session->hub->books.publications, true);
        cor_ticket_reply(ticket, &done);
    }
    cor_free(ticket);
    return code;
}

enum cor_code coracle_on_error(struct coracle *coracle, const struct px_frame *frame,
                               struct cor_err *err)
{
    struct cor_wire_error error;
    enum cor_code code = px_frame_body(frame, NULL, &error, err);
    struct cor_ticket *ticket = cor_map_take(coracle->publishing, key_of(&frame->head.re));
    if (code == COR_OK && ticket != NULL) {
        struct cor_err why = COR_ERR_NONE;
        bool known = error.code > COR_OK && error.code < COR_CODE_COUNT;
        (void)cor_err_set(&why, known ? (enum cor_code)error.code : COR_INTERNAL, "%.*s",
                          COR_VIEW_ARG(error.text));
        hub_count(coracle->session->hub->books.publications, false);
        cor_ticket_fail(ticket, &why);
    }
    cor_free(ticket);
    return code;
}
