// SPDX-License-Identifier: Apache-2.0
// MQTT client, guest of the loop; the door to libmosquitto. Keeps one connection with a persistent
// session (clean session off, QoS 1), comes back by itself with growing pauses up to 5 s. Loop
// thread only.
//
// The broker is told that a message has arrived only when its receiver says so: messages come in
// batches, and between the end of a batch and eb_mqtt_committed() nothing is read or written. A
// process that dies in between leaves them with the broker.
#ifndef EB_MQTT_H
#define EB_MQTT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/log/log.h"
#include "common/loop/loop.h"

struct eb_mqtt;

struct eb_mqtt_spec {
    const char *address;   /* "unix:/path" or "host:port"; borrowed */
    const char *client_id; /* borrowed */
    const char *username;  /* "" for none; borrowed */
    const char *password;  /* borrowed; wiped by the caller */
    int keepalive_s;
    struct cor_loop *loop;
    struct cor_log *log;
};

/* A message of the broker. */
struct eb_mqtt_message {
    struct cor_view topic;
    struct cor_view payload;
    uint16_t number; /* the broker's packet id, the same when it sends it again; 0 for QoS 0 */
};

struct eb_mqtt_ops {
    void (*connected)(void *self); /* subscribe now */
    /* A message of the batch; valid during the call. */
    void (*message)(void *self, const struct eb_mqtt_message *message);
    /* The batch is complete: commit it, then call eb_mqtt_committed, now or later. */
    void (*batch)(void *self);
    /* The broker has had everything that was written before eb_mqtt_mark gave this number. */
    void (*marked)(void *self, int number);
    /* The broker has acknowledged the publication with this number. */
    void (*published)(void *self, int number);
};

/* Starts to connect. COR_INVALID: address, client id or user name. COR_RETRY: no memory. Returns
 * owned in *mqtt_r. */
COR_NODISCARD enum cor_code eb_mqtt_new(const struct eb_mqtt_spec *spec,
                                        const struct eb_mqtt_ops *ops, void *self,
                                        struct eb_mqtt **mqtt_r, struct cor_err *err);

/* Disconnects and frees. *mqtt becomes NULL. */
void eb_mqtt_free(struct eb_mqtt **mqtt);

/* The batch is committed: its acknowledgements are written, and reading goes on. */
void eb_mqtt_committed(struct eb_mqtt *mqtt);

/* Asks the broker to say when it has had what was written up to now. COR_GONE: not connected. */
COR_NODISCARD enum cor_code eb_mqtt_mark(struct eb_mqtt *mqtt, int *number_r);

/* Whether the broker is there. */
bool eb_mqtt_is_up(const struct eb_mqtt *mqtt);

/* Publishes with QoS 1; published() comes with *number_r. COR_GONE: not connected. COR_INVALID. */
COR_NODISCARD enum cor_code eb_mqtt_publish(struct eb_mqtt *mqtt, const char *topic,
                                            struct cor_view payload, bool retain, int *number_r);

/* Subscribes with QoS 1 ($SYS: 0), or unsubscribes. COR_GONE: not connected. */
COR_NODISCARD enum cor_code eb_mqtt_subscribe(struct eb_mqtt *mqtt, const char *filter, bool off);

#endif
