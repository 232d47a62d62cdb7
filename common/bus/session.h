// SPDX-License-Identifier: Apache-2.0
// Private to common/bus. One endpoint's session: who is there, since when, and how much may be
// under way. Pure: messages in, decisions out. Epochs are chosen by the binder; a message that
// arrives outside of an agreed epoch belongs to the past and is dropped.
#ifndef COR_BUS_SESSION_H
#define COR_BUS_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/bus/wire.h"

enum cor_session_state { COR_SESSION_DOWN, COR_SESSION_GREETED, COR_SESSION_UP };

/* What the owner has to do after a HELLO. */
enum cor_session_do {
    COR_SESSION_IGNORE, /* from the past */
    COR_SESSION_REFUSE, /* err says why; there is no session */
    COR_SESSION_ANSWER, /* send the hello that was filled in; the session is up */
    COR_SESSION_BEGIN,  /* the session is up */
};

struct cor_session {
    const char *service; /* own name; borrowed */
    const char *peer;    /* expected name of the peer; borrowed */
    uint64_t boot;
    uint64_t epoch;
    uint64_t peer_boot;
    uint64_t minor;      /* that we speak */
    uint64_t peer_minor; /* that both speak */
    uint64_t sent;       /* messages with credit in this session */
    uint64_t limit;      /* of sent */
    uint64_t received;   /* and consumed */
    uint64_t granted;    /* last limit that the peer was told */
    uint32_t window;
    enum cor_session_state state;
    bool is_binder;
};

/* A session that is down. window: messages that may be under way towards us. */
void cor_session_init(struct cor_session *s, bool is_binder, uint64_t boot, uint32_t window);

/* Binder: a connection is new. Fills the hello to send; epoch must differ from every earlier one.
 */
void cor_session_greet(struct cor_session *s, uint64_t epoch, struct cor_wire_hello *hello_r);

/* The peer's hello is here. For COR_SESSION_ANSWER *answer_r is to be sent. */
enum cor_session_do cor_session_hello(struct cor_session *s, const struct cor_wire_hello *in,
                                      struct cor_wire_hello *answer_r, struct cor_err *err);

/* Whether one more message with credit may be sent. */
bool cor_session_may_send(const struct cor_session *s);

/* Whether one that only passes through may be sent: a part of the window is left to this process's
 * own messages, which would be refused otherwise. */
bool cor_session_may_relay(const struct cor_session *s);

/* A message with credit was sent. */
void cor_session_sent(struct cor_session *s);

/* A message with credit was consumed. True: tell the peer the new limit *limit_r. */
bool cor_session_consumed(struct cor_session *s, uint64_t *limit_r);

/* The peer told a limit. False: it makes no sense (it shrinks, or is beyond any window). True with
 * *room_r when sending was blocked and now is not. */
bool cor_session_credit(struct cor_session *s, uint64_t limit, bool *room_r);

/* The peer is gone. */
void cor_session_end(struct cor_session *s);

#endif
