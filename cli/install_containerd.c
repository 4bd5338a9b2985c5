#include "cli/install.h"
int install_containerd(struct install_request *request, struct changes *changes, struct error *err)
{
    (void)request;
    (void)changes;
    return error_set(err, 0, "not yet");
}
int install_containerd_in_force(const struct install_request *request, struct error *err)
{
    (void)request;
    return error_set(err, 0, "not yet");
}
