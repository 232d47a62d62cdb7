// SPDX-License-Identifier: Apache-2.0
// The mark is "NODE SECONDS HMAC", about that and the request. The secret is that of TLS tickets,
// which follows from the CA's key, so that all replicas have it and nobody else.
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/pki/digest.h"
#include "peers.h"

/* For how long a mark counts: their clocks may differ. */
enum { LIFE_S = 60 };

/* Part of what is signed, so that no other use of the secret gives the same. */
static const char USE[] = "coracle replica 1";

static void sign(const struct hub *hub, struct cor_view said, struct cor_view method,
                 struct cor_view target, struct cor_buf *out)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    uint8_t mac[COR_SHA256_LEN];
    struct cor_view secret = {(const char *)authority_tickets(hub->authority),
                              COR_TICKET_SECRET_LEN};
    cor_buf_fmt(&text, "%s\n%.*s\n%.*s %.*s", USE, COR_VIEW_ARG(said), COR_VIEW_ARG(method),
                COR_VIEW_ARG(target));
    cor_hmac_sha256(secret, cor_buf_as_view(&text), mac);
    cor_hex(out, (struct cor_view){(const char *)mac, sizeof(mac)});
}

void peers_mark(const struct hub *hub, struct cor_view node, struct cor_view method,
                struct cor_view target, struct cor_buf *out)
{
    auto_(cor_freep) char *said =
        cor_sprintf("%.*s %" PRId64, COR_VIEW_ARG(node), cor_wall_now().us / COR_SEC(1));
    cor_buf_fmt(out, "%s ", said);
    sign(hub, cor_view_of(said), method, target, out);
}

bool peers_vouch(const struct hub *hub, const char *mark, struct cor_view method,
                 struct cor_view target, struct cor_view *node_r)
{
    struct cor_view rest = cor_view_of(mark);
    struct cor_view node = {0};
    struct cor_view time = {0};
    auto_(cor_buf_free) struct cor_buf mac = {0};
    uint64_t at = 0;
    if (!cor_view_split(&rest, ' ', &node) || !cor_view_split(&rest, ' ', &time) ||
        rest.ptr == NULL || !cor_view_u64(time, &at) || at > INT64_MAX / COR_SEC(1)) {
        return false;
    }
    int64_t age = cor_wall_now().us - COR_SEC((int64_t)at);
    struct cor_view said = {node.ptr, (size_t)(time.ptr + time.len - node.ptr)};
    sign(hub, said, method, target, &mac);
    *node_r = node;
    return llabs(age) <= COR_SEC(LIFE_S) && cor_equal_secret(rest, cor_buf_as_view(&mac));
}
