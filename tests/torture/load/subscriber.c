// SPDX-License-Identifier: Apache-2.0
#include "subscriber.h"

#include <mosquitto.h>

#include "common/base/mem.h"
#include "target.h"

enum { SUBACK_S = 10, REFUSED = 0x80 };

struct subscriber {
    struct cor_loop *loop;
    struct ledger *ledger;
    struct mosquitto *client;
    struct cor_io *io;
    struct cor_hook *hook;
    char *filter;
    bool subscribed;
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

static void on_subscribe(struct mosquitto *client, void *self, int id, int count, const int *qos)
{
    (void)client;
    (void)id;
    struct subscriber *s = self;
    s->subscribed = count == 1 && qos[0] < REFUSED;
    cor_loop_stop(s->loop);
}

static void on_late(void *self)
{
    cor_loop_stop(((struct subscriber *)self)->loop);
}

static enum cor_code until_subscribed(struct subscriber *s, struct cor_err *err)
{
    struct cor_timer *late = cor_timer_new(s->loop, on_late, s);
    cor_timer_start(late, COR_SEC(SUBACK_S));
    cor_loop_run(s->loop);
    cor_timer_free(&late);
    return s->subscribed ? COR_OK
                         : cor_err_set(err, COR_IO, "the broker did not take \"%s\"", s->filter);
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
    mosquitto_subscribe_callback_set(s->client, on_subscribe);
    mosquitto_message_callback_set(s->client, on_message);
    if (mosquitto_connect(s->client, host, port, 60) != MOSQ_ERR_SUCCESS) {
        subscriber_free(&s);
        return cor_err_set(err, COR_IO, "broker %s:%d is not there", host, port);
    }
    s->io = cor_io_new(loop, mosquitto_socket(s->client), COR_READ, on_socket, s);
    s->hook = cor_hook_new(loop, on_round, s);
    enum cor_code code = until_subscribed(s, err);
    if (code != COR_OK) {
        subscriber_free(&s);
        return code;
    }
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
