// SPDX-License-Identifier: Apache-2.0
// The fields of a Pod that edged reads, and what each may hold. Source of limits and words:
// k8s.io/kubernetes pkg/apis/core/validation/validation.go, apimachinery pkg/util/validation.
#include <arpa/inet.h>
#include <string.h>

#include "common/base/text.h"
#include "shape.h"

/* ---- what is wrong with a text ---- */

static const char *label(struct cor_view text)
{
    return cor_is_dns_label(text)
               ? NULL
               : "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
                 "'-', and must start and end with an alphanumeric character";
}

static const char *subdomain(struct cor_view text)
{
    return cor_is_dns_subdomain(text)
               ? NULL
               : "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                 "characters, '-' or '.'";
}

/* A name that can be a part of a path of the API (apimachinery ValidatePathSegmentName). */
static const char *segment(struct cor_view text)
{
    if (cor_view_is(text, ".") || cor_view_is(text, "..")) {
        return "may not be '.' or '..'";
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '/' || text.ptr[i] == '%') {
            return "may not contain '/' or '%'";
        }
    }
    return text.len <= 253 ? NULL : "must be no more than 253 characters";
}

static const char *no_backsteps(struct cor_view text)
{
    struct cor_view part;
    while (cor_view_split(&text, '/', &part)) {
        if (cor_view_is(part, "..")) {
            return "must not contain '..'";
        }
    }
    return NULL;
}

static const char *descending(struct cor_view text)
{
    return text.len > 0 && text.ptr[0] == '/' ? "must be a relative path" : no_backsteps(text);
}

static const char *not_reserved(struct cor_view text)
{
    const char *why = descending(text);
    return why == NULL && cor_view_starts(text, "..") ? "must not start with '..'" : why;
}

static const char *absolute(struct cor_view text)
{
    return text.ptr[0] == '/' ? no_backsteps(text) : "must be an absolute path";
}

static const char *address(struct cor_view text)
{
    char copy[INET6_ADDRSTRLEN] = "";
    unsigned char out[sizeof(struct in6_addr)];
    if (text.len < sizeof(copy)) {
        memcpy(copy, text.ptr, text.len);
    }
    return inet_pton(AF_INET, copy, out) == 1 || inet_pton(AF_INET6, copy, out) == 1
               ? NULL
               : "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* An IANA service name (RFC 6335). */
static const char *port_name(struct cor_view text)
{
    bool letter = false;
    bool good = text.len <= 15 && text.ptr[0] != '-' && text.ptr[text.len - 1] != '-';
    for (size_t i = 0; good && i < text.len; i++) {
        letter = letter || is_lower(text.ptr[i]);
        good = is_lower(text.ptr[i]) || is_digit(text.ptr[i]) ||
               (text.ptr[i] == '-' && text.ptr[i - 1] != '-');
    }
    return good && letter ? NULL
                          : "must be no more than 15 characters a-z, 0-9 and single hyphens, with "
                            "at least one letter";
}

static const char *env_name(struct cor_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < ' ' || text.ptr[i] > '~' || text.ptr[i] == '=') {
            return "a valid environment variable name must consist only of printable ASCII "
                   "characters other than '='";
        }
    }
    return NULL;
}

static const char *sysctl_name(struct cor_view text)
{
    bool good = text.len <= 253;
    bool inside = false; /* of a part: before a '.', '/' or the end there is a letter or digit */
    for (size_t i = 0; good && i < text.len; i++) {
        char c = text.ptr[i];
        bool word = is_lower(c) || is_digit(c);
        good = word || (i > 0 && strchr(inside ? "-_./" : "-_", c) != NULL && c != '\0' &&
                        text.ptr[i - 1] != '.' && text.ptr[i - 1] != '/');
        inside = word;
    }
    return good && inside ? NULL
                          : "must have at most 253 characters and match regex "
                            "([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
}

/* A word of resolv.conf: no blanks, no line ends. */
static const char *resolv_word(struct cor_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~') {
            return "must consist of printable characters without blanks";
        }
    }
    return NULL;
}

static const char *trimmed(struct cor_view text)
{
    return cor_view_eq(cor_view_trim(text), text) ? NULL
                                                  : "must not have leading or trailing whitespace";
}

static const char *medium(struct cor_view text)
{
    return cor_view_is(text, "Memory") || cor_view_is(text, "HugePages") ||
                   cor_view_starts(text, "HugePages-")
               ? NULL
               : "must be Memory, HugePages or HugePages-SIZE";
}

/* ---- the tables ---- */

enum { NAME_MAX_BYTES = 253, MODE = 0777, ID = INT32_MAX, PORT = 65535, TOKEN_LEAST = 600 };

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
    CHECKED("localhostProfile", descending),
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
    CHECKED("name", segment),
    NEEDED("key", NULL),
    BOOL("optional"),
    END,
};
static const struct shape value_from[] = {
    OBJECT("fieldRef", field_ref),
    OBJECT("resourceFieldRef", resource_ref),
    OBJECT("configMapKeyRef", key_ref),
    OBJECT("secretKeyRef", key_ref),
    END,
};
static const struct shape env[] = {
    NEEDED("name", env_name),
    TEXT("value"),
    OBJECT("valueFrom", value_from),
    END,
};
static const struct shape object_ref[] = {
    NEEDED("name", segment),
    BOOL("optional"),
    END,
};
static const struct shape env_from[] = {
    CHECKED("prefix", env_name),
    OBJECT("configMapRef", object_ref),
    OBJECT("secretRef", object_ref),
    END,
};
static const struct shape mounts[] = {
    NEEDED("name", NULL),
    NEEDED("mountPath", NULL),
    CHECKED("subPath", descending),
    CHECKED("subPathExpr", descending),
    BOOL("readOnly"),
    CHOICE("recursiveReadOnly", recursions),
    CHOICE("mountPropagation", propagations),
    END,
};
static const struct shape block_devices[] = {
    NEEDED("name", NULL),
    NEEDED("devicePath", no_backsteps),
    END,
};
static const struct shape ports[] = {
    CHECKED("name", port_name),
    {.key = "containerPort", .kind = SHAPE_INT, .required = true, .least = 1, .most = PORT},
    INT("hostPort", 0, PORT),
    CHECKED("hostIP", address),
    CHOICE("protocol", protocols),
    END,
};
static const struct shape resources[] = {
    {.key = "limits", .kind = SHAPE_QUANTITIES},
    {.key = "requests", .kind = SHAPE_QUANTITIES},
    END,
};

#define CONTAINER                                                                                  \
    NEEDED("name", label), NEEDED("image", trimmed), CHOICE("imagePullPolicy", pulls),             \
        TEXTS("command"), TEXTS("args"), TEXT("workingDir"), LIST("env", env),                     \
        LIST("envFrom", env_from), LIST("volumeMounts", mounts),                                   \
        LIST("volumeDevices", block_devices), LIST("ports", ports),                                \
        OBJECT("resources", resources), OBJECT("securityContext", container_security),             \
        TEXT("terminationMessagePath"), CHOICE("terminationMessagePolicy", messages),              \
        BOOL("stdin"), BOOL("stdinOnce"), BOOL("tty")

static const struct shape container[] = {CONTAINER, END};
static const struct shape init_container[] = {CONTAINER, CHOICE("restartPolicy", always_only), END};

static const struct shape items[] = {
    NEEDED("key", NULL),
    NEEDED("path", not_reserved),
    INT("mode", 0, MODE),
    END,
};
static const struct shape config_map[] = {
    NEEDED("name", segment),
    LIST("items", items),
    INT("defaultMode", 0, MODE),
    BOOL("optional"),
    END,
};
static const struct shape secret[] = {
    NEEDED("secretName", segment),
    LIST("items", items),
    INT("defaultMode", 0, MODE),
    BOOL("optional"),
    END,
};
static const struct shape downward_items[] = {
    NEEDED("path", not_reserved),
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
    NEEDED("path", not_reserved),
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
    CHECKED("medium", medium),
    {.key = "sizeLimit", .kind = SHAPE_QUANTITY},
    END,
};
static const struct shape host_path[] = {
    NEEDED("path", no_backsteps),
    CHOICE("type", host_paths),
    END,
};
static const struct shape claim[] = {NEEDED("claimName", segment), BOOL("readOnly"), END};
static const struct shape nfs[] = {
    NEEDED("server", resolv_word),
    NEEDED("path", absolute),
    BOOL("readOnly"),
    END,
};
static const struct shape csi[] = {
    NEEDED("driver", subdomain),
    BOOL("readOnly"),
    TEXT("fsType"),
    {.key = "volumeAttributes", .kind = SHAPE_TEXT_MAP},
    END,
};
static const struct shape volumes[] = {
    NEEDED("name", label),
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

static const struct shape sysctls[] = {NEEDED("name", sysctl_name), TEXT("value"), END};
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
    NEEDED("name", resolv_word),
    CHECKED("value", resolv_word),
    END,
};
static const struct shape dns_config[] = {
    {.key = "nameservers", .kind = SHAPE_TEXTS, .wrong = address},
    {.key = "searches", .kind = SHAPE_TEXTS, .wrong = resolv_word},
    LIST("options", dns_options),
    END,
};
static const struct shape aliases[] = {
    NEEDED("ip", address),
    {.key = "hostnames", .kind = SHAPE_TEXTS, .wrong = subdomain},
    END,
};
static const struct shape gates[] = {NEEDED("conditionType", NULL), END};
static const struct shape pull_secrets[] = {CHECKED("name", segment), END};

static const struct shape spec[] = {
    TEXT("nodeName"),
    CHECKED("serviceAccountName", subdomain),
    CHECKED("hostname", label),
    CHECKED("subdomain", label),
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
    CHECKED("runtimeClassName", subdomain),
    {.key = "overhead", .kind = SHAPE_QUANTITIES},
    OBJECT("resources", resources),
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
    {.key = "name", .kind = SHAPE_TEXT, .required = true, .wrong = subdomain},
    {.key = "namespace", .kind = SHAPE_TEXT, .required = true, .wrong = label},
    /* it becomes a folder's name */
    {.key = "uid", .kind = SHAPE_TEXT, .required = true, .wrong = subdomain},
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
