# SPDX-License-Identifier: Apache-2.0
#
# Rootless Podman, as a real unprivileged user: sealed containers and a squid as a member, without any helper of root's.
# Root makes the user, and what udev and systemd-logind make for him; nothing else here is root's.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/podman.bash"

PERSON=sallyport-test
HOME_OF_PERSON=/home/$PERSON
RUNTIMES=$HOME_OF_PERSON/runtimes
POLICY=$HOME_OF_PERSON/.config/sallyport/networks.d/$NETWORK.json

# as_user COMMAND...: as the user after his login.
as_user()
{
    runuser --user "$PERSON" -- env --ignore-environment --chdir "$HOME_OF_PERSON" HOME="$HOME_OF_PERSON" \
        USER="$PERSON" PATH="$SALLYPORT_BUILD_DIRECTORY:/usr/bin:/usr/sbin:/bin:/sbin" TERM=dumb \
        XDG_RUNTIME_DIR="/run/user/$(id -u "$PERSON")" "$@" 3>&-
}

podman()
{
    as_user podman "$@"
}

# in_role ROLE ARGUMENT...: podman with the runtime that pins the role.
in_role()
{
    podman --runtime "sallyport-$NETWORK-$1" "${@:2}"
}

# box, control: as in podman.bash, but cgroups are not the user's to make.
box()
{
    in_role agent run --rm "$@"
}

control()
{
    podman run --rm "$@"
}

sallyport()
{
    podman unshare sallyport "$@"
}

# refused_user TEXT COMMAND...: fails with one line of ours, Podman's own around it.
refused_user()
{
    local text=$1
    shift
    status=0
    output=$("$@" 2>&1) || status=$?
    [[ $status -ne 0 && $(grep -c 'sallyport: ' <<<"$output") -eq 1 ]] || fail "expected one line: $output"
    says "$text"
}

policy_of_user()
{
    policy_text | jq '.proxy.at = "member" | del(.roles[].publish)' | jq "${1:-.}" >"$WORK/policy.json"
    install -D -m 644 -o "$PERSON" -g "$PERSON" "$WORK/policy.json" "$POLICY"
}

# What a distribution, udev and systemd-logind do.
user_make()
{
    mount -t tmpfs -o mode=0755 tmpfs /home
    useradd --create-home --shell /bin/bash "$PERSON"
    grep -q "^$PERSON:" /etc/subuid || fail "useradd gave no subordinate ids"
    mkdir -p /dev/net
    [[ -c /dev/net/tun ]] || mknod /dev/net/tun c 10 200
    chmod 666 /dev/net/tun
    install -d -m 755 /run/user
    install -d -m 700 -o "$PERSON" "/run/user/$(id -u "$PERSON")"
}

podman_of_user()
{
    install -d -o "$PERSON" -g "$PERSON" "$HOME_OF_PERSON/.config" "$HOME_OF_PERSON/.config/sallyport"{,/networks.d} \
        "$HOME_OF_PERSON/.config/containers" "$RUNTIMES"
    cat >"$HOME_OF_PERSON/.config/containers/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "$RUNTIME"
cgroup_manager = "cgroupfs"
events_logger = "none"
[network]
network_backend = "netavark"
CONF
    printf '[storage]\ndriver = "overlay"\n' >"$HOME_OF_PERSON/.config/containers/storage.conf"
    local role
    echo "[engine.runtimes]" >>"$HOME_OF_PERSON/.config/containers/containers.conf"
    for role in agent gateway proxy; do
        echo "sallyport-$NETWORK-$role = [\"$RUNTIMES/sallyport-runtime.$NETWORK.$role\"]" \
            >>"$HOME_OF_PERSON/.config/containers/containers.conf"
        as_user ln -s "$SALLYPORT_BUILD_DIRECTORY/sallyport-runtime" "$RUNTIMES/sallyport-runtime.$NETWORK.$role"
    done
}

image_of_user()
{
    local root=$WORK/root
    image_root "$root"
    image_squid "$root"
    cp "$WORK/internet/ca.pem" "$root/etc/ca.pem"
    tar -C "$root" --numeric-owner --owner=0 --group=0 -c . | podman import --quiet --change 'ENV PATH=/bin' \
        --change 'CMD ["/bin/sleep", "600"]' - "$IMAGE"
    rm -rf "$root"
}

proxy_logs()
{
    podman logs proxy 2>&1 | grep -q "Accepting HTTP Socket connections"
}

proxy_up()
{
    as_user sh -ec 'podman unshare sallyport proxy-config squid "$1" >squid.conf' sh "$NETWORK"
    in_role proxy run --detach --name proxy --user 13:13 --read-only --cap-drop all \
        --volume "$HOME_OF_PERSON/squid.conf:/etc/squid/squid.conf:ro" "$IMAGE" squid -N -f /etc/squid/squid.conf
    eventually proxy_logs
}

setup_file()
{
    mkdir -p "$WORK/internet"
    internet_up spt "$WORK/internet" "" api.openai.com=203.0.113.10 attacker.example=203.0.113.66
    cp "$WORK/internet/resolv.conf" /etc/resolv.conf
    user_make
    podman_of_user
    policy_of_user
    image_of_user
    proxy_up
}

teardown_file()
{
    podman rm --all --force --time 0
    sallyport network down "$NETWORK"
    [[ -z $(find "/run/user/$(id -u "$PERSON")/sallyport/netns" -type f) ]] || fail "the hub was left"
    internet_down spt "$WORK/internet" ""
    assert_nothing_left
}

teardown()
{
    policy_of_user
    podman rm --force --ignore --time 0 agent
}

@test "the allowed way and nothing else, whatever network and user namespace Podman gives; without Sallyport all of it" {
    walled
    sealed --network none
    sealed --network none --userns keep-id
    sealed --uidmap 0:1:1000
}

@test "NET_ADMIN and NET_RAW, which are the hub's too in this user namespace, are in no set" {
    run control --cap-add NET_ADMIN,NET_RAW "$IMAGE" grep CapBnd /proc/self/status
    run ! lacks_network_capabilities # or the next line proves nothing
    run box --network none --cap-add NET_ADMIN,NET_RAW "$IMAGE" grep CapBnd /proc/self/status
    lacks_network_capabilities
}

@test "exec and exec --privileged are as confined as init; after a restart it is sealed again" {
    in_role agent run --detach --name agent --network none "$IMAGE"
    run podman exec agent sh -c "$(attempts 201)"
    says_sealed 201
    run podman exec --privileged agent grep CapBnd /proc/self/status
    lacks_network_capabilities
    podman restart --time 0 agent
    run podman exec agent sh -c "$(attempts 202)"
    says_sealed 202
    run sallyport network show "$NETWORK" --json
    [[ $(jq -c '[([.members[].role] | sort), .problems]' <<<"$output") == '[["agent","proxy"],[]]' ]] || fail "$output"
}

@test "verify, as the user: every line as the policy says, and nothing is left of it" {
    run sallyport verify --network "$NETWORK" --role agent --engine podman --json
    [[ $status -eq 0 ]] || fail "$(grep -A6 -e '"leak"' -e '"broken"' <<<"$output")"
    [[ $(jq '.groups[] | select(.name == "arrivals") | .attempts | length' <<<"$output") -gt 5 ]] || fail "$(tail -n 40 <<<"$output")"
    [[ $(podman images --quiet | wc -l) -eq 1 ]] || fail "$(podman images)"
}

@test "verify sees a hub that lets everything pass" {
    local hub
    hub=/run/user/$(id -u "$PERSON")/sallyport/netns/sallyport-$NETWORK
    in_role gateway run --detach --name agent --network none "$IMAGE" /probe listen tcp 0.0.0.0 22
    as_user podman unshare nsenter --net="$hub" nft insert rule inet sallyport forward accept
    run sallyport verify --network "$NETWORK" --role agent --engine podman --only members
    sallyport network down "$NETWORK"
    podman rm --force --time 0 proxy
    proxy_up
    [[ $status -eq 1 && $output == *LEAK* ]] || fail "$output"
}

@test "hooks alone seal as well" {
    as_user mkdir -p hooks
    jq -n --arg hook "$HOOK" --arg network "$NETWORK" '{version: "1.0.0", stages: ["createRuntime", "poststop"],
        hook: {path: $hook, args: [$hook, "--network", $network]}, when: {always: true}}' \
        >"$HOME_OF_PERSON/hooks/sallyport.json"
    run podman --hooks-dir "$HOME_OF_PERSON/hooks" run --rm --network none --env "HTTPS_PROXY=http://$PROXY:3128" \
        "$IMAGE" sh -c "$(attempts 203)"
    says_sealed 203
}

@test "a container that cannot start leaves no link" {
    local network
    for network in none slirp4netns; do
        run -127 box --network "$network" "$IMAGE" no-such-program
        [[ $output != *sallyport:* ]] || fail "$output"
    done
    run sallyport network show "$NETWORK" --json
    [[ $(jq '.members | length' <<<"$output") -eq 1 ]] || fail "$output"
}

@test "a container that is started in another mount namespace makes the hub where all others find it" {
    podman rm --force --time 0 proxy
    sallyport network down "$NETWORK"
    as_user podman unshare unshare --mount --propagation private podman \
        --runtime "sallyport-$NETWORK-agent" run --rm --network none "$IMAGE" true
    run sallyport network list --json
    [[ $(jq -c '[.[] | [.network, .up]]' <<<"$output") == "[[\"$NETWORK\",true]]" ]] || fail "$output"
    proxy_up
    sealed --network none
}

@test "a changed policy is put into force by the user, and only then" {
    policy_of_user 'del(.roles.agent.reach, .roles.agent.hosts)'
    refused_user "sallyport network reload $NETWORK" box --network none "$IMAGE" true
    sallyport network reload "$NETWORK"
    run box --network none "$IMAGE" /probe tcp "$PROXY" 3128 --timeout-ms 1000
    says "result=failed"
    policy_of_user
    sallyport network reload "$NETWORK"
    run box --network none "$IMAGE" /probe tcp "$PROXY" 3128 --timeout-ms 1000
    says "result=ok"
}

@test "the host's namespaces, its sockets, and what decides over the containers of this user are refused" {
    refused_user "drop --network host" box --network host "$IMAGE" true
    refused_user "drop --pid host" box --pid host "$IMAGE" true
    refused_user "CAP_SYS_ADMIN" box --privileged "$IMAGE" true
    refused_user "holds /run/user/" box --volume "/run/user/$(id -u "$PERSON"):/x" "$IMAGE" true
    refused_user "holds $HOME_OF_PERSON/.config/sallyport" box --volume "$HOME_OF_PERSON:/x" "$IMAGE" true
    refused_user "holds $HOME_OF_PERSON/.config/sallyport" box --volume "${POLICY%/*}:/x" "$IMAGE" true
    refused_user "is in $HOME_OF_PERSON/.config/sallyport" box --volume "$POLICY:/x" "$IMAGE" true
    refused_user "holds $HOME_OF_PERSON/.config/containers" \
        box --volume "$HOME_OF_PERSON/.config/containers:/x" "$IMAGE" true
    refused_user "is $HOME_OF_PERSON/.config/containers/storage.conf" \
        box --volume "$HOME_OF_PERSON/.config/containers/storage.conf:/x" "$IMAGE" true
}

@test "parts of Podman's storage and state are refused, volumes and what Podman itself mounts are not" {
    local id storage=$HOME_OF_PERSON/.local/share/containers/storage state
    state=/run/user/$(id -u "$PERSON")
    id=$(podman create --name agent "$IMAGE")
    refused_user "is in $storage, " box --volume "$storage/overlay-containers/$id/userdata:/x" "$IMAGE" true
    refused_user "is in $storage, " box --volume "$storage/libpod:/x" "$IMAGE" true
    refused_user "is in $storage, " box --volume "$storage/libpod/bolt_state.db:/x" "$IMAGE" true
    refused_user "is in $state/containers, " box --volume "$state/containers/overlay-containers:/x" "$IMAGE" true
    refused_user "is in $state/libpod, " box --volume "$state/libpod/tmp:/x" "$IMAGE" true
    box --network none --volume data:/x "$IMAGE" sh -c 'echo kept >/x/file'
    # An overlay that Podman makes over the volume, and a secret, are in the container's own directories.
    as_user sh -ec 'echo hidden | podman secret create key -'
    run box --network none --volume data:/x:O --secret key "$IMAGE" sh -ec 'cat /x/file /run/secrets/key; rm /x/file'
    [[ $output == $'kept\nhidden' ]] || fail "$output"
    [[ $(box --network none --volume "$storage/volumes/data/_data:/x" "$IMAGE" cat /x/file) == kept ]]
    podman secret rm key
    podman volume rm data
}

@test "what needs the host's network is refused, with what to write instead" {
    policy_of_user '.proxy.at = "host"'
    refused_user 'write "at": "member"' box "$IMAGE" true
    refused_user 'write "at": "member"' sallyport network up "$NETWORK"
    policy_of_user '.roles.gateway.publish = ["127.0.0.1:8642:8642"]'
    refused_user 'drop `publish`' box "$IMAGE" true
    refused_user "the built-in network default" podman --runtime "$SALLYPORT_BUILD_DIRECTORY/sallyport-runtime" \
        run --rm "$IMAGE" true
}

@test "a policy that is another user's, or that others may write, starts nothing" {
    chmod 664 "$POLICY"
    refused_user "chmod go-w" box "$IMAGE" true
    chmod 644 "$POLICY"
    chown root "$POLICY"
    refused_user "not yours" box "$IMAGE" true
    chown 100000 "$POLICY" # a container's user, by his subordinate ids
    refused_user "not yours" box "$IMAGE" true
    rm "$POLICY"
    refused_user "there is no network $NETWORK" box "$IMAGE" true
}

@test "XDG_CONFIG_HOME is where the policy is; Podman's runtime, which is told HOME only, finds it by a link" {
    local elsewhere=$HOME_OF_PERSON/elsewhere
    as_user mkdir "$elsewhere"
    as_user mv .config/sallyport "$elsewhere/"
    refused_user "open ${POLICY%/*}" box --network none "$IMAGE" true
    as_user ln -s "$elsewhere/sallyport" .config/sallyport
    box --network none "$IMAGE" true
    refused_user "holds $elsewhere/sallyport/networks.d" box --network none --volume "$elsewhere:/x" "$IMAGE" true
    rm "$HOME_OF_PERSON/.config/sallyport"
    run as_user podman unshare env XDG_CONFIG_HOME="$elsewhere" sallyport network show "$NETWORK"
    as_user mv "$elsewhere/sallyport" .config/
    says "policy: in force"
}

@test "verbs that need root say so, and who can do without it is told how" {
    local verb
    for verb in "network up $NETWORK" log verify check "install podman"; do
        refused_user "${verb%% *} needs root" as_user sallyport $verb
    done
    for verb in check "install podman"; do
        refused_user "out of reach" sallyport $verb
    done
    refused_user "write it yourself" sallyport proxy-config squid "$NETWORK" --install
}
