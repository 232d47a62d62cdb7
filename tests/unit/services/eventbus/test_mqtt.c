// SPDX-License-Identifier: Apache-2.0
// What eventbus makes of a client library that fails at the start.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <mosquitto.h>

#include "common/base/attr.h"
#include "common/loop/loop.h"
#include "services/eventbus/mqtt.h"

static struct {
    int no_client; /* errno; 0: there is one */
    int no_user;   /* what is said of the user name */
} library;

/* In place of libmosquitto's. */
struct mosquitto *mosquitto_new(const char *id, bool clean_session, void *obj)
{
    struct mosquitto *(*real)(const char *, bool, void *) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "mosquitto_new");
    if (library.no_client != 0) {
        errno = library.no_client;
        return NULL;
    }
    return real(id, clean_session, obj);
}

int mosquitto_username_pw_set(struct mosquitto *mosq, const char *username, const char *password)
{
    (void)mosq;
    (void)username;
    (void)password;
    return library.no_user;
}

static void failures_at_the_start_are_told(void **state)
{
    static const struct {
        const char *address;
        int no_client, no_user;
        enum cor_code code;
        const char *text;
    } ROWS[] = {
        {"127.0.0.1:1", 0, MOSQ_ERR_SUCCESS, COR_OK, ""},
        {"nowhere", 0, MOSQ_ERR_SUCCESS, COR_INVALID, "nowhere"},
        {"127.0.0.1:1", ENOMEM, MOSQ_ERR_SUCCESS, COR_RETRY, "client id eb"},
        {"127.0.0.1:1", EINVAL, MOSQ_ERR_SUCCESS, COR_INVALID, "client id eb"},
        {"127.0.0.1:1", 0, MOSQ_ERR_NOMEM, COR_RETRY, "username: Out of memory"},
        {"127.0.0.1:1", 0, MOSQ_ERR_MALFORMED_UTF8, COR_INVALID, "username: Malformed UTF-8"},
    };
    static const struct eb_mqtt_ops OPS = {0};
    (void)state;
    struct cor_loop *loop = cor_loop_new();
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct cor_err err = COR_ERR_NONE;
        struct eb_mqtt *mqtt = NULL;
        struct eb_mqtt_spec spec = {.loop = loop,
                                    .address = ROWS[i].address,
                                    .client_id = "eb",
                                    .username = "user",
                                    .password = "secret",
                                    .keepalive_s = 60};
        library.no_client = ROWS[i].no_client;
        library.no_user = ROWS[i].no_user;
        assert_int_equal(eb_mqtt_new(&spec, &OPS, NULL, &mqtt, &err), ROWS[i].code);
        assert_int_equal(mqtt != NULL, ROWS[i].code == COR_OK);
        assert_non_null(strstr(err.text, ROWS[i].text));
        eb_mqtt_free(&mqtt);
    }
    cor_loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(failures_at_the_start_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
