// SPDX-License-Identifier: Apache-2.0
#include "services/edged/device/stock.h"

#include "../fixture.h"

#define R "example.com/probe"
#define TAKES(name, n)                                                                             \
    "{'name':'" name "','image':'i','resources':{'limits':{'" R "':'" n "','cpu':'1'}}}"
#define SIDECAR(name, n)                                                                           \
    "{'name':'" name "','image':'i','restartPolicy':'Always','resources':{'limits':{'" R "':'" n   \
    "'}}}"

static void set_devices(struct stock *stock, const char *resource, size_t healthy, size_t sick)
{
    enum { MOST = 16 };
    static const char *const names[MOST] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct stock_device list[MOST];
    struct cor_err err = COR_ERR_NONE;
    for (size_t i = 0; i < healthy + sick; i++) {
        list[i] = (struct stock_device){names[i], i < healthy};
    }
    assert_int_equal(stock_register(stock, resource, &err), COR_OK);
    assert_int_equal(stock_set(stock, resource, list, healthy + sick, &err), COR_OK);
}

static struct pod *named(const char *uid, const char *spec)
{
    struct cor_json *object = test_json("{'metadata':{'name':'web','namespace':'default'}}");
    struct cor_err err = COR_ERR_NONE;
    struct pod *pod = NULL;
    cor_json_set_at(object, "metadata.uid", cor_json_str(uid));
    cor_json_set(object, "spec", test_json(spec));
    if (pod_parse(object, &pod, &err) != COR_OK) {
        fail_msg("%s", err.text);
    }
    return pod;
}

/* "container:ids container:ids", as the Pod has them. */
static char *grants_of(const struct stock *stock, const char *uid)
{
    struct cor_buf out = {0};
    const struct stock_grant *grant = NULL;
    cor_buf_str(&out, "");
    while ((grant = stock_grant(stock, uid, NULL, grant)) != NULL) {
        cor_buf_fmt(&out, "%s%s:", out.len > 0 ? " " : "", grant->container);
        for (size_t i = 0; i < grant->id_count; i++) {
            cor_buf_str(&out, grant->ids[i]);
        }
    }
    return cor_buf_take(&out);
}

/* What Pods get of four healthy devices of which the one before has taken the first. */
static void test_reserve(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        const char *grants;
        const char *error;
    } rows[] = {
        {"{'containers':[" TAKES("c", "1") "]}", "c:b", ""},
        {"{'containers':[" TAKES("c", "0") "]}", "", ""},
        {"{'containers':[" TAKES("c", "1") "," TAKES("d", "2") "]}", "c:b d:cd", ""},
        {"{'containers':[" TAKES("c", "4") "]}", "",
         "requested number of devices unavailable for " R ". Requested: 4, Available: 3"},
        {"{'containers':[" TAKES("c", "2") "," TAKES("d", "2") "]}", "",
         "requested number of devices unavailable for " R ". Requested: 2, Available: 1"},
        {"{'containers':[" TAKES("c", "9000000000000000000") "]}", "",
         "requested number of devices unavailable for " R
         ". Requested: 9000000000000000000, Available: 3"},
        /* what an init container had the next ones have, a sidecar keeps its own */
        {"{'initContainers':[" TAKES("i", "3") "],'containers':[" TAKES("c", "2") "]}",
         "i:bcd c:bc", ""},
        {"{'initContainers':[" TAKES("i", "1") "," TAKES("k", "2") "],'containers':[" TAKES(
             "c", "1") "," TAKES("d", "2") "]}",
         "i:b k:bc c:b d:cd", ""},
        {"{'initContainers':[" SIDECAR("s", "1") "," TAKES("i", "2") "],'containers':[" TAKES(
             "c", "2") "]}",
         "s:b i:cd c:cd", ""},
        {"{'initContainers':[" TAKES("i", "1") "," SIDECAR("s", "1") "],'containers':[" TAKES(
             "c", "3") "]}",
         "", "requested number of devices unavailable for " R ". Requested: 3, Available: 2"},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(stock_free) struct stock *stock = stock_new();
        auto_(pod_free) struct pod *first = named("u1", "{'containers':[" TAKES("x", "1") "]}");
        auto_(pod_free) struct pod *pod = named("u2", rows[i].spec);
        struct cor_err err = COR_ERR_NONE;
        set_devices(stock, R, 4, 1);
        assert_int_equal(stock_reserve(stock, first, &err), COR_OK);
        enum cor_code code = stock_reserve(stock, pod, &err);
        auto_(cor_freep) char *grants = grants_of(stock, "u2");
        if ((code == COR_OK) != (rows[i].error[0] == '\0') || strcmp(grants, rows[i].grants) != 0 ||
            strcmp(err.text, rows[i].error) != 0) {
            fail_msg("row %zu: \"%s\" %s", i, grants, err.text);
        }
        if (code == COR_OK) { /* again changes nothing */
            assert_int_equal(stock_reserve(stock, pod, &err), COR_OK);
            auto_(cor_freep) char *again = grants_of(stock, "u2");
            assert_string_equal(again, rows[i].grants);
        }
    }
}

static bool keeps_none(void *self, const char *uid)
{
    return self != NULL && strcmp(uid, self) == 0;
}

/* A plug-in that goes: its devices are there, unhealthy, then forgotten; what it gave stays given
 * until the Pod goes. */
static void test_lose(void **state)
{
    (void)state;
    auto_(stock_free) struct stock *stock = stock_new();
    auto_(pod_free) struct pod *pod = named("u1", "{'containers':[" TAKES("c", "1") "]}");
    auto_(pod_free) struct pod *next = named("u2", "{'containers':[" TAKES("c", "1") "]}");
    struct cor_err err = COR_ERR_NONE;
    const char *name = NULL;
    int64_t all = 0;
    int64_t healthy = 0;
    size_t at = 0;
    assert_int_equal(stock_reserve(stock, pod, &err), COR_OK); /* nobody gives it: as without */
    assert_null(stock_grant(stock, "u1", NULL, NULL));
    set_devices(stock, R, 1, 1);
    assert_int_equal(stock_reserve(stock, pod, &err), COR_OK);
    stock_lose(stock, R, (struct cor_mono){COR_SEC(100)});
    assert_true(stock_next(stock, &at, &name, &all, &healthy));
    assert_string_equal(name, R);
    assert_int_equal(all, 2);
    assert_int_equal(healthy, 0);
    assert_false(stock_next(stock, &at, &name, &all, &healthy));
    assert_int_equal(stock_reserve(stock, next, &err), COR_BUSY);
    assert_string_equal(err.text,
                        "no healthy devices present; cannot allocate unhealthy devices " R);
    struct cor_mono due = stock_expire(stock, (struct cor_mono){COR_SEC(101)}, COR_SEC(5));
    assert_int_equal(due.us, COR_SEC(105));
    due = stock_expire(stock, due, COR_SEC(5));
    assert_int_equal(due.us, INT64_MAX);
    at = 0;
    assert_true(stock_next(stock, &at, &name, &all, &healthy));
    assert_int_equal(all, 0);
    set_devices(stock, R, 1, 0);
    assert_int_equal(stock_reserve(stock, next, &err), COR_BUSY);
    assert_false(stock_keep(stock, keeps_none, (void *)(uintptr_t) "u1"));
    assert_true(stock_keep(stock, keeps_none, NULL));
    assert_int_equal(stock_reserve(stock, next, &err), COR_OK);
    stock_release(stock, "u2");
    assert_null(stock_grant(stock, "u2", NULL, NULL));
}

static void test_prefer(void **state)
{
    (void)state;
    static const struct {
        const char *prefers;
        const char *grants;
    } rows[] = {{"de", "i:a c:ad"},
                {"ee", "i:a c:ae"},
                {"", "i:a c:ab"},
                {"zz", "i:a c:ab"},
                {"xd", "i:a c:ad"}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(stock_free) struct stock *stock = stock_new();
        auto_(pod_free) struct pod *pod = named(
            "u1", "{'initContainers':[" TAKES("i", "1") "],'containers':[" TAKES("c", "2") "]}");
        struct cor_err err = COR_ERR_NONE;
        char words[2][2] = {{rows[i].prefers[0], '\0'}, {'\0', '\0'}};
        words[1][0] = rows[i].prefers[0] == '\0' ? '\0' : rows[i].prefers[1];
        const char *ids[] = {words[0], words[1]};
        set_devices(stock, R, 5, 0);
        assert_int_equal(stock_reserve(stock, pod, &err), COR_OK);
        struct stock_grant *grant = stock_grant(stock, "u1", "c", NULL);
        assert_int_equal(grant->must, 1);
        stock_prefer(stock, grant, ids, 2);
        auto_(cor_freep) char *grants = grants_of(stock, "u1");
        assert_string_equal(grants, rows[i].grants);
    }
}

/* What is written is read again; a kubelet's file too; and nothing of one that is no such file. */
static void test_disk(void **state)
{
    (void)state;
    auto_(stock_free) struct stock *stock = stock_new();
    auto_(stock_free) struct stock *other = stock_new();
    auto_(pod_free) struct pod *pod =
        named("u1", "{'containers':[" TAKES("c", "2") "," TAKES("d", "1") "]}");
    struct cor_err err = COR_ERR_NONE;
    set_devices(stock, R, 3, 1);
    assert_int_equal(stock_reserve(stock, pod, &err), COR_OK);
    stock_allocated(stock_grant(stock, "u1", "c", NULL), (struct cor_view){"\1\0\2", 3});
    auto_(cor_json_free) struct cor_json *json = stock_save(stock);
    auto_(cor_freep) char *text = cor_json_text(json);
    assert_string_equal(
        text, "{\"Data\":{\"PodDeviceEntries\":[{\"PodUID\":\"u1\",\"ContainerName\":\"c\","
              "\"ResourceName\":\"" R "\",\"DeviceIDs\":{\"-1\":[\"a\",\"b\"]},\"AllocResp\":"
              "\"AQAC\"}],\"RegisteredDevices\":{\"" R "\":[\"a\",\"b\",\"c\"]}},\"Checksum\":0}");
    stock_load(other, json);
    const struct stock_grant *grant = stock_grant(other, "u1", "c", NULL);
    assert_non_null(grant);
    assert_true(grant->allocated);
    assert_memory_equal(grant->response, "\1\0\2", 3);
    assert_null(stock_grant(other, "u1", "d", NULL)); /* the plug-in had not answered */
    assert_true(stock_has(other, R));
    set_devices(other, R, 3, 0);
    stock_release(other, "u2");
    auto_(pod_free) struct pod *more = named("u2", "{'containers':[" TAKES("c", "2") "]}");
    assert_int_equal(stock_reserve(other, more, &err), COR_BUSY);
}

static void test_bad_disk(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{}", "[]", "{'Data':5}", "{'Data':{'PodDeviceEntries':{'a':1},'RegisteredDevices':[1]}}",
        "{'Data':{'PodDeviceEntries':[5,null,{'PodUID':7},{'PodUID':'u','ContainerName':'c',"
        "'ResourceName':'r/r','DeviceIDs':{'-1':['a']},'AllocResp':'%%'}]}}"};
    for (size_t i = 0; i < COR_COUNT(bad); i++) {
        auto_(stock_free) struct stock *stock = stock_new();
        auto_(cor_json_free) struct cor_json *json = test_json(bad[i]);
        stock_load(stock, json);
        assert_null(stock_grant(stock, "u", NULL, NULL));
    }
    auto_(stock_free) struct stock *stock = stock_new();
    auto_(cor_json_free) struct cor_json *numa = test_json(
        "{'Data':{'PodDeviceEntries':[{'PodUID':'u','ContainerName':'c','ResourceName':'r/r',"
        "'DeviceIDs':{'0':['a'],'1':['b',7,'']},'AllocResp':''}],'RegisteredDevices':null}}");
    stock_load(stock, numa);
    auto_(cor_freep) char *grants = grants_of(stock, "u");
    assert_string_equal(grants, "c:ab");
}

static void test_limits(void **state)
{
    (void)state;
    auto_(stock_free) struct stock *stock = stock_new();
    struct cor_err err = COR_ERR_NONE;
    const struct stock_device twice[] = {{"a", true}, {"a", true}};
    const struct stock_device nameless[] = {{"", true}};
    set_devices(stock, R, 2, 0);
    assert_int_equal(stock_set(stock, R, twice, 2, &err), COR_INVALID);
    assert_int_equal(stock_set(stock, R, nameless, 1, &err), COR_INVALID);
    assert_int_equal(stock_set(stock, "other/r", nameless, 0, &err), COR_NOTFOUND);
    assert_int_equal(stock_set(stock, R, twice, STOCK_DEVICES_MAX + 1, &err), COR_TOOBIG);
    for (size_t i = 1; i < STOCK_RESOURCES_MAX; i++) {
        auto_(cor_freep) char *name = cor_sprintf("example.com/r%zu", i);
        assert_int_equal(stock_register(stock, name, &err), COR_OK);
    }
    assert_int_equal(stock_register(stock, "example.com/more", &err), COR_TOOBIG);
    assert_int_equal(stock_register(stock, R, &err), COR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reserve),  cmocka_unit_test(test_lose),
        cmocka_unit_test(test_prefer),   cmocka_unit_test(test_disk),
        cmocka_unit_test(test_bad_disk), cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests_name("stock", tests, NULL, NULL);
}
