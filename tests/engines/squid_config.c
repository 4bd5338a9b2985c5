/* SPDX-License-Identifier: Apache-2.0
 *
 * squid-config DIRECTORY NETWORK: the configuration of `sallyport proxy-config squid`, of a network whose
 * policy is anywhere. */
#include "cli/squid.h"

int main(int argc, char **argv)
{
    struct policy policy;
    struct error err = {0};
    int result = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: squid-config DIRECTORY NETWORK\n");
        return 1;
    }
    result = policy_load(argv[1], argv[2], &policy, &err);
    if (result == 0) {
        result = squid_config(stdout, &policy, &err);
        policy_free(&policy);
    }
    if (result < 0)
        fprintf(stderr, "squid-config: %s\n", err.text);
    return result < 0;
}
