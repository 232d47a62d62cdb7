// SPDX-License-Identifier: Apache-2.0
// The coracle command as a user sees it, with services that this test plays: what each command
// prints, asks and complains about (tests/golden/coracle.txt), --help and completion of all.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/bus/bus.h"
#include "tests/support/process.h"
#include "tests/support/script.h"
#include "tests/support/stage/stage.h"

enum { SCRIPT_S = 60 };

/* ---- the services ---- */

/* What they are asked is in the file "asked" when they answer. */
static void note(const struct stage *s, const char *verb, struct cor_view args)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/asked", s->dir);
    auto_(cor_freep) char *line = cor_sprintf("%s %.*s\n", verb, COR_VIEW_ARG(args));
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, line, strlen(line)), strlen(line));
    assert_int_equal(close(fd), 0);
}

#define HUB_ANSWERS(X)                                                                             \
    X(token_create, "token-create", "{\"id\":\"0a1b2c3d-4\",\"token\":\"secret.of.it\"}")          \
    X(token_list, "token-list",                                                                    \
      "[{\"id\":\"0a1b2c3d-1111-4222-8333-444455556666\",\"node\":\"edge7\",\"state\":\"good\","   \
      "\"left\":1,\"expires\":\"2030-01-02T03:04:05Z\",\"created\":\"2030-01-01T03:04:05Z\"},"     \
      "{\"id\":\"9a1b2c3d-1111-4222-8333-444455556666\",\"node\":\"\",\"state\":\"revoked\","      \
      "\"left\":98,\"expires\":\"2030-01-02T03:04:05Z\",\"created\":\"2030-01-01T03:04:05Z\"}]")   \
    X(token_revoke, "token-revoke", "{\"id\":\"0a1b2c3d-1111-4222-8333-444455556666\"}")           \
    X(nodes, "nodes",                                                                              \
      "[{\"node\":\"edge7\",\"address\":\"10.0.0.7\",\"dialect\":\"coracle\",\"waiting\":3,"       \
      "\"clockAheadMs\":120},{\"node\":\"edge-with-a-longer-name\",\"address\":\"10.0.0.8\","      \
      "\"dialect\":\"kubeedge\",\"waiting\":0,\"clockAheadMs\":-65000},"                           \
      "{\"node\":\"e\",\"address\":\"::1\",\"dialect\":\"kubeedge\",\"waiting\":0}]")              \
    X(node_revoke, "node-revoke", "{}")                                                            \
    X(ca_status, "ca-status",                                                                      \
      "{\"phase\":\"promoted\",\"since\":\"2030-01-01T00:00:00Z\",\"signer\":\"bbbb\","            \
      "\"cas\":[{\"id\":\"aaaa\",\"role\":\"old\",\"expires\":\"2031-01-01T00:00:00Z\","           \
      "\"name\":\"CN=one\"},{\"id\":\"bbbb\",\"role\":\"signer\","                                 \
      "\"expires\":\"2041-01-01T00:00:00Z\",\"name\":\"CN=two\"}],"                                \
      "\"summary\":{\"nodes\":2,\"ready\":2,\"ofSigner\":1},"                                      \
      "\"nodes\":[{\"node\":\"edge7\",\"ca\":\"bbbb\",\"trusts\":\"yes\"},"                        \
      "{\"node\":\"edge-eight\",\"ca\":\"aaaa\",\"trusts\":\"yes\"}]}")                            \
    X(ca_rotate, "ca-rotate", "{}")                                                                \
    X(ca_promote, "ca-promote", "{}")                                                              \
    X(ca_demote, "ca-demote", "{}")                                                                \
    X(ca_abort, "ca-abort", "{}")                                                                  \
    X(ca_finish, "ca-finish", NULL)                                                                \
    X(ca_forget, "ca-forget", "{}")                                                                \
    X(queue, "queue",                                                                              \
      "[{\"flow\":\"down\",\"messages\":2,\"bytes\":300,\"maxBytes\":1000,"                        \
      "\"confirmed\":{\"p50Us\":1200,\"p99Us\":3400,\"count\":100},"                               \
      "\"streams\":[{\"stream\":\"edge7\",\"messages\":2,\"bytes\":300,\"maxBytes\":500,"          \
      "\"oldestSeconds\":7300,\"accepted\":12,\"delivered\":10,\"priority\":\"low\","              \
      "\"full\":\"drop-oldest\"},{\"stream\":\"edge8\",\"messages\":0,\"bytes\":0,"                \
      "\"maxBytes\":500,\"oldestSeconds\":0,\"accepted\":5,\"delivered\":5,"                       \
      "\"priority\":\"high\",\"full\":\"refuse\"}]}]")                                             \
    X(ledger, "ledger",                                                                            \
      "{\"service\":\"cloudhub\",\"epoch\":1,\"balance\":0,\"rows\":[{\"flow\":\"down\","          \
      "\"stream\":\"edge7\",\"role\":\"hop\",\"received\":12,\"passed\":12,\"accepted\":12,"       \
      "\"delivered\":10,\"stored\":2,\"balance\":0}]}")

/* A handler of each verb: answers what the list says, or refuses. */
#define X(name, verb_, answer_)                                                                    \
    static enum cor_code on_##name(void *self, struct cor_ctl_in *in, struct cor_view args,        \
                                   struct cor_buf *result, struct cor_err *err)                    \
    {                                                                                              \
        static const char *const ANSWER = (answer_);                                               \
        (void)in;                                                                                  \
        note(self, verb_, args);                                                                   \
        if (ANSWER == NULL) {                                                                      \
            return cor_err_set(err, COR_CONFLICT, "edge-eight would be left behind");              \
        }                                                                                          \
        cor_buf_str(result, ANSWER);                                                               \
        return COR_OK;                                                                             \
    }
HUB_ANSWERS(X)
#undef X

static enum cor_code on_unhold(void *self, struct cor_ctl_in *in, struct cor_view args,
                               struct cor_buf *result, struct cor_err *err)
{
    (void)in;
    note(self, "unhold", args);
    if (cor_view_is(args, "{\"pod\":\"default/free\"}")) {
        return cor_err_set(err, COR_NOTFOUND, "pod default/free is not held");
    }
    cor_buf_str(result, "{\"released\":[\"default/held\",\"other/held\"]}");
    return COR_OK;
}

static const struct cor_ctl_verb HUB_VERBS[] = {
#define X(name, verb_, answer_) {.verb = verb_, .fn = on_##name},
    HUB_ANSWERS(X)
#undef X
};

static const struct cor_ctl_verb EDGED_VERBS[] = {{.verb = "unhold", .fn = on_unhold}};

/* ---- the tests ---- */

/* Runs a script in the test's folder; returns what it printed, owned. */
static char *run(struct stage *s, const char *script, const char *argument)
{
    auto_(cor_freep) char *path = cor_strdup(getenv("PATH"));
    auto_(cor_freep) char *with = cor_sprintf("%s/bin:%s", CORACLE_BINARY_DIR, path);
    auto_(cor_freep) char *command = cor_sprintf("bash %s/tests/contract/coracle/%s %s >said 2>&1",
                                                 CORACLE_SOURCE_DIR, script, argument);
    assert_int_equal(setenv("PATH", with, 1), 0);
    test_script(s->loop, s->dir, script, SCRIPT_S, command);
    assert_int_equal(setenv("PATH", path, 1), 0);
    return test_read(s->dir, "said");
}

/* The first line that differs, and the whole, of which a golden file can be made. */
static void compare(const char *golden, const char *said)
{
    size_t line = 1;
    for (size_t i = 0; golden[i] == said[i] && said[i] != '\0'; i++) {
        line += said[i] == '\n' ? 1 : 0;
    }
    if (strcmp(golden, said) != 0) {
        (void)fputs(said, stderr);
        fail_msg("differs from tests/golden/coracle.txt in line %zu", line);
    }
}

static void what_each_command_says(void **state)
{
    struct stage *s = *state;
    auto_(cor_freep) char *golden = test_read(CORACLE_SOURCE_DIR "/tests/golden", "coracle.txt");
    struct cor_bus *hub = stage_bus(s, "cloudhub");
    struct cor_bus *edged = stage_bus(s, "edged");
    cor_bus_ctl(hub, HUB_VERBS, COR_COUNT(HUB_VERBS), s);
    cor_bus_ctl(edged, EDGED_VERBS, COR_COUNT(EDGED_VERBS), s);
    auto_(cor_freep) char *said = run(s, "said.sh", CORACLE_SOURCE_DIR "/tests/golden/coracle.txt");
    compare(golden, said);
    cor_bus_free(&edged);
    cor_bus_free(&hub);
}

static void every_command_has_help_and_completion(void **state)
{
    struct stage *s = *state;
    auto_(cor_freep) char *wrong = run(s, "every.sh", "");
    assert_string_equal(wrong, "");
}

static int set_up(void **state)
{
    *state = stage_new();
    return 0;
}

static int tear_down(void **state)
{
    struct stage *s = *state;
    stage_free(&s);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_each_command_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_command_has_help_and_completion, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
