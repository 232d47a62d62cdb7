// SPDX-License-Identifier: Apache-2.0
// Shows frames of the link to who watches a service's traffic (zmqtap). Loop thread only.
#ifndef PX_KUBEEDGE_SHOW_H
#define PX_KUBEEDGE_SHOW_H

#include <stdbool.h>

#include "common/bus/bus.h"
#include "proto/kubeedge/message.h"

/* The two ends of a frame, and which one reports it. */
struct px_kubeedge_way {
    const char *from;
    const char *to;
    bool sent;
};

/* Shows a frame that is about to be sent, or has been read; its id tells the cause. All borrowed.
 * Costs nothing while nobody watches. */
void px_kubeedge_show_out(struct cor_bus *bus, const struct px_kubeedge_way *way,
                          const struct px_kubeedge_out *out);

/* The same for a frame that was received; bytes is its size. */
void px_kubeedge_show_in(struct cor_bus *bus, const struct px_kubeedge_way *way,
                         const struct px_kubeedge_in *in, size_t bytes);

#endif
