// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>

#include "edgecontroller.h"

void ec_denied(struct ec *ec, struct cor_view node, struct cor_view key, const char *why)
{
    struct ec_session *session = cor_map_get(ec->sessions, node);
    struct cor_log_limit *limit = session == NULL ? &ec->audit : &session->audit;
    uint64_t unsaid = 0;
    ec->denied++;
    if (cor_log_limit(limit, cor_loop_now(ec->service->loop), &unsaid)) {
        LOGW(ec->service->log, "controller.denied", "node=%s key=%s reason=%s unsaid=%" PRIu64,
             cor_log_esc(node), cor_log_esc(key), cor_log_esc(cor_view_of(why)), unsaid);
    }
}
