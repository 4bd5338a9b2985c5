# SPDX-License-Identifier: Apache-2.0
#
# What a hostile starter of containers hands to the process inside, by options of Docker that look harmless: each led
# out of the container once. And the same without Sallyport, where it still does.

source "$BATS_TEST_DIRNAME/docker_stage.bash"

TASKS=/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby
REGISTER=':sallyport-test:E::sallyport-test::/bin/busybox:F'

setup_file()
{
    docker_stage_up
    truncate --size 1M "$WORK/disk"
    echo content of the disk | dd of="$WORK/disk" conv=notrunc status=none
    losetup --find --show "$WORK/disk" >"$WORK/loop"
    # As systemd does it with the whole machine.
    mkdir "$WORK/shared"
    mount -t tmpfs -o mode=0755 tmpfs "$WORK/shared"
    mount --make-shared "$WORK/shared"
    mkdir "$WORK/shared/late"
}

teardown_file()
{
    losetup --detach "$(<"$WORK/loop")"
    umount "$WORK/shared"
    docker_stage_down
}

teardown()
{
    docker ps --quiet --all --filter name=attack | xargs --no-run-if-empty docker rm --force >/dev/null
    docker volume ls --quiet | xargs --no-run-if-empty docker volume rm >/dev/null
}

# refused_run TEXT DOCKER-RUN-ARGUMENT...
refused_run()
{
    local text=$1
    shift
    run sealed "$@" image echo started
    [[ $status -ne 0 ]] || fail "started: $output"
    [[ $output != *started* ]] || fail "ran: $output"
    says "sallyport: $NETWORK/agent "
    says "$text"
}

# volume NAME OPTION...: of the local driver.
volume()
{
    local name=$1 option options=()
    shift
    for option in "$@"; do
        options+=(--opt "$option")
    done
    docker volume create --driver local "${options[@]}" "$name" >/dev/null
}

@test "a volume of binfmt_misc: the host would run the image's programs" {
    volume formats type=binfmt_misc device=binfmt_misc
    refused_run binfmt_misc --volume formats:/formats
    plain --detach --name attack --volume formats:/formats image \
        sh -c "echo '$REGISTER' >/formats/register; sleep 600" >/dev/null
    eventually docker exec attack grep -q enabled /formats/sallyport-test
    echo x >"$WORK/true.sallyport-test"
    chmod 755 "$WORK/true.sallyport-test"
    run -127 "$WORK/true.sallyport-test"
    docker exec attack sh -c 'echo -1 >/formats/sallyport-test'
    says "applet not found" # says the busybox of the image
}

@test "the engine's bundles: the process would write the config by which others join it" {
    refused_run config.json --volume "$TASKS:/tasks"
    refused_run "$(dirname "$TASKS")" --volume "$(dirname "$TASKS"):/tasks"
    plain_sleeper attack --volume "$TASKS:/tasks"
    docker exec attack sh -c 'for config in /tasks/*/config.json; do test -w "$config" || exit 1; done'
}

@test "an overlay over the engine's bundles, as a volume" {
    mkdir -p /run/attack/lower /run/attack/work
    volume over type=overlay device=overlay \
        "o=lowerdir=/run/attack/lower,upperdir=$TASKS,workdir=/run/attack/work"
    refused_run config.json --volume over:/tasks
    plain_sleeper attack --volume over:/tasks
    docker exec attack sh -c 'for config in /tasks/*/config.json; do test -w "$config" || exit 1; done'
}

@test "the storage of images: the process would change what other containers run" {
    local storage=$DOCKER/data part
    for part in overlay2 image plugins runtimes; do
        mkdir -p "$storage/$part"
        refused_run "is in $storage, a way out" --volume "$storage/$part:/x"
    done
    # Of whatever driver: overlay2, fuse-overlayfs, vfs.
    plain --volume "$storage/$(docker info --format '{{.Driver}}'):/x" image \
        sh -c 'for layer in /x/*/diff /x/dir/*; do [ ! -d $layer ] || echo changed >$layer/changed; done'
    run plain image cat /changed
    find "$storage" -name changed -delete
    says changed
}

@test "policies, and what engines and runtimes decide by" {
    refused_run /etc/sallyport --volume /etc/sallyport:/x
    refused_run /etc/sallyport --volume /etc:/x:ro
    refused_run /run/sallyport --volume /run/sallyport:/x
    refused_run /run/docker/runtime- --volume "/run/docker/runtime-sallyport.$NETWORK.gateway:/x"
    plain --volume /etc/sallyport:/x image test -w "/x/networks.d/$NETWORK.json"
}

@test "disks of the host, as devices and by a rule with CAP_MKNOD" {
    local loop number
    loop=$(<"$WORK/loop")
    number=$((16#$(stat -c %T "$loop")))
    refused_run "disks of the host" --device "$loop"
    refused_run "disks of the host" --device-cgroup-rule 'b *:* r'
    refused_run "a rule for devices" --device-cgroup-rule 'a *:* rwm'
    refused_run "a rule for devices" --device-cgroup-rule 'a 1:3 m'
    run plain --device-cgroup-rule 'b 7:* r' image \
        sh -c "busybox mknod /disk b 7 $number && dd if=/disk bs=19 count=1 2>/dev/null"
    says "content of the disk"
    # A rule for all, whatever else it says.
    run plain --device-cgroup-rule 'a 1:3 m' image \
        sh -c "busybox mknod /disk b 7 $number && dd if=/disk bs=19 count=1 2>/dev/null"
    says "content of the disk"
}

@test "propagation: an engine's socket would appear in the running container" {
    local shared=type=bind,source=$WORK/shared,target=/shared
    refused_run propagation --mount "$shared,bind-propagation=rslave"
    refused_run propagation --mount "$shared,bind-propagation=slave"
    refused_run propagation --mount "$shared,bind-propagation=rshared"
    refused_run propagation --mount "$shared,bind-propagation=shared"
    sealed_sleeper attack-sealed --mount "$shared"
    plain_sleeper attack-plain --mount "$shared,bind-propagation=rslave"
    mount --bind /run "$WORK/shared/late"
    run docker exec attack-plain ls /shared/late
    says docker.sock
    run docker exec attack-sealed ls /shared/late
    umount "$WORK/shared/late"
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}
