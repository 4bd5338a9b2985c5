# SPDX-License-Identifier: Apache-2.0
#
# Podman with hooks alone: one file in hooks.d, and containers that ask by annotation. What holds here holds without a
# change of Podman's runtime; what does not is closed in container_podman_runtime.bats.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/podman.bash"

setup_file()
{
    stage_up
    cp "$WORK/internet/resolv.conf" /etc/resolv.conf
    podman_up
    podman_hooks sallyport
}

teardown_file()
{
    podman_down
    stage_down
}

teardown()
{
    podman_remove_all
    eventually no_hub_links
}

@test "the default network: the allowed way and nothing else" {
    walled
}

@test "a network with Podman's own name server: no query leaves" {
    walled --network named
}

@test "slirp4netns" {
    walled --network slirp4netns
}

@test "no network at all, but for ours" {
    sealed --network none
}
