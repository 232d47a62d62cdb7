// SPDX-License-Identifier: Apache-2.0
// A connected stream socket as a guest of the loop: bytes in, as long as the owner wants them, and
// bytes out through a bounded queue. What connections that are no longer HTTP (upgrades), the
// client side of a proxy and the ends of port-forwards stand on. It may also stand on something
// that only looks like a socket (struct cor_pipe_wire). Never raises SIGPIPE. Functions of the
// owner run from the loop, never from within a call of this header, except where it says so; each
// of them may free the pipe. Loop thread only; nothing blocks.
#ifndef COR_PIPE_PIPE_H
#define COR_PIPE_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/loop/loop.h"

struct cor_pipe;

enum {
    COR_PIPE_BLOCK = 16 << 10, /* most bytes of one call of bytes() */
    COR_PIPE_QUEUE = 256 << 10 /* max_queue where the owner says 0 */
};

/* What the owner hears; any may be NULL. self is handed to all of them. */
struct cor_pipe_spec {
    void (*open)(void *self);                         /* connected; once, before all others */
    void (*bytes)(void *self, struct cor_view bytes); /* borrowed, never empty */
    void (*room)(void *self); /* nothing waits any more, after something had waited; and once after
                                 cor_pipe_end when all is written */
    void (*end)(void *self);  /* the peer sends no more; once. Writing still works */
    void (*closed)(void *self, const struct cor_err *err); /* broken, or never connected; once,
                                 last. The pipe is still to be freed */
    void *self;
    size_t max_queue; /* most bytes that wait; 0: COR_PIPE_QUEUE */
};

/* How bytes move where it is not by recv(2) and send(2) on the fd; the fd is then only watched. */
struct cor_pipe_wire {
    ssize_t (*recv)(void *self, void *out, size_t max);         /* as recv(2); NULL: recv(2) */
    ssize_t (*send)(void *self, const void *bytes, size_t len); /* as send(2); NULL: send(2) */
    void (*finish)(void *self);  /* ends our direction; NULL: shutdown(2) if send is NULL */
    void (*release)(void *self); /* the pipe is done with the fd; NULL: close(2) */
    void *self;
    bool keeps; /* recv may have bytes of which poll(2) does not know (TLS) */
};

/* A pipe without a socket; reading is off, and what is written waits. Returns owned. */
struct cor_pipe *cor_pipe_new(struct cor_loop *loop, const struct cor_pipe_spec *spec);

/* Puts the pipe on fd (takes), a connected stream socket; makes it non-blocking. Once per pipe, and
 * not together with cor_pipe_connect. */
void cor_pipe_attach(struct cor_pipe *pipe, int fd);

/* Says that a wire will be attached: if the pipe is freed before, only its release is called. */
void cor_pipe_promise(struct cor_pipe *pipe, const struct cor_pipe_wire *wire);

/* The same for an fd that belongs to wire (copied), which is told once when the pipe is done with
 * it. */
void cor_pipe_attach_wire(struct cor_pipe *pipe, int fd, const struct cor_pipe_wire *wire);

/* Connects to "a.b.c.d:port", "[v6]:port" or "/path". COR_INVALID: no such address (the pipe is
 * as before); COR_IO: no socket. Whatever happens later is told to open or closed, whose err has
 * the errno. */
COR_NODISCARD enum cor_code cor_pipe_connect(struct cor_pipe *pipe, const char *address,
                                             struct cor_err *err);

/* Whether bytes are wanted. While they are not, the end and the death of the peer may stay unseen.
 */
void cor_pipe_read(struct cor_pipe *pipe, bool on);

/* Writes bytes (copies what cannot be sent at once). COR_BUSY: something waits, and with these it
 * would be more than max_queue; nothing is taken, room follows. COR_CLOSED: broken or ended; if
 * broken, closed follows unless it was called. */
COR_NODISCARD enum cor_code cor_pipe_write(struct cor_pipe *pipe, struct cor_view bytes);

/* Bytes that wait to be sent. */
size_t cor_pipe_waiting(const struct cor_pipe *pipe);

/* Ends our direction after what waits; room follows when that is done. Further writes are
 * COR_CLOSED. */
void cor_pipe_end(struct cor_pipe *pipe);

/* For whom the fd belongs to: it goes away now. Releases it and calls closed (from within) with
 * err, unless that was called. */
void cor_pipe_sever(struct cor_pipe *pipe, const struct cor_err *err);

/* Looks for bytes as if the fd had shown some, when reading is on: for wires that learn otherwise
 * that there may be some. */
void cor_pipe_nudge(struct cor_pipe *pipe);

/* Closes at once; what waits is lost, nothing is called any more. *pipe becomes NULL. */
void cor_pipe_free(struct cor_pipe **pipe);

#endif
