// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: port 10004, where EdgeCores (edgestream) connect: each has one tunnel, in
// which requests to its node's API go down and answers come up (proto/kubeedge/tunnel.h). A tunnel
// is of the node that its certificate names, and serves only while the node's link is up. Loop
// thread only.
#ifndef CLOUDHUB_CLOUDSTREAM_H
#define CLOUDHUB_CLOUDSTREAM_H

#include "hub.h"
#include "way.h"

struct cloudstream;

/* Listens, or tries again and again; hub is borrowed and must outlive it, its ws and authority must
 * be there; the address is borrowed, too. Returns owned. */
struct cloudstream *cloudstream_new(struct hub *hub, const struct hub_address *at);

/* Frees, after the ws; *stream becomes NULL. */
void cloudstream_free(struct cloudstream **stream);

/* Ends a node's tunnel, if there is one (stream may be NULL); the node dials again. */
void cloudstream_drop(struct cloudstream *stream, const char *node, const char *why);

/* The authority has changed: new connections see it. False: its certificate cannot be used. */
bool cloudstream_renew(struct cloudstream *stream);

/* Port that is listened on (0: not yet); tunnels; requests in them. */
int cloudstream_port(const struct cloudstream *stream);
size_t cloudstream_count(const struct cloudstream *stream);
size_t cloudstream_requests(const struct cloudstream *stream);

/* cloudstream_ask.c: appends the frame that asks for it. */
void cloudstream_write_ask(uint64_t id, const struct px_stream_open *open, struct cor_buf *out);

/* Requests in tunnels. */
extern const struct way CLOUDSTREAM_WAY;

#endif
