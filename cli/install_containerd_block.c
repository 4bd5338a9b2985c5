/* SPDX-License-Identifier: Apache-2.0
 *
 * What is added to containerd's configuration, as text.
 *
 * A handler begins as a copy of runc's: without its SystemdCgroup the kubelet and containerd disagree about
 * cgroups, and pods die again and again. Where config.toml does not name runc although it is the default, the
 * block names it too: with one handler in the file, containerd 1 forgets its built-in one.
 *
 * Annotations reach only the handler that has nothing else to choose by. A pinned one gets none: what a pod's
 * author writes is not even seen by the program that seals it. */
#include "base/cleanup.h"
#include "cli/install_containerd.h"
#include "cli/install_toml.h"

#include <errno.h>
#include <string.h>

static const char RUNC_TYPE[] = "io.containerd.runc.v2";

static void print_table(const struct containerd_plan *plan, const char *handler, const char *below, FILE *out)
{
    fprintf(out, "\n[plugins.\"%s\".containerd.runtimes.%s%s]\n", plan->plugin, handler, below);
}

/* What of runc's is taken over: everything that is not of this handler alone. */
static void print_inherited(const json_t *table, const char *const *own, FILE *out)
{
    const char *key = NULL;
    json_t *value = NULL;

    json_object_foreach((json_t *)table, key, value)
    {
        bool ours = json_is_object(value);

        for (size_t i = 0; own[i] != NULL; i++)
            ours = ours || strcmp(own[i], key) == 0;
        if (ours)
            continue;
        fputs("  ", out);
        toml_print_key(key, out);
        fputs(" = ", out);
        toml_print(value, out);
        fputc('\n', out);
    }
}

/* `annotations`: those that the program is shown, as the elements of an array. */
static void print_handler(const struct containerd_plan *plan, const char *name, const char *program,
                          const char *annotations, FILE *out)
{
    static const char *const OWN[] = {
        "runtime_type", "runtime_path",    "runtime_engine",        "runtime_root",
        "options",      "pod_annotations", "container_annotations", NULL};
    static const char *const OWN_OPTIONS[] = {"BinaryName", NULL};

    print_table(plan, name, "", out);
    fprintf(out,
            "  runtime_type = \"%s\"\n"
            "  pod_annotations = [%s]\n"
            "  container_annotations = [%s]\n",
            RUNC_TYPE, annotations, annotations);
    print_inherited(plan->base, OWN, out);
    print_table(plan, name, ".options", out);
    fprintf(out, "  BinaryName = \"%s\"\n", program);
    print_inherited(json_object_get(plan->base, "options"), OWN_OPTIONS, out);
}

static void print_all(const struct containerd_plan *plan, FILE *out)
{
    fprintf(
        out,
        "%swritten by `sallyport install containerd`, which rewrites it up to the END; with --undo it goes.\n"
        "# The other settings are runc's: after a change of these, run `sallyport install containerd` "
        "again.\n",
        CONTAINERD_BEGIN);
    if (plan->drop_in)
        fprintf(out, "version = %" JSON_INTEGER_FORMAT "\n", plan->version);
    if (plan->names_runc) {
        print_table(plan, "runc", "", out);
        fprintf(out, "  runtime_type = \"%s\"\n", RUNC_TYPE);
    }
    if (plan->by_annotation) {
        fputs("\n# Whoever writes a container's annotations chooses its network and role, of those that "
              "there are.",
              out);
        print_handler(plan, INSTALL_RUNTIME, plan->request->runtime, "\"io.sallyport.*\"", out);
    }
    for (size_t i = 0; i < plan->roles.count; i++) {
        char name[INSTALL_NAME_SIZE];
        char path[PATH_MAX];

        print_handler(plan, install_runtime_name(&plan->roles.items[i], name),
                      install_link_path(CONTAINERD, &plan->roles.items[i], path), "", out);
    }
    fputs(CONTAINERD_END, out);
}

int containerd_make_block(const struct containerd_plan *plan, char **ret, struct error *err)
{
    size_t length = 0;
    FILE *out = open_memstream(ret, &length);

    if (out == NULL)
        return error_set(err, errno, "write containerd's configuration");
    print_all(plan, out);
    if (fclose(out) != 0 || *ret == NULL)
        return error_set(err, ENOMEM, "write containerd's configuration");
    return 0;
}
