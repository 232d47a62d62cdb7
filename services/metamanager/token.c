// SPDX-License-Identifier: Apache-2.0
#include "token.h"

void meta_token_name(struct cor_view key, const struct cor_json *request, struct cor_buf *out)
{
    static const char *const PARTS[] = {"audiences", "expirationSeconds", "boundObjectRef"};
    const struct cor_json *spec = cor_json_get(request, "spec");
    cor_buf_view(out, key);
    for (size_t i = 0; i < COR_COUNT(PARTS); i++) {
        const struct cor_json *part = cor_json_get(spec, PARTS[i]);
        cor_buf_str(out, "?");
        if (!cor_json_is_null(part)) {
            cor_json_write(part, out);
        }
    }
}

bool meta_token_expiry(const struct cor_json *answer, struct cor_wall *expiry_r)
{
    return cor_wall_parse(cor_json_as_view(cor_json_at(answer, "status.expirationTimestamp")),
                          expiry_r);
}

bool meta_token_due(struct cor_wall issued, struct cor_wall expiry, struct cor_wall now)
{
    int64_t life = expiry.us - issued.us;
    int64_t age = now.us - issued.us;
    return age >= life / 5 * 4 || age >= COR_SEC(24 * 3600) || age < 0;
}
