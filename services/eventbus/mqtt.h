// SPDX-License-Identifier: Apache-2.0
// MQTT client, guest of the loop; the door to libmosquitto. Keeps one connection with a persistent
// session (clean session off, QoS 1), comes back by itself with growing pauses up to 5 s. Loop
// thread only.
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

struct eb_mqtt_ops {
    void (*connected)(void *self); /* subscribe now */
    /* A message came; views are valid during the call. */
    void (*message)(void *self, struct cor_view topic, struct cor_view payload);
    /* The broker has acknowledged the publication with this number. */
    void (*published)(void *self, int number);
};

/* Starts to connect. COR_INVALID: address. Returns owned in *mqtt_r. */
COR_NODISCARD enum cor_code eb_mqtt_new(const struct eb_mqtt_spec *spec,
                                        const struct eb_mqtt_ops *ops, void *self,
                                        struct eb_mqtt **mqtt_r, struct cor_err *err);

/* Disconnects and frees. *mqtt becomes NULL. */
void eb_mqtt_free(struct eb_mqtt **mqtt);

/* Whether the broker is there. */
bool eb_mqtt_is_up(const struct eb_mqtt *mqtt);

/* Publishes with QoS 1; published() comes with *number_r. COR_GONE: not connected. COR_INVALID. */
COR_NODISCARD enum cor_code eb_mqtt_publish(struct eb_mqtt *mqtt, const char *topic,
                                            struct cor_view payload, bool retain, int *number_r);

/* Subscribes with QoS 1, or unsubscribes. COR_GONE: not connected. */
COR_NODISCARD enum cor_code eb_mqtt_subscribe(struct eb_mqtt *mqtt, const char *filter, bool off);

#endif
