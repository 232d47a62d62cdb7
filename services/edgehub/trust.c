// SPDX-License-Identifier: Apache-2.0
#include "trust.h"

#include <inttypes.h>

static enum cor_code store(struct hub *hub, struct cor_view pem, struct cor_err *err)
{
    auto_(cor_certs_free) struct cor_certs roots = {0};
    enum cor_code code = cor_certs_parse(pem, &roots, err);
    if (code == COR_OK) {
        code = identity_trust(&hub->identity, &roots, err);
    }
    if (code == COR_OK) {
        LOGI(hub->service->log, "trust.stored", "cas=%zu", roots.count);
    }
    return code;
}

static void answer(struct hub *hub)
{
    struct cor_wire_header head = {.number = PX_link_trust};
    struct px_link_trust body = {.digest = cor_certs_digest(&hub->identity.roots)};
    link_control(hub->link, &head, &body);
}

enum cor_code trust_take(struct hub *hub, const struct px_frame *frame, struct cor_err *err)
{
    struct px_link_trust body;
    enum cor_code code = px_frame_body(frame, NULL, &body, err);
    if (code == COR_OK && body.roots.len > 0) {
        code = store(hub, body.roots, err);
    }
    if (code == COR_IO) { /* a full disk; the link is more important */
        LOGE(hub->service->log, "trust.fails", "reason=%s", cor_log_esc(cor_view_of(err->text)));
        return COR_OK;
    }
    if (code == COR_OK) {
        answer(hub);
    }
    if (code == COR_OK && body.within_s > 0) {
        hub_renew_within(hub, body.within_s);
    }
    return code;
}
