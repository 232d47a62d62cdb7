// SPDX-License-Identifier: Apache-2.0
#include "env.h"

#include <string.h>

#include "common/base/mem.h"
#include "expand.h"

enum { ENV_BYTES_MAX = 1024 * 1024 }; /* the kernel takes 2 MiB of arguments and environment */

static struct env_var *find(const struct env *env, struct cor_view name)
{
    for (size_t i = 0; i < env->count; i++) {
        if (cor_view_is(name, env->vars[i].name)) {
            return &env->vars[i];
        }
    }
    return NULL;
}

const char *env_get(const struct env *env, struct cor_view name)
{
    const struct env_var *var = find(env, name);
    return var == NULL ? NULL : var->value;
}

static const char *value_for_expand(const void *self, struct cor_view name)
{
    return env_get(self, name);
}

char *env_expand(const struct env *env, const char *text)
{
    struct cor_buf out = {0};
    expand(cor_view_of(text), value_for_expand, env, &out);
    return cor_buf_take(&out);
}

/* Sets name to value (takes). */
static enum cor_code set(struct env *env, const char *name, char *value, struct cor_err *err)
{
    struct env_var *var = find(env, cor_view_of(name));
    env->bytes += strlen(name) + strlen(value);
    if (var != NULL) {
        cor_free(var->value);
        var->value = value;
    } else {
        if (env->count == env->cap) {
            env->cap = env->cap == 0 ? 16 : env->cap * 2;
            env->vars = cor_realloc(env->vars, env->cap, sizeof(*env->vars));
        }
        env->vars[env->count++] = (struct env_var){cor_strdup(name), value};
    }
    return env->bytes <= ENV_BYTES_MAX
               ? COR_OK
               : cor_err_set(err, COR_TOOBIG, "environment of more than %d bytes", ENV_BYTES_MAX);
}

/* C identifiers, and also '-' and '.' inside (apimachinery IsEnvVarName). */
static bool is_env_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_';
        bool other = (*c >= '0' && *c <= '9') || *c == '-' || *c == '.';
        if (!letter && !other) {
            return false;
        }
    }
    return name[0] != '\0' && !(name[0] >= '0' && name[0] <= '9');
}

static enum cor_code missing_object(bool secret, const char *name, struct cor_err *err)
{
    return cor_err_set(err, COR_NOTFOUND, "%s \"%s\" not found", secret ? "secret" : "configmap",
                       name);
}

static enum cor_code add_source(const struct pod_env_source *source, const struct inputs *inputs,
                                struct env *out, struct cor_err *err)
{
    const struct cor_json *object = inputs->object(inputs->self, source->secret, source->object);
    if (object == NULL) {
        return source->optional ? COR_OK : missing_object(source->secret, source->object, err);
    }
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    enum cor_code code = COR_OK;
    while (code == COR_OK && cor_json_each(cor_json_get(object, "data"), &at, &key, &child)) {
        struct cor_buf value = {0};
        auto_(cor_freep) char *name = cor_sprintf("%s%s", source->prefix, key);
        if (is_env_name(name) && inputs_value(object, source->secret, key, &value)) {
            code = set(out, name, cor_buf_take(&value), err);
        }
        cor_buf_free(&value);
    }
    return code;
}

/* Value of a key; *absent_r when the reference is optional and leads nowhere. */
static enum cor_code read_key(const struct pod *pod, const struct pod_env *var,
                              const struct inputs *inputs, struct cor_buf *out, bool *absent_r,
                              struct cor_err *err)
{
    bool secret = var->from == POD_ENV_SECRET;
    const struct cor_json *object = inputs->object(inputs->self, secret, var->object);
    if (object != NULL && inputs_value(object, secret, var->key, out)) {
        return COR_OK;
    }
    *absent_r = var->optional;
    if (var->optional) {
        return COR_OK;
    }
    return object == NULL
               ? missing_object(secret, var->object, err)
               : cor_err_set(err, COR_NOTFOUND, "couldn't find key %s in %s %s/%s", var->key,
                             secret ? "Secret" : "ConfigMap", pod->ns, var->object);
}

static enum cor_code add_var(const struct pod *pod, const struct pod_container *container,
                             const struct pod_env *var, const struct inputs *inputs,
                             struct env *out, struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf value = {0};
    bool absent = false;
    enum cor_code code = COR_OK;
    switch (var->from) {
    case POD_ENV_VALUE:
        expand(cor_view_of(var->value), value_for_expand, out, &value);
        break;
    case POD_ENV_FIELD:
        code = inputs_field(pod, inputs->facts, var->key, &value, err);
        break;
    case POD_ENV_RESOURCE:
        code = inputs_resource(pod, container, var->object, var->key, var->divisor, inputs->facts,
                               &value, err);
        break;
    case POD_ENV_CONFIGMAP:
    case POD_ENV_SECRET:
        code = read_key(pod, var, inputs, &value, &absent, err);
        break;
    }
    if (code != COR_OK || absent) {
        return code;
    }
    if (value.len != strlen(value.data == NULL ? "" : value.data)) {
        return cor_err_set(err, COR_INVALID, "value of %s has a NUL byte", var->name);
    }
    return set(out, var->name, cor_buf_take(&value), err);
}

enum cor_code env_build(const struct pod *pod, const struct pod_container *container,
                        const struct inputs *inputs, struct env *out, struct cor_err *err)
{
    enum cor_code code = COR_OK;
    for (size_t i = 0; code == COR_OK && i < container->env_from_count; i++) {
        code = add_source(&container->env_from[i], inputs, out, err);
    }
    for (size_t i = 0; code == COR_OK && i < container->env_count; i++) {
        code = add_var(pod, container, &container->env[i], inputs, out, err);
    }
    return code;
}

enum cor_code env_check_arguments(const struct env *env, const struct pod_container *container,
                                  struct cor_err *err)
{
    const struct pod_strings *const lists[] = {&container->command, &container->args};
    size_t bytes = 0;
    for (size_t l = 0; l < COR_COUNT(lists); l++) {
        for (size_t i = 0; i < lists[l]->count; i++) {
            auto_(cor_freep) char *text = env_expand(env, lists[l]->item[i]);
            bytes += strlen(text) + 1;
            if (bytes > ENV_BYTES_MAX) {
                return cor_err_set(err, COR_TOOBIG,
                                   "command and arguments of more than %d bytes: argument list too "
                                   "long",
                                   ENV_BYTES_MAX);
            }
        }
    }
    return COR_OK;
}

void env_free(struct env *env)
{
    for (size_t i = 0; i < env->count; i++) {
        cor_free(env->vars[i].name);
        cor_free(env->vars[i].value);
    }
    cor_free(env->vars);
    *env = (struct env){0};
}
