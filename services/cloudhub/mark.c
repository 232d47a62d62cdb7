// SPDX-License-Identifier: Apache-2.0
#include "mark.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/pki/digest.h"

/* Part of what is signed, so that no other use of the secret gives the same. */
static const char USE[] = "coracle replica 1";

static void sign(const struct mark_of *of, struct cor_view said, struct cor_buf *out)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    uint8_t mac[COR_SHA256_LEN];
    cor_buf_fmt(&text, "%s\n%.*s\n%.*s %.*s", USE, COR_VIEW_ARG(said), COR_VIEW_ARG(of->method),
                COR_VIEW_ARG(of->target));
    cor_hmac_sha256(of->secret, cor_buf_as_view(&text), mac);
    cor_hex(out, (struct cor_view){(const char *)mac, sizeof(mac)});
}

void mark_write(const struct mark_of *of, struct cor_view node, struct cor_buf *out)
{
    auto_(cor_freep) char *said =
        cor_sprintf("%.*s %" PRId64, COR_VIEW_ARG(node), of->now.us / COR_SEC(1));
    cor_buf_fmt(out, "%s ", said);
    sign(of, cor_view_of(said), out);
}

bool mark_vouches(const struct mark_of *of, const char *mark, struct cor_view *node_r)
{
    struct cor_view rest = cor_view_of(mark);
    struct cor_view node = {0};
    struct cor_view time = {0};
    auto_(cor_buf_free) struct cor_buf mac = {0};
    uint64_t at = 0;
    if (!cor_view_split(&rest, ' ', &node) || !cor_view_split(&rest, ' ', &time) ||
        rest.ptr == NULL || !cor_view_u64(time, &at) || at > (uint64_t)(INT64_MAX / COR_SEC(2))) {
        return false;
    }
    int64_t age = of->now.us - COR_SEC((int64_t)at);
    struct cor_view said = {node.ptr, (size_t)(time.ptr + time.len - node.ptr)};
    sign(of, said, &mac);
    *node_r = node;
    return llabs(age) <= COR_SEC(MARK_LIFE_S) && cor_equal_secret(rest, cor_buf_as_view(&mac));
}
