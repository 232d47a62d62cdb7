// SPDX-License-Identifier: Apache-2.0
#include "common/bus/message.h"

const char *cor_class_name(enum cor_class class_)
{
    static const char *const NAMES[] = {"control", "state", "event", "call", "reply", "stream"};
    return (size_t)class_ < COR_COUNT(NAMES) ? NAMES[class_] : "unknown";
}

const struct cor_message *cor_message_find(const struct cor_messages *messages, uint16_t number)
{
    for (size_t i = 0; i < messages->count; i++) {
        if (messages->rows[i].number == number) {
            return &messages->rows[i];
        }
    }
    return NULL;
}
