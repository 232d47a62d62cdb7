// SPDX-License-Identifier: Apache-2.0
#include "proto/link/end.h"

#include <inttypes.h>

#include "proto/link/frame.h"

void px_end_begin(struct px_end *end, struct px_link_hello *hello_r)
{
    *end = (struct px_end){.granted = PX_END_WINDOW};
    *hello_r = (struct px_link_hello){.major = PX_LINK_MAJOR,
                                      .minor = PX_LINK_MINOR,
                                      .version = cor_view_of(CORACLE_VERSION),
                                      .window = PX_END_WINDOW};
}

enum cor_code px_end_hello(struct px_end *end, const struct px_link_hello *hello,
                           struct cor_err *err)
{
    if (hello->major != PX_LINK_MAJOR) {
        return cor_err_set(err, COR_UNSUPPORTED,
                           "the peer (%.*s) speaks version %" PRIu64 " of the dialect, we speak %d",
                           COR_VIEW_ARG(hello->version), hello->major, PX_LINK_MAJOR);
    }
    if (end->open || hello->window == 0) {
        return cor_err_set(err, COR_INVALID, end->open ? "a second hello" : "no window");
    }
    end->open = true;
    end->minor = hello->minor;
    end->limit = hello->window;
    return COR_OK;
}

uint64_t px_end_room(const struct px_end *end)
{
    return end->open && end->limit > end->sent ? end->limit - end->sent : 0;
}

void px_end_sent(struct px_end *end)
{
    end->sent++;
}

bool px_end_took(struct px_end *end, uint64_t *limit_r)
{
    end->received++;
    uint64_t limit = end->received + PX_END_WINDOW;
    if (limit - end->granted < PX_END_WINDOW / 2) {
        return false;
    }
    end->granted = limit;
    *limit_r = limit;
    return true;
}

bool px_end_is_overrun(const struct px_end *end, uint64_t waiting)
{
    return end->received + waiting >= end->granted;
}

void px_end_credit(struct px_end *end, uint64_t limit)
{
    if (limit > end->limit) {
        end->limit = limit;
    }
}
