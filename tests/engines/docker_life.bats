# SPDX-License-Identifier: Apache-2.0
#
# A sealed container's life under Docker: start, stop, restart, kill, pause, copy, logs, terminals, published ports, and a
# daemon that goes away. It is sealed each time it runs, and its place in the hub is free when it does not.

source "$BATS_TEST_DIRNAME/docker_stage.bash"

setup_file()
{
    docker_stage_up '."live-restore" = true'
}

teardown_file()
{
    docker_stage_down
}

# members: the ids of the containers in the hub, one a line.
members()
{
    "$SALLYPORT" network show "$NETWORK" --json | jq -r '.members[].id'
}

member_gone()
{
    ! members | grep -qx "$1"
}

id_of()
{
    docker inspect --format '{{.Id}}' "$1"
}

# is_sealed NAME KEY N: it reaches what it may, and nothing else.
is_sealed()
{
    https_works docker exec "$1"
    run docker exec "$1" /attempts "$2" "$3" sp0 eth0
    all_tried
    nothing_arrived "$2" "$3"
    members | grep -qx "$(id_of "$1")"
}

# name_of ID: what network show calls it.
name_of()
{
    "$SALLYPORT" network show "$NETWORK" --json | jq -r --arg id "$1" '.members[] | select(.id == $id).name'
}

@test "network show names members by Docker's whole id, and by the name that Docker gave; without an answer by none" {
    sealed_sleeper shown
    id=$(id_of shown)
    [ ${#id} -eq 64 ]
    members | grep -qx "$id"
    "$SALLYPORT" network show "$NETWORK" | grep -q "${id:0:12} .* shown$"
    [[ $(name_of "$id") == shown ]]
    kill -STOP "$(<"$DOCKER_PID_FILE")"
    run name_of "$id"
    kill -CONT "$(<"$DOCKER_PID_FILE")"
    [[ $status -eq 0 && $output == null ]] || fail "$output"
    docker rename shown renamed
    [[ $(name_of "$id") == renamed ]]
    docker rm --force renamed
    eventually member_gone "$id"
}

# labelled IMAGE NAME JSON: makes the image NAME, which is IMAGE with these labels. What no command line could carry stands
# in its archive.
labelled()
{
    local directory config
    directory=$(mktemp -d) || return
    docker save "$1" | tar -x -C "$directory"
    config=$(jq -r '.[0].Config' "$directory/manifest.json")
    jq -c ".config.Labels = $3" "$directory/$config" >"$directory/edited"
    mv "$directory/edited" "$directory/$config"
    jq -c ".[0].RepoTags = [\"$2:latest\"]" "$directory/manifest.json" >"$directory/edited"
    mv "$directory/edited" "$directory/manifest.json"
    rm -f "$directory/repositories"
    tar -c -C "$directory" . | docker load >/dev/null
    rm -rf "$directory"
}

@test "network show names every member, whatever an image has in its labels" {
    labelled image hostile '{"x\u0000": "\u0000", "x\ufffd": ""}'
    docker run --detach --name hostile --network none --runtime "sallyport.$NETWORK.agent" hostile sleep 600 >/dev/null
    [[ $(name_of "$(id_of hostile)") == hostile ]]
    [[ $(name_of "$(id_of gateway)") == gateway ]]
    docker rm --force hostile
    docker rmi hostile
}

@test "stop, start, restart and kill: sealed each time, and gone from the hub in between" {
    docker run --detach --name lived --network lab --runtime "sallyport.$NETWORK.agent" \
        --env CURL_CA_BUNDLE=/etc/ca.pem image sh -c 'trap "exit 5" TERM; while :; do sleep 0.1; done' >/dev/null
    id=$(id_of lived)
    is_sealed lived life 151
    docker stop lived
    [ "$(docker inspect --format '{{.State.ExitCode}}' lived)" -eq 5 ]
    eventually member_gone "$id"
    docker start lived
    is_sealed lived started 152
    docker restart lived
    is_sealed lived restarted 153
    docker kill lived
    eventually member_gone "$id"
    docker start lived
    is_sealed lived killed 154
    docker rm --force lived
    eventually member_gone "$id"
}

@test "a member with a fixed address is restarted, and replaced, at once" {
    docker restart --time 0 gateway
    docker rm --force gateway
    docker run --detach --name gateway --runtime "sallyport.$NETWORK.gateway" image \
        /probe listen tcp 0.0.0.0 8642 >/dev/null
    run sealed image nc -w 2 gateway 8642
    [ "$status" -eq 0 ]
    says hello
}

@test "a second member with the same fixed address is refused, naming the first" {
    run docker run --rm --runtime "sallyport.$NETWORK.gateway" image echo started
    [ "$status" -ne 0 ]
    [[ $output != *started* ]]
    says "$GATEWAY"
    id=$(id_of gateway)
    says "${id:0:12}"
}

restarted()
{
    (($(docker inspect --format '{{.RestartCount}}' "$1") >= 2))
}

@test "a restart policy seals again each time" {
    docker run --detach --name looping --restart on-failure:3 --runtime "sallyport.$NETWORK.agent" image \
        sh -c '/attempts looping 155 eth0 sp0; exit 1' >/dev/null
    eventually restarted looping
    docker rm --force looping
    nothing_arrived looping 155
}

@test "exit statuses pass through" {
    run sealed image sh -c 'exit 7'
    [ "$status" -eq 7 ]
    run sealed image sh -c 'sh -c "kill -KILL \$\$"; exit $?'
    [ "$status" -eq 137 ]
    run sealed image /no-such-program
    [ "$status" -eq 127 ]
}

@test "streams and terminals pass through" {
    run bash -c "echo from outside | docker run --rm --interactive --runtime sallyport.$NETWORK.agent image cat"
    [ "$output" = "from outside" ]
    run script --quiet --return --command \
        "docker run --rm --interactive --tty --runtime sallyport.$NETWORK.agent image sh -c 'tty; exit 3'" /dev/null </dev/null
    [ "$status" -eq 3 ]
    says /dev/
}

@test "--init, --read-only, --user and --workdir do what they say" {
    run sealed --init image cat /proc/1/comm
    says init
    run sealed --read-only image touch /file
    [ "$status" -ne 0 ]
    says "Read-only"
    run sealed --user nobody --workdir /tmp image sh -c 'id -u; pwd'
    [ "$output" = $'65534\n/tmp' ]
}

@test "logs, top, stats, cp, commit, pause and unpause work" {
    docker run --detach --name handled --runtime "sallyport.$NETWORK.agent" image \
        sh -c 'echo logged; exec sleep 600' >/dev/null
    eventually logged handled
    run docker top handled
    [ "$status" -eq 0 ]
    says "sleep 600"
    run docker stats --no-stream handled
    [ "$status" -eq 0 ]
    echo copied >"$WORK/copied"
    docker cp "$WORK/copied" handled:/tmp/copied
    [ "$(docker exec handled cat /tmp/copied)" = copied ]
    docker pause handled
    [ "$(docker inspect --format '{{.State.Status}}' handled)" = paused ]
    docker unpause handled
    docker exec handled true
    docker update --memory 64m --memory-swap 64m handled
    docker commit handled image-of-handled >/dev/null
    run docker run --rm --runtime "sallyport.$NETWORK.agent" image-of-handled cat /tmp/copied
    [ "$output" = copied ]
    docker rm --force handled
    docker rmi image-of-handled >/dev/null
}

logged()
{
    [[ $(docker logs "$1" 2>&1) == logged ]]
}

# Docker's own publishing leads to the container's address on Docker's bridge, and there is no such link any more. What
# is to be reached from the host's loopback is named under `publish` in the policy.
@test "a port published by Docker leads nowhere, from the host and from outside" {
    docker run --detach --name published --publish 18080:8000 --runtime "sallyport.$NETWORK.agent" image \
        /probe listen tcp 0.0.0.0 8000 >/dev/null
    docker run --detach --name unsealed --publish 18081:8000 --runtime runc image /probe listen tcp 0.0.0.0 8000 >/dev/null
    eventually "$PROBE" tcp 198.51.100.1 18081 --greeting
    run "$PROBE" tcp 198.51.100.1 18080 --greeting --timeout-ms 500
    [[ $output != *greeting=hello* ]] || fail "$output"
    run "$PROBE" tcp 127.0.0.1 18080 --greeting --timeout-ms 500
    [[ $output != *greeting=hello* ]] || fail "$output"
    run ip netns exec spt-internet "$PROBE" tcp 198.51.100.1 18080 --greeting --timeout-ms 500
    [[ $output != *greeting=hello* ]] || fail "$output"
    run ip netns exec spt-internet "$PROBE" tcp 198.51.100.1 18081 --greeting
    says greeting=hello
    run docker logs published
    [ "$output" = ready ]
    docker rm --force published unsealed
}

@test "a sealed container lives on while the daemon is away, and is handled as before when it is back" {
    docker run --detach --name restored --network lab --runtime "sallyport.$NETWORK.agent" \
        --env CURL_CA_BUNDLE=/etc/ca.pem image sleep 600 >/dev/null
    id=$(id_of restored)
    pid=$(docker inspect --format '{{.State.Pid}}' restored)
    docker_stop
    run nsenter --target "$pid" --net curl --silent --max-time 10 --cacert "$WORK/internet/ca.pem" \
        --proxy "http://$PROXY:3128" https://api.openai.com/
    says "hello from api.openai.com"
    members | grep -qx "$id"
    docker_start "$DOCKER"
    [ "$(docker inspect --format '{{.State.Pid}}' restored)" = "$pid" ]
    is_sealed restored restored 156
    docker rm --force restored
    eventually member_gone "$id"
}

# same_process NAME PID
same_process()
{
    [[ $(docker inspect --format '{{.State.Running}} {{.State.Pid}}' "$1") == "true $2" ]]
}

containerd_pid()
{
    pgrep --exact containerd
}

# another_containerd PID CONTAINER: than that process, and the daemon can use it.
another_containerd()
{
    local pid
    pid=$(containerd_pid) && [[ $pid != "$1" ]] && docker exec "$2" true
}

@test "dockerd and its containerd killed: a sealed container lives on, and is handled as before when they are back" {
    docker run --detach --name survivor --network lab --runtime "sallyport.$NETWORK.agent" \
        --env CURL_CA_BUNDLE=/etc/ca.pem image sleep 600 >/dev/null
    id=$(id_of survivor)
    pid=$(docker inspect --format '{{.State.Pid}}' survivor)
    containerd=$(containerd_pid)
    kill -KILL "$containerd"
    internet_poll 40 another_containerd "$containerd" survivor # dockerd takes its time
    same_process survivor "$pid"
    is_sealed survivor uncontained 157
    kill -KILL "$(<"$DOCKER_PID_FILE")" "$(containerd_pid)"
    eventually docker_gone
    rm -f "$DOCKER_PID_FILE"
    members | grep -qx "$id"
    docker_start "$DOCKER"
    same_process survivor "$pid"
    is_sealed survivor undocked 158
    docker restart --time 0 survivor
    is_sealed survivor redocked 159
    docker rm --force survivor
    eventually member_gone "$id"
}

# The last one: the gateway of the stage ends with its daemon.
@test "a daemon without live-restore ends its containers; those it starts again with itself are sealed" {
    docker rm --force gateway
    docker_restart_daemon "$DOCKER"
    sealed_sleeper once --stop-signal KILL
    docker run --detach --name always --restart always --stop-signal KILL --network lab \
        --runtime "sallyport.$NETWORK.agent" --env CURL_CA_BUNDLE=/etc/ca.pem image sleep 600 >/dev/null
    once=$(id_of once)
    always=$(id_of always)
    pid=$(docker inspect --format '{{.State.Pid}}' always)
    docker_stop
    eventually member_gone "$once"
    eventually member_gone "$always"
    internet_gone "$pid"
    docker_start "$DOCKER"
    eventually docker exec always true
    [ "$(docker inspect --format '{{.State.Pid}}' always)" != "$pid" ]
    is_sealed always returned 160
    docker rm --force always
    eventually member_gone "$always"
}
