// SPDX-License-Identifier: Apache-2.0
// What the files of this room share.
#ifndef COR_HTTPD_PRIVATE_H
#define COR_HTTPD_PRIVATE_H

#include <microhttpd.h>

#include "common/base/list.h"
#include "common/httpd/httpd.h"

struct listener {
    struct cor_httpd *httpd;
    int fd;
    struct cor_io *io;
    int port;
};

struct cor_httpd {
    struct cor_loop *loop;
    struct MHD_Daemon *daemon;
    struct cor_io *io;       /* libmicrohttpd's epoll fd */
    struct cor_timer *timer; /* its next time-out */
    struct cor_timer *rest;  /* until connections are accepted again */
    int hangup_fd;           /* epoll of half-closed connections: it does not see those of
                                suspended ones */
    struct cor_io *hangup_io;
    struct listener *listeners;
    size_t listener_count;
    struct cor_link exchanges; /* all that exist */
    struct cor_link streams;
    struct cor_link upgrades;
    size_t max_body;
    bool tls;
    cor_httpd_fn handler;
    cor_httpd_refusal_fn refusal;
    void *self;
    bool stopping;
};

struct peer {
    bool looked;
    bool rejected;
    char *name;
    char **orgs;
    size_t org_count;
};

struct cor_exchange {
    struct cor_link link;
    struct cor_httpd *httpd;
    struct MHD_Connection *connection;
    char *target; /* as the client sent it */
    char *method;
    struct cor_buf body;
    size_t skipped; /* bytes of a body that is too long */
    bool http11;
    bool started; /* headers were looked at */
    bool handed;  /* the handler has seen it */
    bool suspended;
    bool over;
    int refused; /* status to answer with when the body is through */
    const char *refused_text;
    int status;
    struct MHD_Response *answer;
    struct cor_buf headers; /* name\0value\0... */
    struct peer peer;
    struct upgrade *upgrade; /* NULL: it has another answer */
    void (*on_gone)(void *self);
    void *gone_self;
};

/* A connection that is a pipe now, or will be when the 101 was sent. Lives as long as its exchange.
 */
struct upgrade {
    struct cor_link link;
    struct cor_httpd *httpd;
    struct cor_exchange *exchange;
    struct cor_pipe *pipe; /* its owner's; NULL: freed */
    /* with TLS */
    struct gnutls_session_int *session;
    /* without */
    struct MHD_UpgradeResponseHandle *handle; /* NULL: not yet, or closed */
    int fd;
    struct cor_buf early; /* bytes that came together with the request */
};

struct cor_stream {
    struct cor_link link;
    struct cor_httpd *httpd;
    struct MHD_Connection *connection;
    struct cor_buf out;
    size_t sent; /* of out */
    bool suspended;
    bool ended;
    bool broken;
    bool high; /* more than COR_STREAM_LOW waits */
    void (*on_room)(void *self);
    void *room_self;
    cor_stream_closed_fn on_closed;
    void *self;
};

/* Runs libmicrohttpd once and sets the timer for its next time-out. */
void cor_httpd_run(struct cor_httpd *httpd);

/* Asks for a run in this round of the loop. */
void cor_httpd_kick(struct cor_httpd *httpd);

/* libmicrohttpd's hooks; see its manual. */
void *cor_exchange_new(void *self, const char *target, struct MHD_Connection *connection);
enum MHD_Result cor_exchange_access(void *self, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version, const char *data,
                                    size_t *size, void **state);
void cor_exchange_completed(void *self, struct MHD_Connection *connection, void **state,
                            enum MHD_RequestTerminationCode code);

/* Hands the answer to libmicrohttpd, now or when it asks again. */
void cor_exchange_answer(struct cor_exchange *exchange, int status, const char *type,
                         struct MHD_Response *answer);

/* The client of connection has gone: tells who answers its exchange. */
void cor_exchange_gone(struct cor_httpd *httpd, const struct MHD_Connection *connection);

/* Ends an exchange that is suspended, without an answer: its connection is closed. */
void cor_exchange_over(struct cor_exchange *exchange);

/* Makes a stream whose client is gone end. */
void cor_stream_hangup(struct cor_stream *stream);

/* The connection is broken; if it is a pipe, that is closed. */
void cor_upgrade_broken(struct cor_httpd *httpd, const struct MHD_Connection *connection);

/* The server stops, or the exchange is over: the pipe is closed. */
void cor_upgrade_sever(struct upgrade *upgrade, const char *why);

/* Frees what belonged to an exchange that is over (NULL is fine). */
void cor_upgrade_over(struct upgrade *upgrade);

/* Fills peer from the TLS session of connection. */
void cor_peer_look(struct peer *peer, struct MHD_Connection *connection);

/* Frees what peer owns. */
void cor_peer_free(struct peer *peer);

/* Checks that certificate, key and CA (may be NULL) can be used. COR_INVALID. */
enum cor_code cor_peer_check_pem(const char *cert, const char *key, const char *ca,
                                 struct cor_err *err);

#endif
