// SPDX-License-Identifier: Apache-2.0
// API servers in trouble: how often they are asked, and that all is well when they are.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>

#include "common/base/attr.h"
#include "common/base/mem.h"
#include "common/kube/client.h"
#include "common/kube/informer.h"
#include "played.h"
#include "tests/support/certs.h"
#include "tests/support/text/text.h"
#include "tests/support/wait.h"

struct set {
    struct played api;
    int answered, well, status;
    bool told; /* an object that only a good watch shows */
    bool over; /* a time has passed */
};

static void write_cert(const struct set *set, const char *name, const struct cor_cert *cert)
{
    auto_(cor_buf_free) struct cor_buf pem = {0};
    cor_cert_pem(cert, &pem);
    test_write(set->api.dir, name, pem.data);
}

/* A server certificate of a new CA; trusted: the client's file has that CA. */
static void new_authority(const struct set *set, bool trusted)
{
    struct test_certs certs;
    auto_(cor_buf_free) struct cor_buf pem = {0};
    test_certs_make(&certs, "someone", "org");
    cor_key_pem(certs.server_key, &pem);
    write_cert(set, "server.pem", certs.server);
    test_write(set->api.dir, "server.key", pem.data);
    write_cert(set, trusted ? "ca.pem" : "new-ca.pem", certs.ca);
    test_certs_free(&certs);
}

static void mode(const struct set *set, const char *text)
{
    test_write(set->api.dir, "mode", text);
}

static int requests(const struct set *set, const char *what)
{
    auto_(cor_freep) char *text = test_read(set->api.dir, "requests");
    return (int)test_count(text, what);
}

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    struct played *api = &set->api;
    played_begin(api);
    new_authority(set, true);
    mode(set, "well");
    api->config.ca_file = cor_sprintf("%s/ca.pem", api->dir);
    api->config.token_file = cor_sprintf("%s/token", api->dir);
    api->config.ca_pem = test_read(api->dir, "ca.pem");
    played_start(api, "bad_api.py");
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    played_end(&set->api);
    cor_free(set);
    return 0;
}

/* ---- writes ---- */

static void on_answer(void *self, const struct cor_kube_response *response)
{
    struct set *set = self;
    set->answered++;
    set->status = response->status;
    set->well += response->code == COR_OK ? 1 : 0;
}

static void send(struct set *set)
{
    struct cor_kube_request request = {.method = "PATCH",
                                       .path = "/api/v1/namespaces/a/pods/x",
                                       .body = COR_VIEW("{}"),
                                       .timeout_us = COR_SEC(25)};
    (void)cor_kube_send(set->api.kube, &request, on_answer, set);
}

static bool is_answered(void *self)
{
    return ((struct set *)self)->answered > 0;
}

static int ask(struct set *set)
{
    set->answered = 0;
    send(set);
    test_wait(set->api.loop, set->api.dir, is_answered, set);
    return set->status;
}

/* Asked until it is well, or the test has waited too long. */
static void until_well(struct set *set)
{
    struct cor_mono end = cor_mono_add(cor_mono_now(), COR_SEC(30));
    while (ask(set) != 200) {
        assert_true(cor_mono_since(cor_mono_now(), end) < 0);
    }
}

/* A bound token is exchanged by the kubelet long before it expires. Another service account is as
 * quickly: the file is read again when the server does not know the token. */
static void tokens_are_read_again(void **state)
{
    struct set *set = *state;
    test_write(set->api.dir, "token", "one\n");
    mode(set, "token one");
    assert_int_equal(ask(set), 200);
    mode(set, "token two");
    assert_int_equal(ask(set), 401);
    test_write(set->api.dir, "token", "two");
    until_well(set);
    test_write(set->api.dir, "token", ""); /* being written */
    assert_int_equal(ask(set), 200);
}

static void authorities_are_read_again(void **state)
{
    struct set *set = *state;
    assert_int_equal(ask(set), 200);
    new_authority(set, false);
    assert_int_equal(ask(set), 0);
    auto_(cor_freep) char *pem = test_read(set->api.dir, "new-ca.pem");
    test_write(set->api.dir, "ca.pem", pem);
    until_well(set);
}

enum { SENDS = 12 };

static bool has_asked_again(void *self)
{
    return requests(self, "write") >= SENDS + 2;
}

static bool is_all_answered(void *self)
{
    return ((struct set *)self)->answered == SENDS;
}

/* All at once are refused; one is tried each second until the server takes them, and then all are.
 */
static void too_many_requests_wait(void **state)
{
    struct set *set = *state;
    mode(set, "429 1");
    for (int i = 0; i < SENDS; i++) {
        send(set);
    }
    test_wait(set->api.loop, set->api.dir, has_asked_again, set);
    assert_in_range(requests(set, "write"), SENDS + 2, SENDS + 4);
    mode(set, "well");
    test_wait(set->api.loop, set->api.dir, is_all_answered, set);
    assert_int_equal(set->well, SENDS);
    assert_in_range(requests(set, "write"), 2 * SENDS, 2 * SENDS + 6);
}

static void what_waits_can_be_cancelled(void **state)
{
    struct set *set = *state;
    struct cor_kube_request request = {.method = "GET", .path = "/x"};
    mode(set, "429 5");
    send(set);
    struct cor_kube_call *call = cor_kube_send(set->api.kube, &request, on_answer, set);
    cor_kube_cancel(&call);
    assert_null(call);
}

/* ---- lists and watches ---- */

static void on_change(void *self, enum cor_change change, struct cor_json *object,
                      struct cor_json *old)
{
    (void)change;
    (void)old;
    struct set *set = self;
    set->told = set->told || cor_json_str_at(object, "metadata.name", "")[0] == 'w';
}

static bool is_told(void *self)
{
    return ((struct set *)self)->told;
}

static void on_time(void *self)
{
    ((struct set *)self)->over = true;
}

static bool is_over(void *self)
{
    return ((struct set *)self)->over;
}

static void pass_time(struct set *set, int64_t time_us)
{
    struct cor_timer *timer = cor_timer_new(set->api.loop, on_time, set);
    set->over = false;
    cor_timer_start(timer, time_us);
    test_wait(set->api.loop, set->api.dir, is_over, set);
    cor_timer_free(&timer);
}

static struct cor_informer *informer_of(struct set *set, int64_t silence_us)
{
    struct cor_informer_spec spec = {.path = "/api/v1/pods",
                                     .api_version = "v1",
                                     .kind = "Pod",
                                     .silence_us = silence_us,
                                     .sink = {.self = set, .changed = on_change}};
    return cor_informer_new(set->api.loop, set->api.kube, set->api.log, &spec);
}

/* Requests in the first second of trouble, as many later at most, and that it ends with it. */
static void trouble_makes_no_storm(void **state)
{
    struct set *set = *state;
    static const struct {
        const char *mode;
        int most;
    } ROWS[] = {
        {"429", 9}, {"429 1", 2}, {"500", 9}, {"503 1", 2}, {"gone", 18}, {"gone-after", 18},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        mode(set, ROWS[i].mode);
        test_write(set->api.dir, "requests", "");
        set->told = false;
        struct cor_mono began = cor_mono_now();
        struct cor_informer *informer = informer_of(set, 0);
        pass_time(set, COR_SEC(1));
        int count = requests(set, "\n");
        int64_t late_us = cor_mono_since(cor_mono_now(), began) - COR_MS(1200);
        int seconds = late_us > 0 ? 2 + (int)(late_us / COR_SEC(1)) : 1;
        if (count > ROWS[i].most * seconds) {
            fail_msg("%s: %d requests", ROWS[i].mode, count);
        }
        mode(set, "well");
        test_wait(set->api.loop, set->api.dir, is_told, set);
        cor_informer_free(&informer);
    }
}

static bool is_synced(void *self)
{
    return cor_reflector_is_synced(cor_informer_mirror(self));
}

/* Pages that are always gone: it is listed as a whole in the end. */
static void a_list_that_loses_its_pages_ends(void **state)
{
    struct set *set = *state;
    mode(set, "lost-pages");
    struct cor_informer *informer = informer_of(set, 0);
    test_wait(set->api.loop, set->api.dir, is_synced, informer);
    assert_int_equal(requests(set, "list"), 5);
    cor_informer_free(&informer);
}

static bool is_listed(void *self)
{
    return requests(self, "list") > 0;
}

/* Until it is let go it asks nothing; a request that comes after it is answered first. */
static void one_that_is_held_waits(void **state)
{
    struct set *set = *state;
    struct cor_informer_spec spec = {.path = "/api/v1/pods",
                                     .api_version = "v1",
                                     .kind = "Pod",
                                     .held = true,
                                     .sink = {.self = set, .changed = on_change}};
    struct cor_informer *informer =
        cor_informer_new(set->api.loop, set->api.kube, set->api.log, &spec);
    until_well(set);
    assert_int_equal(requests(set, "list"), 0);
    cor_informer_go(informer);
    test_wait(set->api.loop, set->api.dir, is_listed, set);
    cor_informer_go(informer);
    test_wait(set->api.loop, set->api.dir, is_told, set);
    assert_int_equal(requests(set, "list"), 1);
    cor_informer_free(&informer);
}

static bool has_watched_again(void *self)
{
    return requests(self, "watch") >= 3;
}

static void a_silent_watch_is_given_up(void **state)
{
    struct set *set = *state;
    mode(set, "silent");
    struct cor_informer *informer = informer_of(set, COR_MS(200));
    test_wait(set->api.loop, set->api.dir, has_watched_again, set);
    mode(set, "well");
    test_wait(set->api.loop, set->api.dir, is_told, set);
    assert_int_equal(requests(set, "list"), 1);
    cor_informer_free(&informer);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(tokens_are_read_again),      T(authorities_are_read_again),
        T(too_many_requests_wait),     T(what_waits_can_be_cancelled),
        T(trouble_makes_no_storm),     T(a_list_that_loses_its_pages_ends),
        T(a_silent_watch_is_given_up), T(one_that_is_held_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
