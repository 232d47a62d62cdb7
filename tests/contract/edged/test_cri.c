// SPDX-License-Identifier: Apache-2.0
// The CRI client against a real containerd: a pod from its sandbox to its removal.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "contained.h"
#include "services/edged/cri/cri.h"

struct fixture {
    struct cor_loop *loop;
    struct cri *cri;
    struct cor_timer *late;
    pid_t proxy; /* 0: none */
    bool up;
    size_t resyncs;
    char exited[8][80];
    size_t exits;
    /* the last answer, copied */
    bool answered;
    enum cor_code code;
    int status;
    char text[256];
    char id[80];
    struct cri_sandbox sandbox;
    char ip[64];
    struct cri_container container;
    size_t count;
};

static void on_state(void *self, bool up)
{
    struct fixture *f = self;
    f->up = up;
    cor_loop_stop(f->loop);
}

static void on_exited(void *self, const char *id)
{
    struct fixture *f = self;
    if (f->exits < 8) {
        (void)snprintf(f->exited[f->exits], sizeof(f->exited[0]), "%s", id);
        f->exits++;
    }
    cor_loop_stop(f->loop);
}

static void on_resynced(void *self)
{
    struct fixture *f = self;
    f->resyncs++;
    cor_loop_stop(f->loop);
}

static const struct cri_events events = {on_state, on_exited, on_resynced};

static void on_late(void *self)
{
    (void)self;
    print_error("deadline passed\n");
    abort();
}

static void on_answer(void *self, const struct cri_answer *a)
{
    struct fixture *f = self;
    f->answered = true;
    f->code = a->code;
    f->status = a->status;
    (void)snprintf(f->text, sizeof(f->text), "%s", a->text);
    (void)snprintf(f->id, sizeof(f->id), "%s", a->id == NULL ? "" : a->id);
    f->count = a->sandbox_count + a->container_count + a->image_count;
    if (a->sandbox_count > 0) {
        f->sandbox = a->sandboxes[0];
        (void)snprintf(f->ip, sizeof(f->ip), "%s",
                       a->sandboxes[0].ip_count > 0 ? a->sandboxes[0].ips[0] : "");
    }
    if (a->container_count > 0) {
        f->container = a->containers[0];
    }
    if (a->code != COR_OK) {
        print_message("answer: %s: %s\n", cor_code_name(a->code), a->text);
    }
    cor_loop_stop(f->loop);
}

static enum cor_code await(struct fixture *f)
{
    f->answered = false;
    while (!f->answered) {
        cor_loop_run(f->loop);
    }
    return f->code;
}

static struct fixture *fixture_new(const char *socket)
{
    struct fixture *f = cor_alloc(sizeof(*f));
    f->loop = cor_loop_new();
    f->late = cor_timer_new(f->loop, on_late, f);
    cor_timer_start(f->late, COR_SEC(60));
    f->cri = cri_new(f->loop, socket, &events, f);
    return f;
}

static int set_up(void **state)
{
    struct fixture *f = fixture_new(getenv("CRI_SOCKET"));
    while (!f->up) {
        cor_loop_run(f->loop);
    }
    *state = f;
    return 0;
}

static int set_up_proxy(void **state, const char *told)
{
    const char *program = CORACLE_SOURCE_DIR "/tests/contract/edged/cri_proxy.py";
    auto_(cor_freep) char *own = cor_sprintf("%s/%s.sock", getenv("TEST_DIR"), told);
    struct fixture *f = fixture_new(own);
    f->proxy = fork();
    if (f->proxy == 0) {
        execl(program, program, getenv("CRI_SOCKET"), own, told, (char *)NULL);
        _exit(127);
    }
    while (!f->up) {
        cor_loop_run(f->loop);
    }
    *state = f;
    return 0;
}

static int set_up_told(void **state)
{
    int code = set_up_proxy(state, "told");
    struct fixture *f = *state;
    while (f->exits == 0) { /* the proxy says so once it listens */
        cor_loop_run(f->loop);
    }
    f->exits = 0;
    return code;
}

static int set_up_none(void **state)
{
    return set_up_proxy(state, "none");
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    cri_free(&f->cri);
    if (f->proxy > 0) {
        (void)kill(f->proxy, SIGKILL);
        (void)waitpid(f->proxy, NULL, 0);
    }
    cor_timer_free(&f->late);
    cor_loop_free(&f->loop);
    cor_free(f);
    return 0;
}

static const struct cri_kv labels[] = {
    {CRI_LABEL_POD, "web"}, {CRI_LABEL_NAMESPACE, "default"}, {CRI_LABEL_UID, "uid-1"}};
static const struct cri_kv container_labels[] = {{CRI_LABEL_POD, "web"},
                                                 {CRI_LABEL_NAMESPACE, "default"},
                                                 {CRI_LABEL_UID, "uid-1"},
                                                 {CRI_LABEL_CONTAINER, "main"}};
static const struct cri_kv notes[] = {{CRI_NOTE_HASH, "abc"}, {CRI_NOTE_RESTARTS, "3"}};

static void test_a_pod_lives(void **state)
{
    struct fixture *f = *state;
    auto_(cor_freep) char *logs = cor_sprintf("%s/logs", getenv("TEST_DIR"));
    auto_(cor_freep) char *cgroup = cor_sprintf("%s/uid-1", getenv("TEST_CGROUP"));
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *sub = cor_sprintf("%s/main", logs);
    assert_int_equal(cor_mkdirs(sub, 0755, &err), COR_OK);
    const struct cri_sandbox_config sandbox = {.name = "web",
                                               .uid = "uid-1",
                                               .ns = "default",
                                               .hostname = "web",
                                               .log_dir = logs,
                                               .cgroup_parent = cgroup,
                                               .labels = {labels, 3},
                                               .security = {.pid = CRI_NS_CONTAINER}};
    cri_run_sandbox(f->cri, &sandbox, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    auto_(cor_freep) char *sandbox_id = cor_strdup(f->id);

    cri_sandbox_status(f->cri, sandbox_id, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    assert_true(f->sandbox.ready);
    assert_int_equal(strncmp(f->ip, "10.89.0.", 8), 0);

    const char *const command[] = {"/bin/sh", "-c", "echo $GREETING; exit 7"};
    const struct cri_kv env[] = {{"GREETING", "ahoy"}};
    const struct cri_container_config container = {.name = "main",
                                                   .image = "coracle.local/busybox:1",
                                                   .command = {command, 3},
                                                   .env = {env, 1},
                                                   .labels = {container_labels, 4},
                                                   .annotations = {notes, 2},
                                                   .log_path = "main/0.log",
                                                   .cpu_shares = 2,
                                                   .default_masks = true,
                                                   .security = {.pid = CRI_NS_CONTAINER}};
    cri_create_container(f->cri, sandbox_id, &container, &sandbox, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    auto_(cor_freep) char *id = cor_strdup(f->id);
    cri_start_container(f->cri, id, on_answer, f);
    assert_int_equal(await(f), COR_OK);

    while (f->exits == 0) {
        cor_loop_run(f->loop);
    }
    assert_string_equal(f->exited[0], id);
    do { /* containerd tells of the end a moment before its CRI part knows */
        cri_container_status(f->cri, id, on_answer, f);
        assert_int_equal(await(f), COR_OK);
    } while (f->container.state == CRI_RUNNING);
    assert_int_equal(f->container.state, CRI_EXITED);
    assert_int_equal(f->container.exit_code, 7);
    assert_int_equal(f->container.restarts, 3);

    auto_(cor_freep) char *log = cor_sprintf("%s/main/0.log", logs);
    auto_(cor_buf_free) struct cor_buf text = {0};
    assert_int_equal(cor_file_read(log, 4096, &text, &err), COR_OK);
    assert_non_null(strstr(text.data, " stdout F ahoy\n"));

    cri_remove_container(f->cri, id, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    cri_stop_sandbox(f->cri, sandbox_id, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    cri_remove_sandbox(f->cri, sandbox_id, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    cri_list_sandboxes(f->cri, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    assert_int_equal(f->count, 0);
}

/* Starts the task of a container without CRI, as containerd does whose caller goes in the middle.
 */
static void start_task(const char *id)
{
    pid_t pid = fork();
    if (pid == 0) {
        execlp("ctr", "ctr", "-a", getenv("CRI_SOCKET"), "-n", "k8s.io", "tasks", "start", "-d", id,
               (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* The runtime can remove neither the container nor its sandbox, until the task has been ended. */
static void test_a_task_that_cri_has_lost(void **state)
{
    struct fixture *f = *state;
    auto_(cor_freep) char *logs = cor_sprintf("%s/logs", getenv("TEST_DIR"));
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_mkdirs(logs, 0755, &err), COR_OK);
    const struct cri_sandbox_config sandbox = {.name = "lost",
                                               .uid = "uid-2",
                                               .ns = "default",
                                               .log_dir = logs,
                                               .security = {.pid = CRI_NS_CONTAINER}};
    const char *const command[] = {"/bin/sleep", "1000"};
    const struct cri_container_config container = {.name = "main",
                                                   .image = "coracle.local/busybox:1",
                                                   .command = {command, 2},
                                                   .log_path = "main.log",
                                                   .security = {.pid = CRI_NS_CONTAINER}};
    enum { FAILED_PRECONDITION = 9 };
    cri_run_sandbox(f->cri, &sandbox, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    auto_(cor_freep) char *sandbox_id = cor_strdup(f->id);
    cri_create_container(f->cri, sandbox_id, &container, &sandbox, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    auto_(cor_freep) char *id = cor_strdup(f->id);
    start_task(id);
    cri_stop_sandbox(f->cri, sandbox_id, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    cri_remove_sandbox(f->cri, sandbox_id, on_answer, f);
    assert_int_not_equal(await(f), COR_OK);
    assert_int_equal(f->status, FAILED_PRECONDITION);
    cri_end_task(f->cri, id, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    cri_remove_sandbox(f->cri, sandbox_id, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    cri_end_task(f->cri, id, on_answer, f);
    assert_int_equal(await(f), COR_OK); /* not found: it is done */
}

/* Lists have to do, once a second. */
static void test_a_runtime_without_events(void **state)
{
    struct fixture *f = *state;
    while (f->resyncs < 3) {
        cor_loop_run(f->loop);
    }
    struct cor_mono third = cor_mono_now();
    while (f->resyncs < 5) {
        cor_loop_run(f->loop);
    }
    assert_true(cor_mono_since(cor_mono_now(), third) >= COR_SEC(1));
}

static void test_absent_things(void **state)
{
    struct fixture *f = *state;
    cri_image_status(f->cri, "coracle.local/nothing:1", on_answer, f);
    assert_int_equal(await(f), COR_OK);
    assert_int_equal(f->count, 0);
    cri_stop_container(f->cri, "0123", 1, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    cri_container_status(f->cri, "0123", on_answer, f);
    assert_int_equal(await(f), COR_NOTFOUND);
    cri_start_container(f->cri, "0123", on_answer, f);
    assert_int_not_equal(await(f), COR_OK);
    assert_true(strlen(f->text) > 0);
    cri_pull_image(f->cri, "127.0.0.1:1/nothing:1", NULL, &(struct cri_sandbox_config){.name = "x"},
                   on_answer, f);
    assert_int_not_equal(await(f), COR_OK);
}

static void test_what_there_is(void **state)
{
    struct fixture *f = *state;
    cri_status(f->cri, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    cri_list_images(f->cri, on_answer, f);
    assert_int_equal(await(f), COR_OK);
    assert_int_equal(f->count, 3);
    cri_image_status(f->cri, "coracle.local/web:1", on_answer, f);
    assert_int_equal(await(f), COR_OK);
    assert_int_equal(f->count, 1);
    cri_image_fs(f->cri, on_answer, f);
    assert_int_equal(await(f), COR_OK);
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_there_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_absent_things, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_runtime_without_events, set_up_none, tear_down),
        cmocka_unit_test_setup_teardown(test_a_pod_lives, set_up, tear_down),
        {"test_a_pod_lives, told by CRI", test_a_pod_lives, set_up_told, tear_down, NULL},
        cmocka_unit_test_setup_teardown(test_a_task_that_cri_has_lost, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("cri", tests, NULL, NULL);
}
