// SPDX-License-Identifier: Apache-2.0
#include "../fixture.h"
#include "services/edged/cri/crispec.h"

static const char *const dns[] = {"169.254.96.16"};
static const struct crispec_node node = {.root_dir = "/k",
                                         .log_dir = "/l",
                                         .cgroup_root = "/c",
                                         .dns = dns,
                                         .dns_count = 1,
                                         .domain = "cluster.local",
                                         .memory = INT64_C(2) << 30};

struct made {
    struct pod *pod;
    struct cor_arena *arena;
    struct cri_sandbox_config sandbox;
};

static void made_free(struct made *made)
{
    cor_arena_free(&made->arena);
    pod_free(&made->pod);
}

static struct made make(const char *spec)
{
    struct made made = {.pod = pod_of(spec), .arena = cor_arena_new(1 << 20)};
    cor_json_set_at(made.pod->object, "metadata.labels", test_json("{'app':'x'}"));
    crispec_sandbox(made.arena, &node, made.pod, 3, &made.sandbox);
    return made;
}

static const char *value_of(struct cri_kvs list, const char *key)
{
    for (size_t i = 0; i < list.count; i++) {
        if (strcmp(list.item[i].key, key) == 0) {
            return list.item[i].value;
        }
    }
    return "(absent)";
}

static void test_sandbox(void **state)
{
    (void)state;
    auto_(made_free) struct made made =
        make("{'hostname':'box','containers':[{'name':'c','image':'i:1','ports':[{'containerPort':"
             "80},{'containerPort':81,'hostPort':8081,'hostIP':'127.0.0.1'}]}]}");
    const struct cri_sandbox_config *s = &made.sandbox;
    assert_string_equal(s->log_dir, "/l/default_web_u1");
    assert_string_equal(s->cgroup_parent, "/c/kubepods/besteffort/podu1");
    assert_string_equal(s->hostname, "box");
    assert_int_equal(s->attempt, 3);
    assert_int_equal(s->port_count, 1);
    assert_int_equal(s->ports[0].host_port, 8081);
    assert_string_equal(value_of(s->labels, "app"), "x");
    assert_string_equal(value_of(s->labels, CRI_LABEL_UID), "u1");
    assert_int_equal(s->security.pid, CRI_NS_CONTAINER);
    assert_int_equal(s->security.network, CRI_NS_POD);
    assert_int_equal(s->dns_servers.count, 0);
}

static void test_namespaces_and_dns(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        int network, pid, ipc;
        size_t servers, searches, options;
        const char *hostname;
    } cases[] = {
        {"'dnsPolicy':'ClusterFirst'", CRI_NS_POD, CRI_NS_CONTAINER, CRI_NS_POD, 1, 3, 1, "web"},
        {"'dnsPolicy':'Default'", CRI_NS_POD, CRI_NS_CONTAINER, CRI_NS_POD, 0, 0, 0, "web"},
        {"'dnsPolicy':'ClusterFirst','hostNetwork':true", CRI_NS_NODE, CRI_NS_CONTAINER, CRI_NS_POD,
         0, 0, 0, ""},
        {"'dnsPolicy':'ClusterFirstWithHostNet','hostNetwork':true", CRI_NS_NODE, CRI_NS_CONTAINER,
         CRI_NS_POD, 1, 3, 1, ""},
        {"'dnsPolicy':'None','dnsConfig':{'nameservers':['1.1.1.1','8.8.8.8'],'options':[{'name':'"
         "edns0'}]}",
         CRI_NS_POD, CRI_NS_CONTAINER, CRI_NS_POD, 2, 0, 1, "web"},
        {"'shareProcessNamespace':true,'hostIPC':true", CRI_NS_POD, CRI_NS_POD, CRI_NS_NODE, 0, 0,
         0, "web"},
        {"'hostPID':true", CRI_NS_POD, CRI_NS_NODE, CRI_NS_POD, 0, 0, 0, "web"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_freep) char *spec =
            cor_sprintf("{%s,'containers':[{'name':'c','image':'i:1'}]}", cases[i].spec);
        auto_(made_free) struct made made = make(spec);
        const struct cri_sandbox_config *s = &made.sandbox;
        if ((int)s->security.network != cases[i].network || (int)s->security.pid != cases[i].pid ||
            (int)s->security.ipc != cases[i].ipc || s->dns_servers.count != cases[i].servers ||
            s->dns_searches.count != cases[i].searches ||
            s->dns_options.count != cases[i].options ||
            strcmp(s->hostname, cases[i].hostname) != 0) {
            fail_msg("%s", cases[i].spec);
        }
    }
}

static void test_container(void **state)
{
    (void)state;
    auto_(made_free) struct made made =
        make("{'terminationGracePeriodSeconds':9,'securityContext':{'fsGroup':7},'containers':[{'"
             "name':'c','image':'i:1',"
             "'command':['run','$(A)'],'args':['$$(A)'],'workingDir':'/w','tty':true,"
             "'resources':{'limits':{'cpu':'500m','memory':'1Gi'},'requests':{'cpu':'250m'}},"
             "'securityContext':{'runAsUser':5,'runAsGroup':6,'readOnlyRootFilesystem':true,'"
             "capabilities':{'add':['NET_ADMIN'],'drop':['ALL']}}}]}");
    struct env_var var = {(char *)(uintptr_t) "A", (char *)(uintptr_t) "1"};
    struct env env = {.vars = &var, .count = 1};
    struct crispec_mount mount = {"/m", (char *)(uintptr_t) "/host", true, 1};
    struct cri_container_config c;
    crispec_container(made.arena, &node, made.pod,
                      &(struct crispec_attempt){0, 2, &env, &mount, 1, NULL, NULL}, &c);
    assert_string_equal(c.command.item[1], "1");
    assert_string_equal(c.args.item[0], "$(A)");
    assert_string_equal(c.log_path, "c/2.log");
    assert_string_equal(value_of(c.labels, CRI_LABEL_CONTAINER), "c");
    assert_string_equal(value_of(c.annotations, CRI_NOTE_RESTARTS), "2");
    assert_string_equal(value_of(c.annotations, CRI_NOTE_GRACE), "9");
    assert_string_equal(value_of(c.annotations, CRI_NOTE_HASH), pod_container(made.pod, 0)->hash);
    assert_int_equal(c.cpu_shares, 256);
    assert_int_equal(c.cpu_quota, 50000);
    assert_int_equal(c.memory_limit, 1 << 30);
    assert_int_equal(c.security.user, 5);
    assert_int_equal(c.security.group, 6);
    assert_int_equal(c.security.groups[0], 7);
    assert_true(c.readonly_rootfs);
    assert_true(c.default_masks);
    assert_string_equal(c.add_capabilities.item[0], "NET_ADMIN");
    assert_true(c.mounts[0].readonly);
    assert_true(c.tty);
}

static void test_hosts(void **state)
{
    (void)state;
    auto_(made_free) struct made made =
        make("{'subdomain':'sub','hostAliases':[{'ip':'1.2.3.4','hostnames':['a','b']}],'"
             "containers':[{'name':'c','image':'i:1'}]}");
    static const char *const ips[] = {"10.0.0.5"};
    auto_(cor_buf_free) struct cor_buf out = {0};
    crispec_hosts(made.arena, made.pod, ips, 1, "cluster.local", &out);
    assert_non_null(strstr(out.data, "\n10.0.0.5\tweb.sub.default.svc.cluster.local\tweb\n"));
    assert_non_null(strstr(out.data, "\n1.2.3.4\ta\tb\n"));
    assert_int_equal(
        strncmp(out.data, "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n", 50), 0);
}

/* Of the machine's resolver, when the Pod adds to it; the cluster's else. */
static void test_own_resolver(void **state)
{
    (void)state;
    auto_(resolv_free) struct resolv *resolv = resolv_read(COR_VIEW(
        "# by hand\nnameserver 10.0.0.1\nsearch old\nsearch  a.b\tc.d \noptions ndots:1 edns0\n"
        "nameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n;x\n"));
    static const struct {
        const char *spec;
        size_t servers, searches, options;
    } cases[] = {
        {"'dnsPolicy':'Default','dnsConfig':{'nameservers':['1.1.1.1'],'searches':['x.y']}", 4, 3,
         2},
        {"'dnsPolicy':'Default'", 0, 0, 0}, /* the runtime gives it */
        {"'dnsPolicy':'None','dnsConfig':{'nameservers':['1.1.1.1']}", 1, 0, 0},
        {"'dnsPolicy':'ClusterFirst','dnsConfig':{'searches':['x.y']}", 1, 4, 1},
        {"'dnsPolicy':'ClusterFirst','hostNetwork':true,'dnsConfig':{'searches':['x.y']}", 3, 3, 2},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(1 << 20);
        auto_(cor_freep) char *spec =
            cor_sprintf("{%s,'containers':[{'name':'c','image':'i'}]}", cases[i].spec);
        auto_(pod_free) struct pod *pod = pod_of(spec);
        struct crispec_node own = node;
        struct cri_sandbox_config config;
        own.resolv = resolv;
        crispec_sandbox(arena, &own, pod, 0, &config);
        if (config.dns_servers.count != cases[i].servers ||
            config.dns_searches.count != cases[i].searches ||
            config.dns_options.count != cases[i].options) {
            fail_msg("case %zu: %zu %zu %zu", i, config.dns_servers.count,
                     config.dns_searches.count, config.dns_options.count);
        }
    }
    assert_string_equal(resolv->searches[1], "c.d");
    assert_int_equal(resolv->server_count, 3);
}

/* What this node cannot do is told, not left out. */
static void test_cannot(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        const char *says;
        const char *hostname;
    } cases[] = {
        {"'hostUsers':true", "", "web"},
        {"'hostUsers':false",
         "can't set `spec.hostUsers: false`, runtime does not support user namespaces", "web"},
        {"'setHostnameAsFQDN':true", "", "web"},
        {"'setHostnameAsFQDN':true,'subdomain':'s'", "", "web.s.default.svc.cluster.local"},
        {"'setHostnameAsFQDN':true,'subdomain':"
         "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
         "failed to construct FQDN from Pod hostname and cluster domain, FQDN "
         "web.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.default.svc.cluster.local is too "
         "long (64 characters is the max, 80 characters requested)",
         NULL},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(1 << 20);
        auto_(cor_freep) char *spec =
            cor_sprintf("{%s,'containers':[{'name':'c','image':'i'}]}", cases[i].spec);
        auto_(pod_free) struct pod *pod = pod_of(spec);
        struct cri_sandbox_config config;
        assert_string_equal(crispec_cannot(arena, &node, pod), cases[i].says);
        crispec_sandbox(arena, &node, pod, 0, &config);
        if (cases[i].hostname != NULL) {
            assert_string_equal(config.hostname, cases[i].hostname);
        }
    }
}

static void test_profiles(void **state)
{
    (void)state;
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(1 << 20);
    auto_(pod_free) struct pod *pod = pod_of(
        "{'containers':[{'name':'c','image':'i','securityContext':{'procMount':'Unmasked',"
        "'seccompProfile':{'type':'Localhost','localhostProfile':'p/a.json'},'appArmorProfile':{"
        "'type':'Localhost','localhostProfile':'mine'}}}]}");
    auto_(env_free) struct env env = {0};
    struct cri_container_config config;
    const struct crispec_attempt attempt = {.env = &env};
    crispec_container(arena, &node, pod, &attempt, &config);
    auto_(cor_freep) char *path = cor_sprintf("%s/seccomp/p/a.json", node.root_dir);
    assert_string_equal(config.security.seccomp_path, path);
    assert_int_equal(config.security.apparmor, CRI_SECCOMP_LOCALHOST);
    assert_string_equal(config.security.apparmor_name, "mine");
    assert_false(config.default_masks);
}

/* What device plug-ins want comes first, so that the Pod's own counts. */
static void test_devices(void **state)
{
    (void)state;
    auto_(made_free) struct made made = make("{'containers':[{'name':'c','image':'i:1'}]}");
    struct env_var var = {(char *)(uintptr_t) "A", (char *)(uintptr_t) "own"};
    struct env env = {.vars = &var, .count = 1};
    struct crispec_mount mount = {"/m", (char *)(uintptr_t) "/host", true, 1};
    const struct cri_kv pairs[] = {{"A", "plug-in"}, {"B", "2"}};
    const struct cri_mount given = {"/given", "/on-host", false, 0};
    const struct cri_device device = {"/dev/in", "/dev/out", "rw"};
    const char *const names[] = {"example.com/class=one"};
    const struct crispec_devices devices = {.env = {pairs, 2},
                                            .mounts = &given,
                                            .mount_count = 1,
                                            .devices = &device,
                                            .device_count = 1,
                                            .annotations = {pairs, 2},
                                            .cdi = {names, 1}};
    struct cri_container_config c;
    crispec_container(made.arena, &node, made.pod,
                      &(struct crispec_attempt){0, 0, &env, &mount, 1, NULL, &devices}, &c);
    assert_int_equal(c.env.count, 3);
    assert_string_equal(c.env.item[0].value, "plug-in");
    assert_string_equal(c.env.item[2].value, "own");
    assert_int_equal(c.mount_count, 2);
    assert_string_equal(c.mounts[0].host_path, "/on-host");
    assert_string_equal(c.mounts[1].host_path, "/host");
    assert_string_equal(c.devices[0].host_path, "/dev/out");
    assert_string_equal(value_of(c.annotations, "B"), "2");
    assert_string_equal(value_of(c.annotations, CRI_NOTE_RESTARTS), "0");
    assert_string_equal(c.cdi.item[0], "example.com/class=one");
}

/* Huge pages of each size that the machine has; what the whole Pod has, for runtimes that ask. */
static void test_amounts(void **state)
{
    (void)state;
    static const struct huge huge = {
        .sizes = {{"hugepages-2Mi", "2MB", 2 << 20, 1}, {"hugepages-1Gi", "1GB", 1 << 30, 0}},
        .count = 2};
    struct crispec_node with_pages = node;
    with_pages.huge = &huge;
    auto_(made_free) struct made made =
        make("{'overhead':{'cpu':'250m','memory':'1Mi'},'containers':[{'name':'c','image':'i:1',"
             "'resources':{'limits':{'cpu':'500m','memory':'1Mi','hugepages-2Mi':'4Mi'}}}]}");
    struct env env = {.count = 0};
    struct cri_container_config c;
    struct cri_sandbox_config s;
    crispec_container(made.arena, &with_pages, made.pod, &(struct crispec_attempt){.env = &env},
                      &c);
    crispec_sandbox(made.arena, &with_pages, made.pod, 0, &s);
    assert_int_equal(c.huge_count, 2);
    assert_string_equal(c.huge[0].page, "2MB");
    assert_int_equal(c.huge[0].bytes, 4 << 20);
    assert_int_equal(c.huge[1].bytes, 0);
    assert_int_equal(s.amounts.cpu_shares, 768);
    assert_int_equal(s.amounts.cpu_quota, 75000);
    assert_int_equal(s.amounts.memory, 2 << 20);
    assert_true(s.has_overhead);
    assert_int_equal(s.overhead.cpu_quota, 25000);
    assert_int_equal(s.overhead.memory, 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sandbox),      cmocka_unit_test(test_namespaces_and_dns),
        cmocka_unit_test(test_container),    cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_own_resolver), cmocka_unit_test(test_cannot),
        cmocka_unit_test(test_profiles),     cmocka_unit_test(test_devices),
        cmocka_unit_test(test_amounts),
    };
    return cmocka_run_group_tests_name("crispec", tests, NULL, NULL);
}
