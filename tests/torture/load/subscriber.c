// SPDX-License-Identifier: Apache-2.0
#include "subscriber.h"

#include <mosquitto.h>

#include "common/base/mem.h"
#include "target.h"

struct subscriber {
    struct cor_loop *loop;
    struct ledger *ledger;
    struct mosquitto *client;
    struct cor_io *io;
    struct cor_hook *hook;
    char *filter;
};

static void on_socket(void *self, int fd, int events)
{
    (void)fd;
    struct subscriber *s = self;
    if ((events & COR_READ) != 0) {
        (void)mosquitto_loop_read(s->client, 1);
    }
    if ((events & COR_WRITE) != 0) {
        (void)mosquitto_loop_write(s->client, 1);
    }
}

static bool on_round(void *self)
{
    struct subscriber *s = self;
    cor_io_set(s->io, COR_READ | (mosquitto_want_write(s->client) ? COR_WRITE : 0));
    return false;
}

static void on_connect(struct mosquitto *client, void *self, int rc)
{
    struct subscriber *s = self;
    if (rc == 0) {
        (void)mosquitto_subscribe(client, NULL, s->filter, 1);
    }
}

static void on_message(struct mosquitto *client, void *self, const struct mosquitto_message *m)
{
    (void)client;
    struct subscriber *s = self;
    target_take(s->ledger, (struct cor_view){m->payload, (size_t)m->payloadlen}, COR_VIEW(""));
}

enum cor_code subscriber_new(struct cor_loop *loop, struct ledger *ledger, const char *host,
                             int port, const char *topic, struct subscriber **subscriber_r,
                             struct cor_err *err)
{
    struct subscriber *s = cor_alloc(sizeof(*s));
    s->loop = loop;
    s->ledger = ledger;
    s->filter = cor_sprintf("%s/#", topic);
    (void)mosquitto_lib_init();
    s->client = mosquitto_new("coracle-torture-sub", true, s);
    mosquitto_connect_callback_set(s->client, on_connect);
    mosquitto_message_callback_set(s->client, on_message);
    if (mosquitto_connect(s->client, host, port, 60) != MOSQ_ERR_SUCCESS) {
        subscriber_free(&s);
        return cor_err_set(err, COR_IO, "broker %s:%d is not there", host, port);
    }
    s->io = cor_io_new(loop, mosquitto_socket(s->client), COR_READ, on_socket, s);
    s->hook = cor_hook_new(loop, on_round, s);
    *subscriber_r = s;
    return COR_OK;
}

void subscriber_free(struct subscriber **subscriber)
{
    if (*subscriber == NULL) {
        return;
    }
    struct subscriber *s = *subscriber;
    cor_hook_free(&s->hook);
    cor_io_free(&s->io);
    mosquitto_destroy(s->client);
    (void)mosquitto_lib_cleanup();
    cor_free(s->filter);
    cor_freep(subscriber);
}
