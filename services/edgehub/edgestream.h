// SPDX-License-Identifier: Apache-2.0
// Private to edgehub: the tunnel to a CloudCore's port 10004 (proto/kubeedge/tunnel.h), as an
// EdgeCore's edgestream has it: what comes down it is asked of edged (streams.h), and the answers
// go up. There is one while the link is up and speaks KubeEdge's dialect. Loop thread only.
#ifndef EDGEHUB_EDGESTREAM_H
#define EDGEHUB_EDGESTREAM_H

#include "common/ws/ws.h"
#include "identity.h"
#include "streams.h"

struct edgestream;

/* What it needs; all borrowed, must outlive it. */
struct edgestream_spec {
    struct cor_loop *loop;
    const struct cor_log *log;
    struct cor_ws *ws;
    const struct identity *identity;
    struct streams *streams;
    const char *host;
    int port;
    const char *node_ip; /* this node's, as its Node says it; "": as the cloud sees it */
    int64_t first_us;    /* delay before the first further try, doubling... */
    int64_t last_us;     /* ...up to this */
};

/* No tunnel yet. Returns owned. */
struct edgestream *edgestream_new(const struct edgestream_spec *spec);

/* Frees, after the ws, before the streams; *stream becomes NULL. */
void edgestream_free(struct edgestream **stream);

/* Connects, and from now on stays connected. */
void edgestream_start(struct edgestream *stream);

/* Ends the tunnel, and all that was asked. */
void edgestream_stop(struct edgestream *stream);

/* Whether there is a tunnel; requests in it. */
bool edgestream_is_up(const struct edgestream *stream);
size_t edgestream_count(const struct edgestream *stream);

#endif
