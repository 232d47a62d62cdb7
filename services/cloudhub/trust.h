// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: whose certificates carry a link, and what nodes are told of the CAs. Loop
// thread only.
#ifndef CLOUDHUB_TRUST_H
#define CLOUDHUB_TRUST_H

#include "hub.h"
#include "proto/link/frame.h"

/* Nodes renew within so long, unless it is said otherwise. */
enum { TRUST_WITHIN_S = 3600 };

/* Whether a certificate, which TLS has verified now or in an earlier session, is of a CA that
 * counts now. id_r: of that CA. */
bool trust_counts(const struct hub *hub, const struct cor_cert *cert,
                  char id_r[ROTATION_ID_LEN + 1]);

/* A node's session begins, or the CA has changed: tells it what it lacks. False: its certificate
 * counts no more, and the session is closed, or does not take it. */
bool trust_begin(struct session *session);

/* The node has stored roots: LINK_TRUST. COR_INVALID. */
COR_NODISCARD enum cor_code trust_heard(struct session *session, const struct px_frame *frame,
                                        struct cor_err *err);

/* The authority has changed: ends links whose certificates count no more, tells nodes what they
 * lack. False: the listener cannot use the new certificate. */
bool trust_changed(struct hub *hub);

#endif
