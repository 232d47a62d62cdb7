// SPDX-License-Identifier: Apache-2.0
// What the tests with a CSI driver share: the driver (gRPC's own library) as a child process, its
// log, a claim of a volume of its, a Pod with it.
#ifndef TEST_EDGED_CSI_H
#define TEST_EDGED_CSI_H

#include "cloud.h"

enum { PATIENCE = 20 * 1000 * 1000 };

#define DRIVER "bind.example.com"

struct test {
    pid_t driver;
    char *log;
};

static struct test test;

static inline void start_driver(struct cloud *cloud)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *registry = cor_sprintf("%s/kubelet/plugins_registry", cloud->dir);
    auto_(cor_freep) char *data = cor_sprintf("%s/volumes", cloud->dir);
    must(cor_mkdirs(registry, 0755, &err) == COR_OK && cor_mkdirs(data, 0755, &err) == COR_OK);
    test.driver = fork();
    if (test.driver == 0) {
        const char *program = CORACLE_SOURCE_DIR "/tests/contract/edged/csi_driver.py";
        execl(program, program, registry, DRIVER, data, test.log, (char *)NULL);
        _exit(127);
    }
    must(test.driver > 0);
}

static inline void stop_driver(void)
{
    if (test.driver > 0) {
        (void)kill(test.driver, SIGKILL);
        must(waitpid(test.driver, NULL, 0) == test.driver);
        test.driver = 0;
    }
}

static inline int set_up(void **state)
{
    int code = cloud_set_up_with(state, "csi:\n  enabled: true\n");
    const struct cloud *cloud = *state;
    test = (struct test){0, cor_sprintf("%s/driver.log", cloud->dir)};
    return code;
}

static inline int tear_down(void **state)
{
    int code = cloud_tear_down(state);
    stop_driver();
    cor_freep(&test.log);
    return code;
}

static inline char *read_at(const struct cloud *cloud, const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", cloud->dir, name);
    auto_(cor_buf_free) struct cor_buf text = {0};
    return cor_file_read(path, 65536, &text, NULL) == COR_OK ? cor_buf_take(&text) : cor_strdup("");
}

static inline bool is_logged(struct cloud *cloud, void *text)
{
    auto_(cor_freep) char *log = read_at(cloud, "driver.log");
    return strstr(log, text) != NULL;
}

static inline size_t count_of(const struct cloud *cloud, const char *text)
{
    auto_(cor_freep) char *log = read_at(cloud, "driver.log");
    return test_count(log, text);
}

static inline bool is_gone(struct cloud *cloud, void *name)
{
    auto_(cor_freep) char *key = cor_sprintf("default/pod/%s", (const char *)name);
    return cor_map_get(cloud->objects, cor_view_of(key)) == NULL;
}

static inline bool is_mounted_somewhere(const struct cloud *cloud)
{
    auto_(cor_buf_free) struct cor_buf mounts = {0};
    auto_(cor_freep) char *csi = cor_sprintf("%s/kubelet/plugins", cloud->dir);
    must(cor_file_read("/proc/self/mounts", 1 << 20, &mounts, NULL) == COR_OK);
    return strstr(mounts.data, "kubernetes.io~csi") != NULL || strstr(mounts.data, csi) != NULL;
}

static inline void put_driver(struct cloud *cloud, bool attached)
{
    cloud_put(cloud, "null/csidriver/" DRIVER,
              json_of("{'metadata':{'name':'" DRIVER "'},'spec':{'attachRequired':%s,"
                      "'podInfoOnMount':true,'fsGroupPolicy':'File','volumeLifecycleModes':["
                      "'Persistent','Ephemeral']}}",
                      attached ? "true" : "false"));
}

static inline void put_claim(struct cloud *cloud)
{
    cloud_put(cloud, "null/persistentvolume/pv1",
              json_of("{'metadata':{'name':'pv1'},'spec':{'claimRef':{'uid':'claim-1'},"
                      "'accessModes':['ReadWriteMany'],'mountOptions':['noatime'],'csi':{'driver':"
                      "'" DRIVER "','volumeHandle':'vol-1','fsType':'ext4','volumeAttributes':{"
                      "'tier':'fast'}}}}"));
    cloud_put(cloud, "default/persistentvolumeclaim/data",
              json_of("{'metadata':{'name':'data','namespace':'default','uid':'claim-1'},'spec':{"
                      "'volumeName':'pv1'},'status':{'phase':'Bound'}}"));
}

#define POD(command, volume)                                                                       \
    "{'terminationGracePeriodSeconds':1,'securityContext':{'fsGroup':2345},'containers':[{'name':" \
    "'c','image':"                                                                                 \
    "'coracle.local/busybox:1','command':['/bin/sh','-c','" command "; sleep 600'],"               \
    "'volumeMounts':[{'name':'data','mountPath':'/data'}]}],'volumes':[{'name':'data'," volume     \
    "}]}"
#define CLAIM "'persistentVolumeClaim':{'claimName':'data'}"

static inline bool is_written(struct cloud *cloud, void *text)
{
    auto_(cor_freep) char *found = read_at(cloud, "volumes/vol-1/said");
    return strcmp(found, text) == 0;
}

#define SECRET(key) "{'metadata':{'name':'s','namespace':'%s','uid':'%s'},'data':{'" key "':'%s'}}"

static inline void make_refuse(bool refuses)
{
    auto_(cor_freep) char *path = cor_sprintf("%s.refuse", test.log);
    if (refuses) {
        must(cor_file_write(path, COR_VIEW(""), 0644, NULL) == COR_OK);
    } else {
        must(unlink(path) == 0);
    }
}

#endif
