// SPDX-License-Identifier: Apache-2.0
// The fields of a Pod that edged reads, and what each may hold. Source of limits and words:
// k8s.io/kubernetes pkg/apis/core/validation/validation.go, apimachinery pkg/util/validation.
#include "shape.h"
#include "shape_text.h"

/* ---- the tables ---- */

enum { MODE = 0777, ID = INT32_MAX, PORT = 65535, TOKEN_LEAST = 600, HEADERS_MAX = 128 };

#define TEXT(key_)                                                                                 \
    {                                                                                              \
        .key = (key_), .kind = SHAPE_TEXT                                                          \
    }
#define CHECKED(key_, wrong_)                                                                      \
    {                                                                                              \
        .key = (key_), .kind = SHAPE_TEXT, .wrong = (wrong_)                                       \
    }
#define NEEDED(key_, wrong_)                                                                       \
    {                                                                                              \
        .key = (key_), .kind = SHAPE_TEXT, .wrong = (wrong_), .required = true                     \
    }
#define CHOICE(key_, values_)                                                                      \
    {                                                                                              \
        .key = (key_), .kind = SHAPE_TEXT, .values = (values_)                                     \
    }
#define BOOL(key_)                                                                                 \
    {                                                                                              \
        .key = (key_), .kind = SHAPE_BOOL                                                          \
    }
#define INT(key_, least_, most_)                                                                   \
    {                                                                                              \
        .key = (key_), .kind = SHAPE_INT, .least = (least_), .most = (most_)                       \
    }
#define OBJECT(key_, fields_)                                                                      \
    {                                                                                              \
        .key = (key_), .kind = SHAPE_OBJECT, .fields = (fields_)                                   \
    }
#define LIST(key_, fields_)                                                                        \
    {                                                                                              \
        .key = (key_), .kind = SHAPE_LIST, .fields = (fields_)                                     \
    }
#define TEXTS(key_)                                                                                \
    {                                                                                              \
        .key = (key_), .kind = SHAPE_TEXTS                                                         \
    }
#define REFUSED(key_, why_)                                                                        \
    {                                                                                              \
        .key = (key_), .kind = SHAPE_REFUSED, .refused = (why_)                                    \
    }
#define END                                                                                        \
    {                                                                                              \
        .key = NULL                                                                                \
    }

static const char *const always_only[] = {"Always", NULL};
static const char *const restarts[] = {"Always", "OnFailure", "Never", NULL};
static const char *const pulls[] = {"Always", "IfNotPresent", "Never", NULL};
static const char *const messages[] = {"File", "FallbackToLogsOnError", NULL};
static const char *const protocols[] = {"TCP", "UDP", "SCTP", NULL};
static const char *const propagations[] = {"None", "HostToContainer", "Bidirectional", NULL};
static const char *const recursions[] = {"Disabled", "IfPossible", "Enabled", NULL};
static const char *const profiles[] = {"Localhost", "RuntimeDefault", "Unconfined", NULL};
static const char *const proc_mounts[] = {"Default", "Unmasked", NULL};
static const char *const owner_changes[] = {"OnRootMismatch", "Always", NULL};
static const char *const group_policies[] = {"Merge", "Strict", NULL};
static const char *const dns_policies[] = {"ClusterFirstWithHostNet", "ClusterFirst", "Default",
                                           "None", NULL};
static const char *const host_paths[] = {
    "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice",
    "BlockDevice",       NULL};

static const struct shape profile[] = {
    {.key = "type", .kind = SHAPE_TEXT, .required = true, .values = profiles},
    CHECKED("localhostProfile", shape_descending),
    END,
};
static const struct shape selinux[] = {TEXT("user"), TEXT("role"), TEXT("type"), TEXT("level"),
                                       END};

static const struct shape capabilities[] = {TEXTS("add"), TEXTS("drop"), END};
static const struct shape container_security[] = {
    INT("runAsUser", 0, ID),
    INT("runAsGroup", 0, ID),
    BOOL("runAsNonRoot"),
    BOOL("privileged"),
    BOOL("readOnlyRootFilesystem"),
    BOOL("allowPrivilegeEscalation"),
    OBJECT("seccompProfile", profile),
    OBJECT("appArmorProfile", profile),
    OBJECT("seLinuxOptions", selinux),
    OBJECT("capabilities", capabilities),
    CHOICE("procMount", proc_mounts),
    END,
};

static const struct shape field_ref[] = {NEEDED("fieldPath", NULL), END};
static const struct shape resource_ref[] = {
    TEXT("containerName"),
    NEEDED("resource", NULL),
    {.key = "divisor", .kind = SHAPE_QUANTITY},
    END,
};
static const struct shape key_ref[] = {
    CHECKED("name", shape_segment),
    NEEDED("key", NULL),
    BOOL("optional"),
    END,
};
static const struct shape value_from[] = {
    OBJECT("fieldRef", field_ref),
    OBJECT("resourceFieldRef", resource_ref),
    OBJECT("configMapKeyRef", key_ref),
    OBJECT("secretKeyRef", key_ref),
    REFUSED("fileKeyRef", "this node does not read environment variables from files"),
    END,
};
static const struct shape env[] = {
    NEEDED("name", shape_env_name),
    TEXT("value"),
    OBJECT("valueFrom", value_from),
    END,
};
static const struct shape object_ref[] = {
    NEEDED("name", shape_segment),
    BOOL("optional"),
    END,
};
static const struct shape env_from[] = {
    CHECKED("prefix", shape_env_name),
    OBJECT("configMapRef", object_ref),
    OBJECT("secretRef", object_ref),
    END,
};
static const struct shape mounts[] = {
    NEEDED("name", NULL),
    NEEDED("mountPath", NULL),
    CHECKED("subPath", shape_descending),
    CHECKED("subPathExpr", shape_descending),
    BOOL("readOnly"),
    CHOICE("recursiveReadOnly", recursions),
    CHOICE("mountPropagation", propagations),
    END,
};
static const struct shape block_devices[] = {
    NEEDED("name", NULL),
    NEEDED("devicePath", shape_no_backsteps),
    END,
};
static const struct shape ports[] = {
    CHECKED("name", shape_port_name),
    {.key = "containerPort", .kind = SHAPE_INT, .required = true, .least = 1, .most = PORT},
    INT("hostPort", 0, PORT),
    CHECKED("hostIP", shape_address),
    CHOICE("protocol", protocols),
    END,
};
#define NO_CLAIMS "this node does not allocate resources dynamically"
static const struct shape resources[] = {
    {.key = "limits", .kind = SHAPE_QUANTITIES},
    {.key = "requests", .kind = SHAPE_QUANTITIES},
    REFUSED("claims", NO_CLAIMS),
    END,
};

/* ---- probes and hooks: one action each ---- */

#define PORT_ROW                                                                                   \
    {                                                                                              \
        .key = "port", .kind = SHAPE_PORT, .required = true, .least = 1, .most = PORT,             \
        .wrong = shape_port_name                                                                   \
    }

static const char *const schemes[] = {"HTTP", "HTTPS", NULL};
static const struct shape exec[] = {
    {.key = "command", .kind = SHAPE_TEXTS, .required = true},
    END,
};
static const struct shape headers[] = {
    NEEDED("name", shape_header_name),
    CHECKED("value", shape_one_line),
    END,
};
static const struct shape http_get[] = {
    PORT_ROW,
    CHECKED("host", shape_one_line),
    CHECKED("path", shape_one_line),
    CHOICE("scheme", schemes),
    {.key = "httpHeaders", .kind = SHAPE_LIST, .most = HEADERS_MAX, .fields = headers},
    END,
};
static const struct shape tcp_socket[] = {PORT_ROW, CHECKED("host", shape_one_line), END};
static const struct shape grpc[] = {
    {.key = "port", .kind = SHAPE_INT, .required = true, .least = 1, .most = PORT},
    TEXT("service"),
    END,
};
static const struct shape sleeping[] = {INT("seconds", 0, INT32_MAX), END};
static const struct shape probe[] = {
    OBJECT("exec", exec),
    OBJECT("httpGet", http_get),
    OBJECT("tcpSocket", tcp_socket),
    OBJECT("grpc", grpc),
    INT("initialDelaySeconds", 0, INT32_MAX),
    INT("timeoutSeconds", 0, INT32_MAX),
    INT("periodSeconds", 0, INT32_MAX),
    INT("successThreshold", 0, INT32_MAX),
    INT("failureThreshold", 0, INT32_MAX),
    INT("terminationGracePeriodSeconds", 1, INT32_MAX),
    END,
};
static const struct shape hook[] = {
    OBJECT("exec", exec),
    OBJECT("httpGet", http_get),
    OBJECT("tcpSocket", tcp_socket),
    OBJECT("sleep", sleeping),
    END,
};
#define HANDLER(key_, fields_)                                                                     \
    {                                                                                              \
        .key = (key_), .kind = SHAPE_OBJECT, .one_of = true, .fields = (fields_)                   \
    }
static const struct shape lifecycle[] = {
    HANDLER("postStart", hook),
    HANDLER("preStop", hook),
    END,
};

#define CONTAINER                                                                                  \
    NEEDED("name", shape_label), NEEDED("image", shape_trimmed), CHOICE("imagePullPolicy", pulls), \
        TEXTS("command"), TEXTS("args"), TEXT("workingDir"), LIST("env", env),                     \
        LIST("envFrom", env_from), LIST("volumeMounts", mounts),                                   \
        LIST("volumeDevices", block_devices), LIST("ports", ports),                                \
        OBJECT("resources", resources), OBJECT("securityContext", container_security),             \
        TEXT("terminationMessagePath"), CHOICE("terminationMessagePolicy", messages),              \
        BOOL("stdin"), BOOL("stdinOnce"), BOOL("tty"), HANDLER("startupProbe", probe),             \
        HANDLER("livenessProbe", probe), HANDLER("readinessProbe", probe),                         \
        OBJECT("lifecycle", lifecycle)

static const struct shape container[] = {CONTAINER, END};
static const struct shape init_container[] = {CONTAINER, CHOICE("restartPolicy", always_only), END};

static const struct shape items[] = {
    NEEDED("key", NULL),
    NEEDED("path", shape_not_reserved),
    INT("mode", 0, MODE),
    END,
};
static const struct shape config_map[] = {
    NEEDED("name", shape_segment),
    LIST("items", items),
    INT("defaultMode", 0, MODE),
    BOOL("optional"),
    END,
};
static const struct shape secret[] = {
    NEEDED("secretName", shape_segment),
    LIST("items", items),
    INT("defaultMode", 0, MODE),
    BOOL("optional"),
    END,
};
static const struct shape downward_items[] = {
    NEEDED("path", shape_not_reserved),
    OBJECT("fieldRef", field_ref),
    OBJECT("resourceFieldRef", resource_ref),
    INT("mode", 0, MODE),
    END,
};
static const struct shape downward[] = {
    LIST("items", downward_items),
    INT("defaultMode", 0, MODE),
    END,
};
static const struct shape token[] = {
    NEEDED("path", shape_not_reserved),
    TEXT("audience"),
    INT("expirationSeconds", TOKEN_LEAST, INT64_C(1) << 32),
    END,
};
static const struct shape sources[] = {
    OBJECT("configMap", config_map),
    OBJECT("secret", config_map),
    OBJECT("downwardAPI", downward),
    OBJECT("serviceAccountToken", token),
    END,
};
static const struct shape projected[] = {
    LIST("sources", sources),
    INT("defaultMode", 0, MODE),
    END,
};
static const struct shape empty_dir[] = {
    CHECKED("medium", shape_medium),
    {.key = "sizeLimit", .kind = SHAPE_QUANTITY},
    END,
};
static const struct shape host_path[] = {
    NEEDED("path", shape_no_backsteps),
    CHOICE("type", host_paths),
    END,
};
static const struct shape claim[] = {NEEDED("claimName", shape_segment), BOOL("readOnly"), END};
static const struct shape nfs[] = {
    NEEDED("server", shape_resolv_word),
    NEEDED("path", shape_absolute),
    BOOL("readOnly"),
    END,
};
static const struct shape csi[] = {
    NEEDED("driver", shape_subdomain),
    BOOL("readOnly"),
    TEXT("fsType"),
    {.key = "volumeAttributes", .kind = SHAPE_TEXT_MAP},
    END,
};
static const struct shape volumes[] = {
    NEEDED("name", shape_label),
    OBJECT("emptyDir", empty_dir),
    OBJECT("hostPath", host_path),
    OBJECT("configMap", config_map),
    OBJECT("secret", secret),
    OBJECT("downwardAPI", downward),
    OBJECT("projected", projected),
    OBJECT("persistentVolumeClaim", claim),
    OBJECT("nfs", nfs),
    OBJECT("csi", csi),
    END,
};

static const struct shape sysctls[] = {NEEDED("name", shape_sysctl_name), TEXT("value"), END};
static const struct shape pod_security[] = {
    INT("runAsUser", 0, ID),
    INT("runAsGroup", 0, ID),
    BOOL("runAsNonRoot"),
    INT("fsGroup", 0, ID),
    CHOICE("fsGroupChangePolicy", owner_changes),
    {.key = "supplementalGroups", .kind = SHAPE_INTS, .most = ID},
    CHOICE("supplementalGroupsPolicy", group_policies),
    LIST("sysctls", sysctls),
    OBJECT("seccompProfile", profile),
    OBJECT("appArmorProfile", profile),
    OBJECT("seLinuxOptions", selinux),
    END,
};
static const struct shape dns_options[] = {
    NEEDED("name", shape_resolv_word),
    CHECKED("value", shape_resolv_word),
    END,
};
static const struct shape dns_config[] = {
    {.key = "nameservers", .kind = SHAPE_TEXTS, .wrong = shape_address},
    {.key = "searches", .kind = SHAPE_TEXTS, .wrong = shape_resolv_word},
    LIST("options", dns_options),
    END,
};
static const struct shape aliases[] = {
    NEEDED("ip", shape_address),
    {.key = "hostnames", .kind = SHAPE_TEXTS, .wrong = shape_subdomain},
    END,
};
static const struct shape gates[] = {NEEDED("conditionType", NULL), END};
static const struct shape pull_secrets[] = {CHECKED("name", shape_segment), END};

static const struct shape spec[] = {
    TEXT("nodeName"),
    CHECKED("serviceAccountName", shape_subdomain),
    CHECKED("hostname", shape_label),
    CHECKED("subdomain", shape_label),
    BOOL("setHostnameAsFQDN"),
    CHOICE("dnsPolicy", dns_policies),
    OBJECT("dnsConfig", dns_config),
    BOOL("hostNetwork"),
    BOOL("hostPID"),
    BOOL("hostIPC"),
    BOOL("hostUsers"),
    BOOL("shareProcessNamespace"),
    CHOICE("restartPolicy", restarts),
    INT("terminationGracePeriodSeconds", INT64_MIN, 0),
    INT("activeDeadlineSeconds", 1, INT32_MAX),
    CHECKED("runtimeClassName", shape_subdomain),
    {.key = "overhead", .kind = SHAPE_QUANTITIES},
    OBJECT("resources", resources),
    REFUSED("resourceClaims", NO_CLAIMS),
    OBJECT("securityContext", pod_security),
    LIST("hostAliases", aliases),
    LIST("readinessGates", gates),
    LIST("imagePullSecrets", pull_secrets),
    {.key = "initContainers",
     .kind = SHAPE_LIST,
     .most = POD_CONTAINERS_MAX,
     .fields = init_container},
    {.key = "containers",
     .kind = SHAPE_LIST,
     .required = true,
     .most = POD_CONTAINERS_MAX,
     .fields = container},
    {.key = "ephemeralContainers",
     .kind = SHAPE_LIST,
     .most = POD_CONTAINERS_MAX,
     .fields = container},
    LIST("volumes", volumes),
    END,
};
static const struct shape metadata[] = {
    {.key = "name", .kind = SHAPE_TEXT, .required = true, .wrong = shape_subdomain},
    {.key = "namespace", .kind = SHAPE_TEXT, .required = true, .wrong = shape_label},
    /* it becomes a folder's name */
    {.key = "uid", .kind = SHAPE_TEXT, .required = true, .wrong = shape_subdomain},
    TEXT("deletionTimestamp"),
    INT("deletionGracePeriodSeconds", INT64_MIN, 0),
    {.key = "labels", .kind = SHAPE_TEXT_MAP},
    {.key = "annotations", .kind = SHAPE_TEXT_MAP, .most = SHAPE_MAP_MAX},
    END,
};
const struct shape pod_fields[] = {
    {.key = "metadata", .kind = SHAPE_OBJECT, .required = true, .fields = metadata},
    {.key = "spec", .kind = SHAPE_OBJECT, .required = true, .fields = spec},
    END,
};
