// SPDX-License-Identifier: Apache-2.0
// RuntimeClasses, on a real edged and containerd with two runtimes: runc and crun.
#include <dirent.h>

#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 30 * 1000 * 1000 };

#define SPEC(class)                                                                                \
    "{'runtimeClassName':'" class "','containers':[{'name':'c','image':'coracle.local/busybox:1'," \
                                  "'command':['sleep','600']}]}"

/* Containers that the runtime keeps the state of. */
static size_t count_of(const char *runtime)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/run/%s/k8s.io", getenv("TEST_DIR"), runtime);
    DIR *dir = opendir(path);
    size_t count = 0;
    const struct dirent *entry = NULL;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return count;
}

static void put_class(struct cloud *cloud, const char *name, const char *handler)
{
    auto_(cor_freep) char *key = cor_sprintf("null/runtimeclass/%s", name);
    cloud_put(cloud, key,
              json_of("{'apiVersion':'node.k8s.io/v1','kind':'RuntimeClass','metadata':{'name':"
                      "'%s'},'handler':'%s'}",
                      name, handler));
}

/* No such class yet; then its handler runs the Pod, its sandbox too. A handler that the runtime
 * does not have is told in the runtime's words. */
static void test_classes(void **state)
{
    struct cloud *cloud = *state;
    if (access("/usr/bin/crun", X_OK) != 0) {
        skip();
    }
    cloud_put_pod(cloud, "other", SPEC("other"));
    (void)cloud_await(cloud, cloud_has_words,
                      CLOUD_NAME("Failed to create pod sandbox: runtimeclass.node.k8s.io "
                                 "\"other\" not found"),
                      PATIENCE, "no such class");
    assert_true(cloud_has_event(cloud, CLOUD_NAME("FailedCreatePodSandBox")));
    put_class(cloud, "other", "crun");
    put_class(cloud, "plain", "runc");
    put_class(cloud, "wrong", "none");
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("other"), PATIENCE, "by crun");
    assert_int_equal(count_of("crun"), 2);
    assert_int_equal(count_of("runc"), 0);
    cloud_put_pod(cloud, "plain", SPEC("plain"));
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("plain"), PATIENCE, "by runc");
    assert_int_equal(count_of("crun"), 2);
    assert_int_equal(count_of("runc"), 2);
    cloud_put_pod(cloud, "wrong", SPEC("wrong"));
    (void)cloud_await(cloud, cloud_has_words, CLOUD_NAME("no runtime for \"none\" is configured"),
                      PATIENCE, "no such handler");
    cloud_delete_pods(cloud);
    assert_int_equal(count_of("crun") + count_of("runc"), 0);
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_classes, cloud_set_up, cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged class", tests, NULL, NULL);
}
