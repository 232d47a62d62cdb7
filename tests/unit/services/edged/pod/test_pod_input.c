// SPDX-License-Identifier: Apache-2.0
// Every field of a Pod that edged reads, in turn absent, null, of the wrong type, huge, negative
// and hostile: refused with the field's path, or read in bounds. What is read goes through all that
// is made of it for disk and runtime.
#include "../fixture.h"
#include "common/base/map.h"
#include "services/edged/cri/crispec.h"
#include "services/edged/disk/disk.h"
#include "services/edged/pod/env.h"
#include "services/edged/pod/payload.h"
#include "services/edged/pod/refs.h"
#include "services/edged/pod/shape.h"
#include "services/edged/run/status.h"

/* Each kind of action somewhere. */
#define SECONDS ",'initialDelaySeconds':1,'timeoutSeconds':2,'periodSeconds':3,'failureThreshold':4"
#define EXEC "{'exec':{'command':['x']}"
#define HTTP                                                                                       \
    "{'httpGet':{'port':'http','host':'h','path':'/p','scheme':'HTTP','httpHeaders':[{'name':"     \
    "'X-A','value':'b c'}]}"
#define TCP "{'tcpSocket':{'port':80,'host':'h'}"
#define HANDLERS_1                                                                                 \
    "'startupProbe':" EXEC SECONDS ",'successThreshold':1},'livenessProbe':" HTTP SECONDS          \
    ",'terminationGracePeriodSeconds':9},'readinessProbe':" TCP SECONDS                            \
    ",'successThreshold':2},'lifecycle':{'postStart':" HTTP "},'preStop':{'sleep':{'seconds':1}}}"
#define HANDLERS_2                                                                                 \
    "'readinessProbe':{'grpc':{'port':9,'service':'s'}" SECONDS "},'lifecycle':{'postStart':" EXEC \
    "},'preStop':" TCP "}}"

#define CONTAINER(name, handlers)                                                                  \
    "{'name':'" name "','image':'i:1','imagePullPolicy':'Never','command':['sh'],'args':['$(A)']," \
    "'workingDir':'/w','env':[{'name':'A','value':'a'},{'name':'B','valueFrom':{'fieldRef':{"      \
    "'fieldPath':'metadata.name'}}},{'name':'C','valueFrom':{'resourceFieldRef':{'containerName':" \
    "'c','resource':'limits.cpu','divisor':'1'}}},{'name':'D','valueFrom':{'configMapKeyRef':{"    \
    "'name':'cm','key':'k','optional':true}}},{'name':'E','valueFrom':{'secretKeyRef':{'name':"    \
    "'s','key':'k','optional':true}}}],'envFrom':[{'prefix':'P_','configMapRef':{'name':'cm',"     \
    "'optional':true}},{'secretRef':{'name':'s','optional':true}}],'volumeDevices':[{'name':"      \
    "'v','devicePath':'/dev/x'}],'volumeMounts':[{'name':'e',"                                     \
    "'mountPath':'/e','subPath':'a/b','readOnly':true,'recursiveReadOnly':'IfPossible',"           \
    "'mountPropagation':'None'},{'name':'h','mountPath':'/h','subPathExpr':'$(A)'}],'ports':[{"    \
    "'name':'http','containerPort':80,'hostIP':'10.0.0.1','protocol':'TCP'},{'containerPort':81,"  \
    "'hostPort':0}],'resources':{'limits':{'cpu':'1','memory':'1Gi'},'requests':{'cpu':'1'}},"     \
    "'terminationMessagePath':'/m','terminationMessagePolicy':'File','stdin':true,'stdinOnce':"    \
    "true,'tty':false,'securityContext':{'runAsUser':1,'runAsGroup':2,'runAsNonRoot':true,"        \
    "'privileged':false,'readOnlyRootFilesystem':true,'allowPrivilegeEscalation':false,"           \
    "'procMount':'Default','seccompProfile':{'type':'Localhost','localhostProfile':'p/a.json'},"   \
    "'appArmorProfile':{'type':'Localhost','localhostProfile':'p'},'seLinuxOptions':{'user':'u',"  \
    "'role':'r','type':'t','level':'l'},'capabilities':{'add':['KILL'],'drop':['ALL']}}," handlers

static const char SAMPLE[] =
    "{'metadata':{'name':'web','namespace':'default','uid':'u1','deletionTimestamp':"
    "'2026-01-01T00:00:00Z','deletionGracePeriodSeconds':1,'labels':{'a':'b'},'annotations':{"
    "'a':'b'}},'spec':{'nodeName':'n1','serviceAccountName':'sa','hostname':'h','subdomain':'sub',"
    "'setHostnameAsFQDN':false,'dnsPolicy':'None','dnsConfig':{'nameservers':['10.0.0.1'],"
    "'searches':['a.b'],'options':[{'name':'ndots','value':'2'}]},'hostNetwork':false,'hostPID':"
    "false,'hostIPC':false,'hostUsers':true,'shareProcessNamespace':false,'restartPolicy':'Always',"
    "'terminationGracePeriodSeconds':5,'activeDeadlineSeconds':50,'runtimeClassName':'rc',"
    "'overhead':{'cpu':'1m'},'resources':{'limits':{'cpu':'2'},'requests':{'cpu':'1'}},"
    "'securityContext':{'runAsUser':1,'runAsGroup':2,'runAsNonRoot':true,'fsGroup':3,"
    "'fsGroupChangePolicy':'Always','supplementalGroups':[4],'supplementalGroupsPolicy':'Merge',"
    "'sysctls':[{'name':'net.a','value':'1'}],'seccompProfile':{'type':'RuntimeDefault',"
    "'localhostProfile':''},'appArmorProfile':{'type':'Unconfined','localhostProfile':''},"
    "'seLinuxOptions':{'user':'u','role':'r','type':'t','level':'l'}},'hostAliases':[{'ip':"
    "'1.2.3.4','hostnames':['a']}],'readinessGates':[{'conditionType':'g'}],'imagePullSecrets':[{'"
    "name':'reg'}],'initContainers':"
    "[" CONTAINER("i", HANDLERS_1) ",'restartPolicy':'Always'}],'containers':[" CONTAINER(
        "c", HANDLERS_1) "},{'name':'o','image':'i','startupProbe':" HTTP "},'livenessProbe':" TCP
                         "}," HANDLERS_2 "}],'ephemeralContainers':[" CONTAINER(
                             "d", HANDLERS_1) "}],"
                                              "'volumes':[{'name':'e','emptyDir':{'"
                                              "medium':'Memory','sizeLimit':'1Mi'}},"
                                              "{'name':'h','hostPath':{'path':'/"
                                              "x','type':'Directory'}},"
                                              "{'name':'c','configMap':{'name':'cm','"
                                              "defaultMode':256,'optional':true,'items':"
                                              "[{'"
                                              "key':'k',"
                                              "'path':'d/f','mode':384}]}},"
                                              "{'name':'s','secret':{'secretName':'s','"
                                              "defaultMode':256,'optional':true,'items':"
                                              "[{'"
                                              "key':'k',"
                                              "'path':'d/f','mode':384}]}},"
                                              "{'name':'d','downwardAPI':{'defaultMode':"
                                              "256,'items':[{'path':'f','mode':256,'"
                                              "fieldRef':{"
                                              "'fieldPath':'metadata.name'}},{'path':'g'"
                                              ",'resourceFieldRef':{'containerName':'c',"
                                              "'resource':'limits.cpu','divisor':'1'}}]}"
                                              "},"
                                              "{'name':'p','projected':{'defaultMode':"
                                              "256,'sources':[{'configMap':{'name':'cm',"
                                              "'"
                                              "optional':"
                                              "true,'defaultMode':256,'items':[{'key':'"
                                              "k','path':'f','mode':384}]}},{'secret':{'"
                                              "name':'s',"
                                              "'defaultMode':256,'optional':true,'items'"
                                              ":[{'key':'k','path':'g','mode':384}]}},"
                                              "{'downwardAPI':{'defaultMode':256,'items'"
                                              ":[{'path':'f','mode':256,'fieldRef':{'"
                                              "fieldPath':"
                                              "'metadata.name'}},{'path':'g','"
                                              "resourceFieldRef':{'containerName':'c','"
                                              "resource':"
                                              "'limits.cpu','divisor':'1'}}]}},{'"
                                              "serviceAccountToken':{'path':'t','"
                                              "audience':'x',"
                                              "'expirationSeconds':3600}}]}},"
                                              "{'name':'v','persistentVolumeClaim':{'"
                                              "claimName':'data','readOnly':true}},"
                                              "{'name':'n','nfs':{'server':'10.0.0.1','"
                                              "path':'/"
                                              "x','readOnly':true}},{'name':'x','csi':{'"
                                              "driver':'d.example.com','"
                                              "readOnly':true,'fsType':'ext4','"
                                              "volumeAttributes':{'a':'b'}}}]}}";

/* ---- what is made of a Pod that is read ---- */

static void use(const struct pod *pod)
{
    struct objects objects = {.token = "tok"};
    struct inputs inputs = inputs_of(&objects);
    auto_(refs_free) struct refs refs = {0};
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(8 * 1024 * 1024);
    const struct crispec_node node = {
        .root_dir = "/r", .log_dir = "/l", .cgroup_root = "", .domain = "d", .memory = 1 << 30};
    struct cri_sandbox_config sandbox;
    refs_collect(&refs, pod);
    crispec_sandbox(arena, &node, pod, 0, &sandbox);
    assert_null(strstr(sandbox.log_dir, "/../"));
    assert_null(strstr(sandbox.cgroup_parent, "/../"));
    for (size_t i = 0; i < pod_container_count(pod); i++) {
        struct cri_container_config config;
        auto_(env_free) struct env env = {0};
        enum cor_code code = env_build(pod, pod_container(pod, i), &inputs, &env, NULL);
        assert_true(code != COR_INTERNAL);
        const struct crispec_attempt attempt = {.index = i, .env = &env};
        if (env_check_arguments(&env, pod_container(pod, i), NULL) != COR_OK) {
            continue;
        }
        crispec_container(arena, &node, pod, &attempt, &config);
        assert_null(strchr(config.name, '/'));
    }
    for (size_t i = 0; i < pod->volume_count; i++) {
        auto_(payload_free) struct payload payload = {0};
        auto_(cor_freep) char *path = disk_volume_path("/r", pod, &pod->volumes[i]);
        enum cor_code code = payload_build(pod, &pod->volumes[i], &inputs, &payload, NULL);
        assert_true(code != COR_INTERNAL);
        assert_null(strstr(path, "/../"));
        for (size_t f = 0; f < payload.count; f++) {
            assert_true(pod_path_is_inside(payload.files[f].path));
        }
    }
    auto_(run_free) struct run *run = run_new(pod);
    struct cor_json *status = status_build(run, &test_facts, NULL, (struct cor_wall){1});
    cor_json_free(&status);
}

/* ---- values ---- */

enum { MIB = 1 << 20, MANY = 1100 };

static struct cor_json *text_value(size_t which)
{
    static const char *const texts[] = {"$(reboot)`id`;rm -rf /|&",
                                        "../../../etc/passwd",
                                        "/etc/../../x",
                                        "a/b",
                                        ".",
                                        "..",
                                        "a\nb\tc\r",
                                        "%s%n%d",
                                        "-rf",
                                        " ",
                                        "A",
                                        "a=b",
                                        "*",
                                        "~/x",
                                        "\\",
                                        "\"'",
                                        "caf\xc3\xa9",
                                        "proc/self/root",
                                        "localhost:0/x",
                                        "0",
                                        "-1",
                                        "true",
                                        "[::1]",
                                        "Memory",
                                        "Always"};
    return which < COR_COUNT(texts) ? cor_json_str(texts[which]) : NULL;
}

static struct cor_json *number_value(size_t which)
{
    static const int64_t numbers[] = {INT64_MIN, INT32_MIN, -1, 0, 1, INT32_MAX, INT64_MAX};
    return which < COR_COUNT(numbers) ? cor_json_int(numbers[which]) : NULL;
}

static struct cor_json *amount_value(size_t which)
{
    static const char *const texts[] = {"-1",   "-1Gi",  "1e30", "9999999999999999999",
                                        "1Ei",  "0",     "lots", "1 Gi",
                                        "0x10", "1e999", "NaN",  ".",
                                        "+",    "1Ki1"};
    return which < COR_COUNT(texts) ? cor_json_str(texts[which]) : NULL;
}

static struct cor_json *huge_text(void)
{
    auto_(cor_freep) char *text = cor_alloc(MIB + 1);
    memset(text, 'a', MIB);
    return cor_json_str(text);
}

static struct cor_json *nul_text(void)
{
    struct cor_json *json = NULL;
    assert_int_equal(cor_json_parse(COR_VIEW("\"a\\u0000b\""), 100, COR_JSON_NUL, &json, NULL),
                     COR_OK);
    return json;
}

static struct cor_json *many(const struct cor_json *list)
{
    struct cor_json *out = cor_json_array();
    for (size_t i = 0; i < MANY; i++) {
        cor_json_add(out, cor_json_copy(cor_json_item(list, 0)));
    }
    return out;
}

/* Types that a kind of field has; others are wrong. */
static bool fits(enum shape_kind kind, enum cor_json_type type)
{
    static const unsigned types[SHAPE_KINDS] = {
        [SHAPE_TEXT] = 1u << COR_JSON_STRING,
        [SHAPE_BOOL] = 1u << COR_JSON_BOOL,
        [SHAPE_INT] = 1u << COR_JSON_INT,
        [SHAPE_PORT] = 1u << COR_JSON_INT | 1u << COR_JSON_STRING,
        [SHAPE_QUANTITY] = 1u << COR_JSON_INT | 1u << COR_JSON_REAL | 1u << COR_JSON_STRING,
        [SHAPE_OBJECT] = 1u << COR_JSON_OBJECT,
        [SHAPE_LIST] = 1u << COR_JSON_ARRAY,
        [SHAPE_TEXTS] = 1u << COR_JSON_ARRAY,
        [SHAPE_INTS] = 1u << COR_JSON_ARRAY,
        [SHAPE_TEXT_MAP] = 1u << COR_JSON_OBJECT,
        [SHAPE_QUANTITIES] = 1u << COR_JSON_OBJECT,
    };
    return (types[kind] >> type & 1) != 0;
}

/* ---- the walk ---- */

struct walk {
    struct cor_json *sample;
    struct cor_json *huge; /* text of a MiB */
    size_t tried, refused;
};

/* The value at a place in a copy of the sample, and what holds it. */
static struct cor_json *value_at(struct cor_json *top, const struct shape_at *at)
{
    if (at == NULL) {
        return top;
    }
    struct cor_json *above = value_at(top, at->up);
    return at->key != NULL ? cor_json_get(above, at->key) : cor_json_item(above, at->index);
}

enum expect { MUST_BE_REFUSED, MAY_BE_REFUSED };

/* Puts value (takes; NULL: nothing) there and reads the Pod. */
static void attempt(struct walk *walk, const struct shape_at *at, struct cor_json *value,
                    enum expect expect, const char *what)
{
    struct cor_json *object = cor_json_copy(walk->sample);
    struct cor_json *above = value_at(object, at->up);
    auto_(cor_buf_free) struct cor_buf path = {0};
    shape_path(at, &path);
    if (at->key != NULL) {
        cor_json_set(above, at->key, value);
    } else {
        cor_json_put(above, at->index, value);
    }
    auto_(pod_free) struct pod *pod = NULL;
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = pod_parse(object, &pod, &err);
    walk->tried++;
    walk->refused += code != COR_OK ? 1 : 0;
    bool named = strstr(err.text, path.data) != NULL;
    if (expect == MUST_BE_REFUSED && (code != COR_INVALID || !named)) {
        fail_msg("%s %s: code %d: %s", path.data, what, (int)code, err.text);
    }
    if (code != COR_OK && strncmp(err.text, "spec", 4) != 0 &&
        strncmp(err.text, "metadata", 8) != 0) {
        fail_msg("%s %s: names no field: %s", path.data, what, err.text);
    }
    if (pod != NULL) {
        use(pod);
    }
}

static void attempt_types(struct walk *walk, const struct shape_at *at, enum shape_kind kind)
{
    static const char *const values[] = {
        [COR_JSON_BOOL] = "true",  [COR_JSON_INT] = "7",      [COR_JSON_REAL] = "1.5",
        [COR_JSON_STRING] = "'x'", [COR_JSON_ARRAY] = "[[]]", [COR_JSON_OBJECT] = "{'x':{}}",
    };
    for (size_t type = COR_JSON_BOOL; type < COR_COUNT(values); type++) {
        if (!fits(kind, (enum cor_json_type)type)) {
            auto_(cor_freep) char *text = cor_sprintf("[%s]", values[type]);
            auto_(cor_json_free) struct cor_json *list = test_json(text);
            attempt(walk, at, cor_json_ref(cor_json_item(list, 0)), MUST_BE_REFUSED, values[type]);
        }
    }
}

static void attempt_texts(struct walk *walk, const struct shape_at *at)
{
    struct cor_json *value = NULL;
    for (size_t i = 0; (value = text_value(i)) != NULL; i++) {
        attempt(walk, at, value, MAY_BE_REFUSED, "hostile");
    }
    attempt(walk, at, cor_json_ref(walk->huge), MUST_BE_REFUSED, "huge");
    attempt(walk, at, nul_text(), MUST_BE_REFUSED, "with NUL");
}

static void attempt_numbers(struct walk *walk, const struct shape_at *at)
{
    struct cor_json *value = NULL;
    for (size_t i = 0; (value = number_value(i)) != NULL; i++) {
        attempt(walk, at, value, MAY_BE_REFUSED, "number");
    }
}

static void attempt_amounts(struct walk *walk, const struct shape_at *at)
{
    struct cor_json *value = NULL;
    for (size_t i = 0; (value = amount_value(i)) != NULL; i++) {
        attempt(walk, at, value, MAY_BE_REFUSED, "amount");
    }
    attempt(walk, at, cor_json_int(-1), MUST_BE_REFUSED, "negative");
    attempt(walk, at, cor_json_ref(walk->huge), MUST_BE_REFUSED, "huge");
    attempt(walk, at, nul_text(), MUST_BE_REFUSED, "with NUL");
}

/* Elements of lists and members of maps. */
static void attempt_inner(struct walk *walk, const struct shape_at *at, enum shape_kind kind)
{
    const struct shape_at first = {.up = at, .index = 0};
    const struct shape_at member = {.up = at, .key = "cpu"};
    const struct shape_at note = {.up = at, .key = "a"};
    if (kind == SHAPE_TEXTS) {
        attempt_types(walk, &first, SHAPE_TEXT);
        attempt_texts(walk, &first);
    } else if (kind == SHAPE_INTS) {
        attempt_types(walk, &first, SHAPE_INT);
        attempt_numbers(walk, &first);
    } else if (kind == SHAPE_TEXT_MAP) {
        attempt_types(walk, &note, SHAPE_TEXT);
        attempt_texts(walk, &note);
    } else if (kind == SHAPE_QUANTITIES) {
        attempt_types(walk, &member, SHAPE_QUANTITY);
        attempt_amounts(walk, &member);
    }
}

static void attempt_field(struct walk *walk, const struct shape_at *at, const struct shape *shape)
{
    const struct cor_json *value = value_at(walk->sample, at);
    enum expect absent = shape->required ? MUST_BE_REFUSED : MAY_BE_REFUSED;
    attempt(walk, at, NULL, absent, "absent");
    attempt(walk, at, cor_json_null(), absent, "null");
    attempt_types(walk, at, shape->kind);
    if (shape->kind == SHAPE_TEXT || shape->kind == SHAPE_PORT) {
        attempt_texts(walk, at);
    }
    if (shape->kind == SHAPE_INT || shape->kind == SHAPE_PORT) {
        attempt_numbers(walk, at);
    }
    if (shape->kind == SHAPE_QUANTITY) {
        attempt_amounts(walk, at);
    }
    if (cor_json_is_array(value)) {
        const struct shape_at first = {.up = at, .index = 0};
        attempt(walk, at, many(value), MUST_BE_REFUSED, "1100 entries");
        attempt(walk, &first, cor_json_null(), MUST_BE_REFUSED, "null entry");
    }
    attempt_inner(walk, at, shape->kind);
}

static void walk_fields(struct walk *walk, const struct shape_at *at, const struct shape *fields);

/* Below a field: the object, or all elements of the list. */
static void walk_below(struct walk *walk, const struct shape_at *at, const struct shape *shape)
{
    if (shape->kind == SHAPE_OBJECT) {
        walk_fields(walk, at, shape->fields);
    }
    size_t count = shape->kind == SHAPE_LIST ? cor_json_count(value_at(walk->sample, at)) : 0;
    for (size_t i = 0; i < count; i++) {
        const struct shape_at item = {.up = at, .index = i};
        walk_fields(walk, &item, shape->fields);
    }
}

static void walk_fields(struct walk *walk, const struct shape_at *at, const struct shape *fields)
{
    for (const struct shape *shape = fields; shape->key != NULL; shape++) {
        const struct shape_at here = {.up = at, .key = shape->key};
        if (value_at(walk->sample, &here) != NULL) {
            attempt_field(walk, &here, shape);
            walk_below(walk, &here, shape);
        }
    }
}

static void test_every_field(void **state)
{
    (void)state;
    struct walk walk = {.sample = test_json(SAMPLE), .huge = huge_text()};
    struct pod *pod = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (pod_parse(cor_json_copy(walk.sample), &pod, &err) != COR_OK) {
        fail_msg("the sample itself: %s", err.text);
    }
    use(pod);
    pod_free(&pod);
    walk_fields(&walk, NULL, pod_fields);
    print_message("%zu bad Pods, %zu of them refused\n", walk.tried, walk.refused);
    cor_json_free(&walk.sample);
    cor_json_free(&walk.huge);
}

/* ---- every row of the tables is in the sample ---- */

/* Whether any object in values (a list) has the field, and collects what is below it. */
static void look_for(const struct cor_json *values, const struct shape *shape,
                     struct cor_json *found)
{
    for (size_t i = 0; i < cor_json_count(values); i++) {
        struct cor_json *value = cor_json_get(cor_json_item(values, i), shape->key);
        size_t count = shape->kind == SHAPE_LIST ? cor_json_count(value) : 0;
        for (size_t j = 0; j < count; j++) {
            cor_json_add(found, cor_json_ref(cor_json_item(value, j)));
        }
        if (value != NULL && shape->kind != SHAPE_LIST) {
            cor_json_add(found, cor_json_ref(value));
        }
    }
}

/* Notes each row that some object has, in whatever place: not each handler is in each. */
static void see(struct cor_map *seen, const struct cor_json *object, const struct shape *fields)
{
    for (const struct shape *shape = fields; shape->key != NULL; shape++) {
        const struct cor_json *value = cor_json_get(object, shape->key);
        if (value == NULL) {
            continue;
        }
        cor_map_set(seen, (struct cor_view){(const char *)&shape, sizeof(shape)}, seen);
        if (shape->kind == SHAPE_OBJECT) {
            see(seen, value, shape->fields);
        }
        size_t count = shape->kind == SHAPE_LIST ? cor_json_count(value) : 0;
        for (size_t i = 0; i < count; i++) {
            see(seen, cor_json_item(value, i), shape->fields);
        }
    }
}

static void all_are_seen(struct cor_map *seen, const struct shape *fields, const char *above)
{
    for (const struct shape *shape = fields; shape->key != NULL; shape++) {
        auto_(cor_freep) char *path = cor_sprintf("%s.%s", above, shape->key);
        if (shape->kind != SHAPE_REFUSED &&
            cor_map_get(seen, (struct cor_view){(const char *)&shape, sizeof(shape)}) == NULL) {
            fail_msg("the sample lacks %s", path);
        }
        if (shape->fields != NULL) {
            all_are_seen(seen, shape->fields, path);
        }
    }
}

static void all_are_there(const struct cor_json *values, const struct shape *fields,
                          const char *above)
{
    for (const struct shape *shape = fields; shape->key != NULL; shape++) {
        auto_(cor_json_free) struct cor_json *found = cor_json_array();
        auto_(cor_freep) char *path = cor_sprintf("%s.%s", above, shape->key);
        look_for(values, shape, found);
        if (cor_json_count(found) == 0 && shape->kind != SHAPE_REFUSED) {
            fail_msg("the sample lacks %s", path);
        }
        if (shape->fields != NULL && !shape->one_of) {
            all_are_there(found, shape->fields, path);
        }
    }
}

static void test_sample_is_complete(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *top = cor_json_array();
    struct cor_map *seen = cor_map_new(NULL);
    cor_json_add(top, test_json(SAMPLE));
    all_are_there(top, pod_fields, "");
    see(seen, cor_json_item(top, 0), pod_fields);
    all_are_seen(seen, pod_fields, "");
    cor_map_free(&seen);
}

#define ONE "'containers':[{'name':'c','image':'i:1'"

/* What the kubelet runs all the same: graces that are negative or huge, nulls. */
static void test_lenient(void **state)
{
    (void)state;
    auto_(pod_free) struct pod *pod = pod_of(
        "{'terminationGracePeriodSeconds':-5,'securityContext':{'runAsUser':7},'hostname':null,"
        "'unknown':{'x':1}," ONE ",'securityContext':{'runAsUser':null},'env':null}]}");
    assert_int_equal(pod->grace_seconds, 1);
    assert_int_equal(pod_container(pod, 0)->security.user.n, 7);
    assert_string_equal(pod->hostname, "");
    auto_(pod_free) struct pod *other =
        pod_of("{'terminationGracePeriodSeconds':9223372036854775807," ONE "}]}");
    assert_int_equal(other->grace_seconds, INT32_MAX);
}

/* 40 KiB of arguments that would be 1.3 GiB once expanded. */
static void test_expansion_is_bounded(void **state)
{
    (void)state;
    enum { BYTES = 131000, TIMES = 10000 };
    auto_(cor_freep) char *big = cor_alloc(BYTES + 1);
    auto_(cor_buf_free) struct cor_buf many_times = {0};
    memset(big, 'a', BYTES);
    for (size_t i = 0; i < TIMES; i++) {
        cor_buf_str(&many_times, "$(A)");
    }
    auto_(cor_freep) char *spec = cor_sprintf(
        "{" ONE ",'args':['%s'],'env':[{'name':'A','value':'%s'},{'name':'B','value':'%s'}]}]}",
        many_times.data, big, many_times.data);
    auto_(pod_free) struct pod *pod = pod_of(spec);
    struct objects objects = {.token = "tok"};
    struct inputs inputs = inputs_of(&objects);
    auto_(env_free) struct env env = {0};
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(env_build(pod, pod_container(pod, 0), &inputs, &env, &err), COR_TOOBIG);
    assert_int_equal(env_check_arguments(&env, pod_container(pod, 0), &err), COR_TOOBIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample_is_complete),
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_lenient),
        cmocka_unit_test(test_expansion_is_bounded),
    };
    return cmocka_run_group_tests_name("pod input", tests, NULL, NULL);
}
