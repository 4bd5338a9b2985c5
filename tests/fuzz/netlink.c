/* SPDX-License-Identifier: Apache-2.0
 *
 * libFuzzer: any bytes as the kernel's answer to anything that is asked over netlink, nftables included. The
 * first byte is the number of the question, the others are the conversation (replay.h). */
#include "base/cleanup.h"
#include "netns/namespace.h"
#include "questions.h"
#include "replay.h"
#include "require.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct policy policy;
    static int own = -1;
    struct question_place place = {.policy = &policy};
    struct error err = {.number = 0};
    int result = 0;

    if (own < 0) {
        own = namespace_open_own(&err);
        require(own >= 0);
        require(policy_parse(question_policy, strlen(question_policy), "FILE", "hermes", &policy, &err) == 0);
    }
    if (size == 0)
        return 0;
    place.hub = place.member = place.host = own;
    replay(data + 1, size - 1);
    result = questions[data[0] % questions_count].ask(&place, &err);
    require(result >= 0 || err.text[0] != '\0');
    return 0;
}
