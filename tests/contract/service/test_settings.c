// SPDX-License-Identifier: Apache-2.0
// Each service accepts the configuration that it prints itself.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int run(const char *program, const char *const *args, const char *output)
{
    pid_t pid = fork();
    if (pid == 0) {
        int fd = output == NULL ? -1 : open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (output != NULL && dup2(fd, STDOUT_FILENO) < 0) {
            _exit(126);
        }
        execv(program, (char *const *)(uintptr_t)args);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void seed(const char *file, bool node)
{
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    (void)fputs(node ? "node:\n  name: n1\n" : "# nothing\n", out);
    assert_int_equal(fclose(out), 0);
}

static void what_is_printed_is_accepted(void **state)
{
    static const struct {
        const char *name;
        bool node; /* it must be told the node's name */
    } SERVICES[] = {
        {"kubelite", false},    {"cloudhub", false},  {"edgecontroller", false}, {"edgehub", true},
        {"metamanager", false}, {"devicetwin", true}, {"eventbus", false},       {"edged", true},
    };
    (void)state;
    char first[] = "/tmp/settings.XXXXXX", file[] = "/tmp/settings.XXXXXX";
    int fd = mkstemp(first);
    assert_true(fd >= 0 && close(fd) == 0);
    fd = mkstemp(file);
    assert_true(fd >= 0 && close(fd) == 0);
    for (size_t i = 0; i < sizeof(SERVICES) / sizeof(*SERVICES); i++) {
        char program[512];
        const char *name = SERVICES[i].name;
        (void)snprintf(program, sizeof(program), "%s/bin/%s", CORACLE_BINARY_DIR, name);
        const char *const print[] = {name, "--config", first, "--dump-config", NULL};
        const char *const check[] = {name, "--config", file, "--check", NULL};
        seed(first, SERVICES[i].node);
        int printed = run(program, print, file);
        int checked = run(program, check, NULL);
        if (printed != 0 || checked != 0) {
            print_error("%s: printing %d, checking %d\n", name, printed, checked);
        }
        assert_int_equal(printed + checked, 0);
    }
    (void)unlink(first);
    (void)unlink(file);
}

/* A supervisor does not start a service again that exits with 100. */
static void only_a_wrong_configuration_is_final(void **state)
{
    static const struct {
        const char *file;
        int code;
    } ROWS[] = {
        {"/proc/self/mem", 111}, /* its first bytes: an I/O error */
        {"/nonexistent/eventbus.yaml", 100},
        {"/tmp", 100},
        {"/proc/version", 100}, /* no options */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
        const char *const check[] = {"eventbus", "--config", ROWS[i].file, "--check", NULL};
        int code = run(CORACLE_BINARY_DIR "/bin/eventbus", check, NULL);
        if (code != ROWS[i].code) {
            print_error("%s: %d\n", ROWS[i].file, code);
        }
        assert_int_equal(code, ROWS[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_accepted),
        cmocka_unit_test(only_a_wrong_configuration_is_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
