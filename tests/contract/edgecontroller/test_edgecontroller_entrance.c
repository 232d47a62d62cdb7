// SPDX-License-Identifier: Apache-2.0
// The REST entrance: HTTP clients publish on nodes' brokers. Requests are written byte by byte by
// the test, so that bad ones can be.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/contract/edgecontroller/harness.h"
#include "tests/support/text/text.h"

struct client {
    int fd;
    struct cor_io *io;
    struct cor_buf got;
    int answers, want;
    bool closed;
};

struct set {
    struct world *w;
    struct client c[6];
};

static void publish_rule(struct world *w, const char *name, const char *path, const char *topic)
{
    auto_(cor_freep) char *body = cor_sprintf(
        "{\"apiVersion\":\"rules.kubeedge.io/v1\",\"kind\":\"Rule\",\"metadata\":{\"name\":\"%s\"},"
        "\"spec\":{\"source\":\"web\",\"sourceResource\":{\"path\":\"%s\"},"
        "\"target\":\"broker\",\"targetResource\":{\"topic\":\"%s\"}}}",
        name, path, topic);
    world_api(w, "POST", "/apis/rules.kubeedge.io/v1/namespaces/default/rules", body);
    assert_int_equal(w->status, 201);
}

static int count_of(const struct cor_buf *text, const char *word)
{
    return (int)test_count(text->data, word);
}

static void on_readable(void *self, int fd, int events)
{
    struct client *c = self;
    (void)events;
    ssize_t n = recv(fd, cor_buf_room(&c->got, 4096), 4096, MSG_DONTWAIT);
    if (n > 0) {
        c->got.len += (size_t)n;
        c->got.data[c->got.len] = '\0';
        c->answers = count_of(&c->got, "HTTP/1.1 ");
    } else if (n == 0) {
        c->closed = true;
        cor_io_set(c->io, 0);
    }
}

static void connect_to(struct set *set, struct client *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)set->w->entrance_port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    c->io = cor_io_new(set->w->stage->loop, c->fd, COR_READ, on_readable, c);
}

static void leave(struct client *c)
{
    if (c->io != NULL) {
        cor_io_free(&c->io);
        cor_fd_close(&c->fd);
    }
    cor_buf_free(&c->got);
    *c = (struct client){0};
}

static void say(struct client *c, const char *text)
{
    assert_int_equal(send(c->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static bool is_answered(void *self)
{
    const struct client *c = self;
    return c->answers >= c->want || c->closed;
}

/* One request on a connection of its own; the answer is in set->c[0].got. Returns its status. */
static int ask(struct set *set, const char *line, const char *headers, const char *body)
{
    struct client *c = &set->c[0];
    leave(c);
    connect_to(set, c);
    auto_(cor_freep) char *text =
        cor_sprintf("%s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n%s\r\n%s", line, strlen(body),
                    headers, body);
    say(c, text);
    c->want = 1;
    world_until(set->w, is_answered, c);
    return c->answers == 0 ? 0 : atoi(c->got.data + strlen("HTTP/1.1 "));
}

/* Both match, and the narrow one would be taken. */
static bool both_rules_are_known(void *self)
{
    struct set *set = self;
    cor_buf_clear(&set->w->published);
    return ask(set, "POST /n1/default/a/x/set", "", "ready") == 200 &&
           strcmp(set->w->published.data, "n1 lamps/a/x/set  ready\n") == 0;
}

static void until_rules_are_known(struct set *set)
{
    world_poll(set->w, both_rules_are_known, set);
    cor_buf_clear(&set->w->published);
    set->w->publications = 0;
}

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    set->w = world_new(true);
    publish_rule(set->w, "wide", "/a", "test");
    publish_rule(set->w, "narrow", "/a/{lamp}/set", "lamps/");
    until_rules_are_known(set);
    *state = set;
    return 0;
}

/* Publications have little time. */
static int setup_brief(void **state)
{
    (void)setup(state);
    struct set *set = *state;
    set->w->entrance_ms = 500;
    world_kill(set->w);
    until_rules_are_known(set);
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    for (size_t i = 0; i < COR_COUNT(set->c); i++) {
        leave(&set->c[i]);
    }
    world_free(&set->w);
    cor_free(set);
    return 0;
}

static void requests_are_published_or_refused(void **state)
{
    static const struct {
        const char *line, *headers;
        int status;
        const char *says; /* what cloudhub was told; NULL: nothing */
    } ROWS[] = {
        {"POST /n1/default/a", "", 200, "n1 test  hi\n"},
        {"PUT /n1/default/a/b?q=1", "", 200, "n1 test/b?q=1  hi\n"},
        {"POST /n1/default/a", "Idempotency-Key: k1\r\n", 200, "n1 test k1 hi\n"},
        {"POST /n1/default/a/red/set", "", 200, "n1 lamps/a/red/set  hi\n"},
        {"GET /n1/default/a", "", 405, NULL},
        {"DELETE /n1/default/a", "", 405, NULL},
        {"POST /n1/default/b", "", 404, NULL},
        {"POST /", "", 404, NULL},
        {"POST /n2/default/a", "", 503, NULL},
        {"POST //default/a", "", 503, NULL},
        {"POST /n1/default/a/+", "", 400, NULL},
        {"POST /n1/default/a", "Transfer-Encoding: chunked\r\n", 400, NULL},
        {"POST /n1/default/a", "Content-Length: 7\r\n", 400, NULL},
    };
    struct set *set = *state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        cor_buf_clear(&set->w->published);
        int status = ask(set, ROWS[i].line, ROWS[i].headers, "hi");
        if (status != ROWS[i].status) {
            fail_msg("%s: %d: %s", ROWS[i].line, status, set->c[0].got.data);
        }
        if (ROWS[i].says == NULL) {
            assert_int_equal(set->w->published.len, 0);
        } else {
            assert_string_equal(set->w->published.data, ROWS[i].says);
        }
    }
    assert_int_equal(ask(set, "HEAD /n1/default/a", "", ""), 405);
    auto_(cor_freep) char *key = cor_sprintf("Idempotency-Key: %0200d\r\n", 1);
    assert_int_equal(ask(set, "POST /n1/default/a", key, "hi"), 400);
    auto_(cor_freep) char *line = cor_sprintf("POST /n1/default/a/%05000d", 1);
    assert_int_equal(ask(set, line, "", "hi"), 414);
}

static void bodies_are_bounded(void **state)
{
    struct set *set = *state;
    struct client *c = &set->c[1];
    connect_to(set, c);
    say(c, "POST /n1/default/a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
    c->want = 1;
    world_until(set->w, is_answered, c);
    assert_non_null(strstr(c->got.data, "HTTP/1.1 413"));
    leave(c);
    connect_to(set, c);
    say(c,
        "POST /n1/default/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        "2\r\nde\r\n0\r\n\r\n");
    c->want = 1;
    world_until(set->w, is_answered, c);
    assert_non_null(strstr(c->got.data, "HTTP/1.1 200"));
    assert_string_equal(set->w->published.data, "n1 test  abcde\n");
}

/* A slow client, and two requests in one packet. */
static void clients_may_be_slow_or_hasty(void **state)
{
    struct set *set = *state;
    struct client *slow = &set->c[1];
    struct client *hasty = &set->c[2];
    connect_to(set, slow);
    connect_to(set, hasty);
    say(slow, "POST /n1/default/a HT");
    say(hasty, "POST /n1/default/a/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
               "POST /n1/default/a/2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\ny");
    hasty->want = 2;
    world_until(set->w, is_answered, hasty);
    assert_int_equal(hasty->answers, 2);
    assert_string_equal(set->w->published.data, "n1 test/1  x\nn1 test/2  y\n");
    say(slow, "TP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na");
    say(slow, "b");
    slow->want = 1;
    world_until(set->w, is_answered, slow);
    assert_non_null(strstr(slow->got.data, "message delivered"));
}

static void failures_have_their_status(void **state)
{
    static const struct {
        enum cor_code code;
        int status;
    } ROWS[] = {
        {COR_NOTFOUND, 503}, {COR_RETRY, 503},   {COR_BUSY, 429},
        {COR_GONE, 504},     {COR_INVALID, 400}, {COR_TIMEOUT, 504},
    };
    struct set *set = *state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        set->w->publish_fails = ROWS[i].code;
        int status = ask(set, "POST /n1/default/a", "", "hi");
        if (status != ROWS[i].status) {
            fail_msg("code %d: %s", (int)ROWS[i].code, set->c[0].got.data);
        }
    }
}

/* Publishes a byte by a client of its own, and does not wait for the answer. */
static void begin(struct set *set, size_t i)
{
    connect_to(set, &set->c[i]);
    say(&set->c[i], "POST /n1/default/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    set->c[i].want = 1;
}

static bool four_came(void *self)
{
    return ((const struct world *)self)->publications == 4;
}

/* More than may be under way: 429 at once. */
static void what_is_under_way_is_bounded(void **state)
{
    struct set *set = *state;
    set->w->publish_waits = true;
    for (size_t i = 1; i <= 4; i++) {
        begin(set, i);
    }
    world_until(set->w, four_came, set->w);
    assert_int_equal(ask(set, "POST /n1/default/a", "", "hi"), 429);
    assert_int_equal(set->w->publications, 4);
    world_publish_goes_on(set->w);
    for (size_t i = 1; i <= 4; i++) {
        world_until(set->w, is_answered, &set->c[i]);
        assert_non_null(strstr(set->c[i].got.data, "HTTP/1.1 200"));
    }
    assert_int_equal(ask(set, "POST /n1/default/a", "", "hi"), 200);
}

static bool five_came(void *self)
{
    return ((const struct world *)self)->publications == 5;
}

/* Nobody answers: 504 in time, and there is room again. */
static void silence_is_uncertain(void **state)
{
    struct set *set = *state;
    set->w->publish_waits = true;
    for (size_t i = 1; i <= 4; i++) {
        begin(set, i);
    }
    for (size_t i = 1; i <= 4; i++) {
        world_until(set->w, is_answered, &set->c[i]);
        assert_non_null(strstr(set->c[i].got.data, "HTTP/1.1 504"));
        assert_non_null(strstr(set->c[i].got.data, "repeat it with the same Idempotency-Key"));
    }
    assert_int_equal(ask(set, "POST /n1/default/a", "", "hi"), 504);
    world_until(set->w, five_came, set->w);
}

static bool one_came(void *self)
{
    return ((const struct world *)self)->publications == 1;
}

/* A client that goes while its publication is under way. */
static void clients_may_go(void **state)
{
    struct set *set = *state;
    set->w->publish_waits = true;
    begin(set, 1);
    world_until(set->w, one_came, set->w);
    leave(&set->c[1]);
    assert_int_equal(ask(set, "GET /n1/default/a", "", ""), 405); /* it is seen to be gone */
    world_publish_goes_on(set->w);
    assert_int_equal(ask(set, "POST /n1/default/a", "", "hi"), 200);
}

/* The same, and nobody answers: the time of the second is over after that of the first. */
static void clients_may_go_for_good(void **state)
{
    struct set *set = *state;
    set->w->publish_waits = true;
    begin(set, 1);
    world_until(set->w, one_came, set->w);
    leave(&set->c[1]);
    assert_int_equal(ask(set, "POST /n1/default/a", "", "hi"), 504);
    assert_int_equal(ask(set, "GET /n1/default/a", "", ""), 405);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BRIEF(name) cmocka_unit_test_setup_teardown(name, setup_brief, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(requests_are_published_or_refused), T(bodies_are_bounded),
        T(clients_may_be_slow_or_hasty),      T(failures_have_their_status),
        T(what_is_under_way_is_bounded),      T(clients_may_go),
        BRIEF(silence_is_uncertain),          BRIEF(clients_may_go_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
