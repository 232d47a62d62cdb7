// SPDX-License-Identifier: Apache-2.0
#include "common/pipe/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/view.h"

static bool parse_path(const char *text, union cor_address *out, socklen_t *len_r)
{
    size_t len = strlen(text);
    if (len >= sizeof(out->local.sun_path)) {
        return false;
    }
    out->local.sun_family = AF_UNIX;
    memcpy(out->local.sun_path, text, len);
    *len_r = sizeof(out->local);
    return true;
}

bool cor_address_parse(const char *text, union cor_address *out_r, socklen_t *len_r)
{
    memset(out_r, 0, sizeof(*out_r));
    if (text[0] == '/') {
        return parse_path(text, out_r, len_r);
    }
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    if (colon == NULL || !cor_view_u64(cor_view_of(colon + 1), &port) || port > 65535) {
        return false;
    }
    bool v6 = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
    struct cor_view host = {text, (size_t)(colon - text)};
    if (v6) {
        host = (struct cor_view){text + 1, host.len - 2};
    }
    auto_(cor_freep) char *name = cor_view_dup(host);
    if (v6) {
        out_r->v6.sin6_family = AF_INET6;
        out_r->v6.sin6_port = htons((uint16_t)port);
        *len_r = sizeof(out_r->v6);
        return inet_pton(AF_INET6, name, &out_r->v6.sin6_addr) == 1;
    }
    out_r->v4.sin_family = AF_INET;
    out_r->v4.sin_port = htons((uint16_t)port);
    *len_r = sizeof(out_r->v4);
    return inet_pton(AF_INET, name, &out_r->v4.sin_addr) == 1;
}
