// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 server, with TLS if it has a certificate; guest of the loop; the door to
// libmicrohttpd. The whole request is read, bounded, before the handler sees it. The handler
// answers at once or later (while a commit is under way, say), opens a stream that it feeds, or
// lets the connection become a pipe (upgrade).
// Refused before the handler: headers over 64 KiB (431), bodies over max_body (413),
// Transfer-Encoding together with Content-Length (400). Loop thread only.
#ifndef COR_HTTPD_HTTPD_H
#define COR_HTTPD_HTTPD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/loop/loop.h"
#include "common/pipe/pipe.h"

struct cor_httpd;
struct cor_exchange; /* one request and its answer */
struct cor_stream;   /* an answer without an end */

/* Answers the exchange, now or later; every exchange is answered exactly once. */
typedef void (*cor_httpd_fn)(void *self, struct cor_exchange *exchange);

/* Body of an error that the server finds by itself; its type goes to *type_r (static). Returns
 * owned text. */
typedef char *(*cor_httpd_refusal_fn)(void *self, int status, const char *text,
                                      const char **type_r);

struct cor_httpd_spec {
    const char *const *addresses; /* "127.0.0.1:6443", "[::1]:0", "0.0.0.0:6443", "/path" */
    size_t address_count;
    const char *cert_pem; /* chain; NULL: no TLS */
    const char *key_pem;
    const char *client_ca_pem; /* asks for client certificates of this CA; NULL: does not ask */
    size_t max_body;           /* 0: 3 MiB, the Kubernetes limit */
    unsigned max_connections;  /* 0: 1000 */
    unsigned idle_s;           /* closes connections idle for so long; 0: 120 */
    cor_httpd_fn handler;
    cor_httpd_refusal_fn refusal; /* NULL: plain text */
    void *self;
};

/* Listens on all addresses. PEM texts are copied. COR_INVALID: an address, certificate or key is
 * unusable. COR_IO: an address is taken or not ours. Returns owned in *httpd_r. */
COR_NODISCARD enum cor_code cor_httpd_start(struct cor_loop *loop,
                                            const struct cor_httpd_spec *spec,
                                            struct cor_httpd **httpd_r, struct cor_err *err);

/* Port of address number index, for those asked for as 0. */
int cor_httpd_port(const struct cor_httpd *httpd, size_t index);

/* Open connections. */
size_t cor_httpd_connections(const struct cor_httpd *httpd);

/* Closes everything; unanswered exchanges and open streams are gone: their owners must not use them
 * any more, and on_closed is called for streams, closed for pipes of upgrades (which are still to
 * be freed). *httpd becomes NULL. */
void cor_httpd_free(struct cor_httpd **httpd);

/* The request. Views and strings are valid until the exchange is answered. */
const char *cor_exchange_method(const struct cor_exchange *exchange);
struct cor_view cor_exchange_path(const struct cor_exchange *exchange); /* not decoded */
struct cor_view
cor_exchange_query(const struct cor_exchange *exchange); /* behind '?', not decoded */
struct cor_view cor_exchange_body(const struct cor_exchange *exchange);

/* Value of the header, any case of name; NULL when absent. */
const char *cor_exchange_header(const struct cor_exchange *exchange, const char *name);

/* Port that the client came to. */
int cor_exchange_port(const struct cor_exchange *exchange);

/* Calls fn for each header line of the request, in order (borrowed for the call): for who passes a
 * request on. */
void cor_exchange_each_header(struct cor_exchange *exchange,
                              void (*fn)(void *self, const char *name, const char *value),
                              void *self);

/* fn is called once if the client goes before the answer; the exchange is still to be answered. */
void cor_exchange_on_gone(struct cor_exchange *exchange, void (*fn)(void *self), void *self);

/* Common name of the client certificate if it was verified against client_ca_pem, is in time and is
 * meant for clients; NULL otherwise. */
const char *cor_exchange_peer_name(struct cor_exchange *exchange);

/* Organization number index of that certificate; NULL at the end. */
const char *cor_exchange_peer_org(struct cor_exchange *exchange, size_t index);

/* Whether the client presented a certificate that is not acceptable. */
bool cor_exchange_peer_rejected(struct cor_exchange *exchange);

/* Adds a header to the answer (copies). Before the answer. */
void cor_exchange_add_header(struct cor_exchange *exchange, const char *name, const char *value);

/* Answers. type NULL: no Content-Type. The content of body is taken over; it is empty after. The
 * exchange is gone for the caller. */
void cor_exchange_reply(struct cor_exchange *exchange, int status, const char *type,
                        struct cor_buf *body);

/* Whether the client asks for another protocol (RFC 9110 section 7.8: HTTP/1.1, Connection: Upgrade
 * and a header Upgrade). */
bool cor_exchange_wants_upgrade(struct cor_exchange *exchange);

/* Answers 101 with the headers that were added and "Upgrade: protocol"; what follows on the
 * connection, with TLS taken off, is the pipe's. The exchange must want an upgrade, and is gone for
 * the caller. The pipe is not open yet: what is written to it waits for the 101. It may be
 * freed at any time; when the client goes, or the server is freed, it is closed. What a client
 * sends before it has the 101, which it must not (RFC 9110 section 7.8), comes first in the pipe;
 * but over TLS it is lost if it is in the same record as the end of the request. Returns owned. */
struct cor_pipe *cor_exchange_upgrade(struct cor_exchange *exchange, const char *protocol,
                                      const struct cor_pipe_spec *spec);

/* on_closed (may be NULL) is called once when the client went away before cor_stream_end; the
 * stream is gone then. */
typedef void (*cor_stream_closed_fn)(void *self);

/* Answers with a stream (chunked). The exchange is gone for the caller. Returns borrowed: valid
 * until cor_stream_end or on_closed. */
struct cor_stream *cor_exchange_stream(struct cor_exchange *exchange, int status, const char *type,
                                       cor_stream_closed_fn on_closed, void *self);

/* Queues bytes (copies). Never blocks. COR_BUSY: the client reads too slowly, more than 16 MiB
 * would wait; nothing queued. COR_CLOSED: it is gone, on_closed follows. */
COR_NODISCARD enum cor_code cor_stream_write(struct cor_stream *stream, struct cor_view bytes);

/* Bytes that wait for the client. */
size_t cor_stream_waiting(const struct cor_stream *stream);

enum { COR_STREAM_LOW = 64 << 10 };

/* Calls fn each time that what waits has fallen to COR_STREAM_LOW or less after it was more: a
 * producer pauses above that and goes on then. fn may write to, end or break this stream. */
void cor_stream_on_room(struct cor_stream *stream, void (*fn)(void *self), void *self);

/* Ends the answer after what is queued. The stream is gone for the caller. */
void cor_stream_end(struct cor_stream *stream);

/* Breaks the connection so that the client sees that the answer is not complete. The stream is gone
 * for the caller. */
void cor_stream_break(struct cor_stream *stream);

#endif
