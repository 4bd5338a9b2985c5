#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# `sallyport check`: all is well on the test machine; what is taken away is missed, line by line; and what the line says
# is done as it stands there, and makes it good again.

source "$BATS_TEST_DIRNAME/common.bash"
source "$BATS_TEST_DIRNAME/docker.bash"
source "$BATS_TEST_DIRNAME/proxy_install.bash"

# Where only root can replace them, wherever the tree is.
PROGRAMS=/run/programs
SALLYPORT=$PROGRAMS/sallyport
DAEMON_JSON=/etc/docker/daemon.json
CONTAINERD=/etc/containerd/config.toml
LINKS=/etc/sallyport/runtimes

# Not the prefix of the other tests: what is left of a network is told from this by its name.
setup_file()
{
    mkdir "$PROGRAMS"
    mkdir -p "$WORK/log" "$WORK/internet" /etc/docker /etc/containerd
    cp "$SALLYPORT_BUILD_DIRECTORY"/sallyport{,-runtime,-hook} "$PROGRAMS/"
    cp "$CONTAINERD" "$WORK/containerd.toml"
    chmod 1777 "$WORK/log"
    mount --bind "$WORK/log" /var/log/squid
    mount -t tmpfs -o mode=1777 tmpfs /dev/shm
    internet_up chk "$WORK/internet" "" api.openai.com=203.0.113.10
    cat "$WORK/internet/resolv.conf" >/etc/resolv.conf
}

teardown_file()
{
    internet_down chk "$WORK/internet" ""
    umount /dev/shm /var/log/squid
}

setup()
{
    policy_write "$NETWORK"
    rm -f "$DAEMON_JSON"
    cp "$WORK/containerd.toml" "$CONTAINERD"
}

teardown()
{
    squid_end
    nft list tables | grep -v -e sallyport | while read -r table; do nft delete "$table"; done
    "$SALLYPORT" network down "$NETWORK" 2>/dev/null || true
    if [[ -e $WORK/daemon.pid ]]; then
        kill "$(<"$WORK/daemon.pid")"
        eventually internet_gone "$(<"$WORK/daemon.pid")"
        rm "$WORK/daemon.pid"
    fi
    if [[ -d $WORK/docker ]]; then
        docker_down "$WORK/docker" || fail "Docker left something behind"
        rm -r "$WORK/docker"
    fi
    rm -rf "$POLICIES" /etc/sallyport/runtime "${SQUID_CONFIG%/*}" "$LINKS" /etc/containers/oci
    rm -f /etc/containers/containers.conf.d/50-sallyport.conf /etc/containers/containers.conf
    rm -rf /etc/ufw
    chmod 755 "$PROGRAMS" "$SALLYPORT" /etc/sallyport
    assert_nothing_left
}

# line WHAT KEY: of the line in `$output` whose matter begins with these words.
line()
{
    jq -r --arg what "$1" --arg key "$2" '.[] | select(.what + " " | startswith($what + " ")) | .[$key]' <<<"$output"
}

# check LEVEL WHAT [COMMAND...]: with the command in front, this line has the level, and the exit status goes
# by the levels. A line that is not good says something.
check()
{
    local expected=$1 what=$2 failed
    shift 2
    run "$@" "$SALLYPORT" check --json
    failed=$(jq -e '[.[] | select(.level == "failed")] | length' <<<"$output") || fail "no JSON: $output"
    [[ $status -eq $((failed > 0 ? 2 : 0)) ]] || fail "exit status $status: $output"
    [[ $(line "$what" level) == "$expected" ]] || fail "$what is $(line "$what" level): $output"
    [[ $expected == ok || -n $(line "$what" text) ]] || fail "$what: nothing said"
}

# follow WHAT: does what the line in `$output` says, its last command.
follow()
{
    local command
    command=$(line "$1" text | grep -o '`[^`]*`' | tail -n 1 | tr -d '`')
    [[ -n $command ]] || fail "$1 has no command: $output"
    if [[ $command == sallyport\ * ]]; then
        command="$PROGRAMS/$command"
    fi
    eval "$command" </dev/null >"$WORK/followed" 2>&1 3>&- || fail "$command: $(<"$WORK/followed")"
}

# advised LEVEL WHAT: the line has the level, and is ok once its command was run.
advised()
{
    check "$1" "$2"
    follow "$2"
    check ok "$2"
}

@test "a host that can do it: no line says failed, each says what it is, and nothing is left" {
    check ok "network namespaces"
    of_schema check <<<"$output"
    jq -e 'all(.[]; (keys == ["group", "level", "text", "what"]) and .level != "failed")
        and ([.[] | select(.group == "kernel" or .group == "host") | select(.level != "ok")] == [])
        and (map(.group) | unique == ["engines", "firewall", "host", "kernel", "networks", "proxy"])
        and length < 25' <<<"$output"
    run "$SALLYPORT" check
    [ "$status" -eq 0 ]
    says "  ok      network namespaces"
    says "  ok      policy of network hermes"
    says "  -       network hermes: not up"
    assert_nothing_left
    follow_network()
    {
        check note "network $NETWORK"
        follow "network $NETWORK"
        check ok "network $NETWORK"
    }
    follow_network
}

@test "without policy files it is the built-in network's" {
    rm "$POLICIES/$NETWORK.json"
    check ok "policy of network default"
    advised warning docker
    advised warning podman
}

@test "kernel: what it does not do is missed" {
    check failed "network namespaces" setpriv --bounding-set -sys_admin
    check failed "links" setpriv --bounding-set -net_admin
    [[ $(line "network namespaces" level) == ok ]]
    [[ $(line "the rules" level) == failed ]]
    [[ $(line "the log" level) == warning ]]
    says "all capabilities"
}

@test "kernel: what a sandbox around the check takes away is missed" {
    check failed "settings" unshare --mount --propagation private \
        sh -ec 'mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; exec "$@"' sh
    says "remount"
    check warning "injection" strace -f -o /dev/null
    # Of both calls the number is the same everywhere but on x86.
    cat >"$WORK/without.py" <<'PYTHON'
import ctypes, os, platform, struct, sys
number = {"x86_64": {"seccomp": 317, "pidfd_getfd": 438}}.get(platform.machine(), {"seccomp": 277, "pidfd_getfd": 438})
program = struct.pack("HBBI", 0x20, 0, 0, 0) + struct.pack("HBBI", 0x15, 0, 1, number[sys.argv[1]]) \
    + struct.pack("HBBI", 6, 0, 0, 0x50001) + struct.pack("HBBI", 6, 0, 0, 0x7fff0000)
memory = ctypes.create_string_buffer(program)
header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(memory)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, header, 0, 0) == 0
os.execv(sys.argv[2], sys.argv[2:])
PYTHON
    check failed "seccomp filters" python3 "$WORK/without.py" seccomp
    check failed "descriptors" python3 "$WORK/without.py" pidfd_getfd
    [[ $(line "seccomp filters" level) == ok ]]
}

@test "host: programs and policies that others can replace" {
    chmod g+w "$SALLYPORT"
    advised failed "programs"
    chmod o+w "$PROGRAMS"
    advised failed "programs"
    chown 65534 "$PROGRAMS/sallyport-hook"
    advised failed "programs"
    rm "$PROGRAMS/sallyport-hook"
    check failed "programs"
    says "install it beside"
    cp "$HOOK" "$PROGRAMS/"
    chmod o+w /etc/sallyport
    advised failed "/etc/sallyport"
}

@test "host: a runtime that is not there, or that others can replace" {
    ln -s /nonexistent/runc /etc/sallyport/runtime
    check failed "the runtime"
    ln -sf "$WORK/runc" /etc/sallyport/runtime
    cp /usr/bin/runc "$WORK/runc"
    chmod 777 "$WORK/runc"
    advised failed "the runtime"
}

@test "host: the layout of cgroups, and forwarding" {
    local layout='mount -t tmpfs tmpfs /sys/fs/cgroup; cd /sys/fs/cgroup; eval "$0"; cd /; exec "$@"'
    local own=(unshare --mount --propagation private sh -ec "$layout")
    check warning cgroups "${own[@]}" "mkdir memory unified; mount -t cgroup2 cgroup2 unified"
    check warning cgroups "${own[@]}" true
    check ok cgroups "${own[@]}" "mkdir memory"
    check ok cgroups "${own[@]}" "mount -t cgroup2 cgroup2 ."
    sysctl -qw net.ipv4.ip_forward=1
    check note forwarding
    sysctl -qw net.ipv4.ip_forward=0
    check ok forwarding
}

@test "networks: a policy that is wrong, writable or overlaps" {
    echo '{"version": 2}' >"$POLICIES/bad.json"
    check failed "policy of network bad"
    rm "$POLICIES/bad.json"
    chmod 666 "$POLICIES/$NETWORK.json"
    check failed "policy of network $NETWORK"
    chmod 644 "$POLICIES/$NETWORK.json"
    policy_write twin
    check failed "policy of network twin"
    [[ $(line "policy of network $NETWORK" level) == failed ]]
    rm "$POLICIES/twin.json"
    : >"$POLICIES/$NETWORK.json.orig"
    check warning "other files"
}

@test "networks: one that is up but not as its policy says" {
    network_up
    sysctl -qw net.ipv4.ip_forward=1 # of every link, as Docker's daemon does it
    advised note "network $NETWORK"
    sysctl -qw net.ipv4.ip_forward=0
    ip rule del iif lo to "$SUBNET"
    advised failed "network $NETWORK"
    nft delete table inet "sallyport-$NETWORK"
    advised failed "network $NETWORK"
    policy_write "$NETWORK" '.roles.agent.reach = ["proxy"]'
    check failed "network $NETWORK"
    says "network reload"
    "$SALLYPORT" network reload "$NETWORK"
    check ok "network $NETWORK"
}

@test "docker: not installed, not set up, set up, out of date" {
    check note docker unshare --mount --propagation private \
        sh -ec 'mount --bind /dev/null /usr/sbin/dockerd; exec "$@"' sh
    says "not installed"
    advised warning docker
    rm "$LINKS/docker/sallyport-runtime.$NETWORK.agent"
    advised failed docker
    "$SALLYPORT" install docker --undo
    "$SALLYPORT" install docker --role "$NETWORK.agent"
    advised warning docker # the other roles
    echo '{"runtimes": {"sallyport": {"path": "/opt/old/sallyport-runtime"}}}' >"$DAEMON_JSON"
    check failed docker
    says "take it out"
    echo '{"runtimes":' >"$DAEMON_JSON"
    check failed docker
}

@test "docker: a running dockerd that has not read it" {
    mkdir -p "$WORK/docker"
    docker_up "$WORK/docker" 'del(.runtimes) | .["live-restore"] = true'
    check ok "dockerd"
    [[ $(line dockerd text) == *"default runtime runc"*live-restore* ]] || fail "$output"
    "$SALLYPORT" install docker --network "$NETWORK"
    advised failed "docker"
    says "set up"
}

# Whoever has its number by now chooses its command line: where dockerd is asked, and which file it is told to read.
@test "docker: who took a dead daemon's number and name is not believed, be it a user or a container's root" {
    local -a who
    printf '#!/bin/bash\nread <>"$1"\n' >"$PROGRAMS/dockerd"
    chmod 755 "$PROGRAMS/dockerd"
    mkfifo -m 666 "$PROGRAMS/wait"
    for who in "setpriv --reuid 65534 --clear-groups" "unshare --pid --fork --kill-child"; do
        # shellcheck disable=SC2086
        $who "$PROGRAMS/dockerd" "$PROGRAMS/wait" --config-file "$WORK/theirs.json" --host "unix://$WORK/theirs.sock" \
            </dev/null 3>&- &
        disown
        eventually pgrep -x dockerd
        pgrep -x dockerd >/run/docker.pid
        run --separate-stderr "$SALLYPORT" check --json
        kill -KILL "$(</run/docker.pid)"
        eventually internet_gone "$(</run/docker.pid)" # or the next one is not the only one of its name
        rm /run/docker.pid
        [[ $(line dockerd level) == "" && $output != *theirs* ]] || fail "$who: $output"
    done
    rm "$PROGRAMS/dockerd" "$PROGRAMS/wait"
}

@test "podman: hooks that are not there, or where podman does not look" {
    advised warning podman
    rm /etc/containers/oci/hooks.d/sallyport.json
    advised failed podman
    mkdir /etc/containers/oci/other.d
    printf '[engine]\nhooks_dir = ["/etc/containers/oci/other.d"]\n' >/etc/containers/containers.conf
    advised failed podman
    [[ -e /etc/containers/oci/other.d/sallyport.json ]]
    sed -i '/sallyport =/d' /etc/containers/containers.conf.d/50-sallyport.conf
    advised failed podman
}

@test "containerd: handlers that are out of date, and a daemon that is older than its file" {
    advised note containerd
    rm "$LINKS/containerd/sallyport-runtime.$NETWORK.agent"
    advised failed containerd
    touch --date '1 minute ago' "$CONTAINERD"
    containerd --root "$WORK/containerd/root" --state "$WORK/containerd/state" >"$WORK/containerd.log" 2>&1 3>&- &
    echo $! >"$WORK/daemon.pid"
    disown
    eventually ctr --address /run/containerd/containerd.sock version
    check ok containerd
    touch "$CONTAINERD"
    check failed containerd
    says "systemctl restart containerd"
}

@test "squid: not installed, without file, with an old one" {
    check warning squid unshare --mount --propagation private sh -ec 'mount -t tmpfs tmpfs /usr/sbin; exec "$@"' sh
    advised warning "squid's file"
    policy_write "$NETWORK" '.roles.agent.hosts += ["example.org"]'
    advised warning "squid's file"
    "$SALLYPORT" network up "$NETWORK"
    policy_write "$NETWORK" '.roles.agent.hosts += ["example.net"]'
    advised failed "squid's file"
    policy_write "$NETWORK" '.proxy.at = "member"'
    "$SALLYPORT" network down "$NETWORK"
    check note squid
    says verify
}

@test "squid: stopped, and started as it says" {
    network_up
    install_config
    check failed "squid of"
    follow "squid of"
    internet_poll 20 squid_listens
    check ok "squid of"
    [[ $(line "members of" level) == ok ]]
    "$SALLYPORT" network show "$NETWORK" | grep "; refused by the hub: 0 packets" # nothing in its log
    [[ ! -s $WORK/internet/queries ]] || ! grep sallyport-check "$WORK/internet/queries"
}

@test "haproxy: only where the policy has a pass-through; not installed, without file, stopped, and started as it says" {
    network_up
    install_config
    check failed "squid of"
    [[ $output != *haproxy* ]]
    policy_write "$NETWORK" '.proxy.sni = 443'
    "$SALLYPORT" network reload "$NETWORK"
    check failed haproxy unshare --mount --propagation private sh -ec 'mount --bind /dev/null /usr/sbin/haproxy; exec "$@"' sh
    advised failed "haproxy's file"
    check failed "haproxy of"
    check note "members of hermes to the pass-through, port 443"
    follow "haproxy of"
    eventually test -s "/run/sallyport-haproxy-$NETWORK.pid"
    check ok "haproxy of"
    check ok "members of hermes to the pass-through, port 443"
    nft 'add table ip spt; add chain ip spt input { type filter hook input priority 0; }; add rule ip spt input tcp dport 443 drop'
    check failed "members of hermes to the pass-through, port 443"
    says "tcp dport 443 accept"
    internet_end "/run/sallyport-haproxy-$NETWORK.pid"
}

@test "squid: one that lets everybody through is asked, and told to read its file" {
    network_up
    install_config
    cp "$SQUID_CONFIG" "$WORK/good.conf"
    sed -i '0,/^http_access/s//http_access allow all\nhttp_access/' "$SQUID_CONFIG"
    squid_start -N
    cp "$WORK/good.conf" "$SQUID_CONFIG"
    check failed "squid of"
    says "not 403"
    grep sallyport-check "$WORK/internet/queries" # so that its absence above means something
    follow "squid of"
    enforces()
    {
        check ok "squid of"
    }
    eventually enforces
    kill -STOP "$(<"$SQUID_PID")"
    check failed "squid of"
    says "gives no answer"
    kill -CONT "$(<"$SQUID_PID")"
}

# As with dockerd: the number of a squid that was killed is somebody else's by now, and he listens in its place.
@test "squid: a program of a user's, or of a container's, that took its number, name and address is none" {
    local who owner
    "$SALLYPORT" network up "$NETWORK"
    "$SALLYPORT" proxy-config squid "$NETWORK" --install >/dev/null
    mkfifo -m 666 "$PROGRAMS/wait"
    setpriv --reuid 65534 --clear-groups python3 -c '
import socket, sys
server = socket.create_server((sys.argv[1], 3128))
while True:
    caller = server.accept()[0]
    try:
        caller.recv(999)
        caller.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    except OSError:  # who tries only the connection ends it
        pass' "$PROXY" </dev/null 3>&- &
    echo $! >"$WORK/daemon.pid"
    disown
    eventually squid_listens
    for who in "setpriv --reuid 65534 --clear-groups" "unshare --pid --fork --kill-child"; do
        owner=$([[ $who == setpriv* ]] && echo 65534 || echo 0)
        install -m 755 -o "$owner" /bin/bash "$PROGRAMS/squid"
        # shellcheck disable=SC2086
        $who "$PROGRAMS/squid" -c 'read <>"$0"' "$PROGRAMS/wait" -f "$SQUID_CONFIG" </dev/null 3>&- &
        disown
        eventually pgrep -x squid
        pgrep -x squid >"/run/sallyport-squid-$NETWORK.pid"
        check failed "squid of"
        kill -KILL "$(<"/run/sallyport-squid-$NETWORK.pid")"
        eventually internet_gone "$(<"/run/sallyport-squid-$NETWORK.pid")"
        rm "/run/sallyport-squid-$NETWORK.pid" "$PROGRAMS/squid"
        [[ $(line "squid of" text) == "none runs, but another program listens at $PROXY:3128"* ]] || fail "$who: $output"
    done
    rm "$PROGRAMS/wait"
}

# As the squid that a distribution starts.
@test "squid: a program that has its port of every address is told, and is no squid that runs" {
    "$SALLYPORT" network up "$NETWORK"
    install_config
    python3 -c '
import signal, socket
server = socket.create_server(("", 3128), family=socket.AF_INET6, dualstack_ipv6=True)
signal.pause()' </dev/null 3>&- &
    echo $! >"$WORK/daemon.pid"
    disown
    listens_everywhere()
    {
        [[ $(ss -Hltn 'sport = 3128') == *'*:3128'* ]]
    }
    eventually listens_everywhere
    check failed "squid of"
    says "another program listens at $PROXY:3128, or at that port of every address"
    [[ $(eval "$(line "squid of" text | grep -o '`ss [^`]*`' | tr -d '`')") == *"pid=$(<"$WORK/daemon.pid"),"* ]]
    internet_end "$WORK/daemon.pid"
    check failed "squid of"
    says "none runs, so no member gets out"
}

@test "squid: one that listens elsewhere, and one with another file" {
    network_up
    install_config
    cp "$SQUID_CONFIG" "$WORK/good.conf"
    sed -i 's/:3128/:3129/' "$SQUID_CONFIG"
    /usr/sbin/squid -f "$SQUID_CONFIG" </dev/null >"$WORK/squid.output" 2>&1 3>&-
    elsewhere()
    {
        [[ -s $SQUID_PID && -n $(ss -Hltn "src $PROXY and sport = :3129") ]]
    }
    internet_poll 20 elsewhere
    cp "$WORK/good.conf" "$SQUID_CONFIG"
    check failed "squid of"
    says "does not listen at $PROXY:3128"
    squid_end
    /usr/sbin/squid -f "$WORK/good.conf" </dev/null >"$WORK/squid.output" 2>&1 3>&-
    eventually test -s "$SQUID_PID"
    check failed "squid of"
    says "runs with $WORK/good.conf"
}

# eaten TABLE-COMMAND...: what it puts in the way of members to the proxy is missed, in a network that is not up and in
# one that is; its command lets them through.
eaten()
{
    check ok "members of"
    "$@"
    check failed "members of"
    assert_nothing_left
    follow "members of"
    check ok "members of"
    "$SALLYPORT" network up "$NETWORK"
    check note "members of" # nobody listens
    says "start squid"
    [[ $("$SALLYPORT" network show --json "$NETWORK" | jq '.members | length') == 1 ]] # the host
}

@test "firewall: an input chain with policy drop, and one with an exception" {
    drop()
    {
        nft 'add table inet fw; add chain inet fw in { type filter hook input priority 10; policy drop; }
            add rule inet fw in iif lo accept'
    }
    eaten drop
    says "squid"
    nft flush chain inet fw in
    check failed "members of" # in the network that is up
    follow "members of"
    check note "members of"
}

@test "firewall: a rejecting rule, a chain of iptables, answers that are dropped" {
    reject()
    {
        nft 'add table ip fw; add chain ip fw in { type filter hook input priority 0; policy accept; }
            add rule ip fw in iif != lo ip protocol tcp reject with tcp reset'
    }
    eaten reject
    "$SALLYPORT" network down "$NETWORK"
    nft delete table ip fw
    eaten iptables-nft -P INPUT DROP
    says "squid"
    "$SALLYPORT" network down "$NETWORK"
    iptables-nft -P INPUT ACCEPT
    iptables-nft -F
    drop_answers()
    {
        nft 'add table inet fw; add chain inet fw out { type filter hook output priority 0; policy drop; }
            add rule inet fw out oif lo accept'
    }
    eaten drop_answers
}

@test "firewall: the chain that drops is named, whatever else looks as if it did" {
    nft 'add table inet fw; add chain inet fw in { type filter hook input priority 0; policy drop; }
        add rule inet fw in accept
        add table ip late; add chain ip late guests; add chain ip late in { type filter hook input priority 20; }
        add rule ip late in tcp dport 3128 jump guests; add rule ip late guests counter drop'
    check failed "members of"
    says "of ip late guests"
    nft flush chain inet fw in # two of them
    check failed "members of"
    says "the policy of inet fw in"
    follow "members of"
    check failed "members of"
    says "of ip late guests"
    follow "members of"
    check ok "members of"
    run ! grep sallyport <(nft list tables)
}

@test "firewall: ufw and firewalld are told in their own words, and their own tables only" {
    mkdir -p /etc/ufw
    echo ENABLED=yes >/etc/ufw/ufw.conf
    nft 'add table ip filter; add chain ip filter INPUT { type filter hook input priority 0; policy drop; }'
    check failed "members of"
    says "\`ufw allow in on $UPLINK to $PROXY port 3128 proto tcp\`"
    echo ENABLED=no >/etc/ufw/ufw.conf
    check failed "members of"
    says "\`iptables-nft -I INPUT"
    rm -r /etc/ufw
    nft delete table ip filter
    nft 'add table inet firewalld; add chain inet firewalld filter_INPUT {
        type filter hook input priority 10; policy accept; }; add rule inet firewalld filter_INPUT iif != lo reject with icmpx type admin-prohibited'
    check failed "members of"
    says "firewall-cmd --permanent --zone=trusted --add-interface=$UPLINK"
}

@test "firewall: what is not nftables' is told as that" {
    nft 'add table netdev early'
    "$SALLYPORT" network up "$NETWORK"
    nft "add chain netdev early in { type filter hook ingress device $UPLINK priority 0; policy drop; }"
    check failed "members of"
    says "netdev"
}

@test "firewall: nothing stays when the check is ended in the middle, and no container is kept from starting" {
    nft 'add table inet fw; add chain inet fw in { type filter hook input priority 10; policy drop; }'
    "$SALLYPORT" check >/dev/null 3>&- &
    local pid=$!
    eventually ip link show "$UPLINK"
    kill -TERM "$pid"
    local ended=0
    wait "$pid" || ended=$?
    [[ $ended -eq 143 ]] || fail "exit status $ended"
    assert_nothing_left
    "$SALLYPORT" check >/dev/null 3>&- &
    pid=$!
    eventually ip link show "$UPLINK"
    "$SALLYPORT" network up "$NETWORK" # waits for the trial's end
    wait "$pid" || true
    check ok "network $NETWORK"
    "$SALLYPORT" network down "$NETWORK"
    # What a kill leaves is the next network's to use and to take away.
    "$SALLYPORT" check >/dev/null 3>&- &
    pid=$!
    eventually ip link show "$UPLINK"
    kill -KILL "$(pgrep -P "$pid")" "$pid"
    wait "$pid" || true
    "$SALLYPORT" network up "$NETWORK"
    check ok "network $NETWORK"
    "$SALLYPORT" network down "$NETWORK"
    assert_nothing_left
}

@test "firewall: a subnet that the host has a route to" {
    ip link add chk-route type veth peer name chk-route-far
    ip link set chk-route up
    ip route add "$SUBNET" dev chk-route
    check failed "members of"
    says "choose another subnet"
    ip link delete chk-route
    check ok "members of"
}

@test "who is not root, and wrong words, end in one line" {
    refused setpriv --reuid 65534 --regid 65534 --clear-groups "$SALLYPORT" check
    says "needs root"
    refused "$SALLYPORT" check more
    refused bash -c "'$SALLYPORT' check >/dev/full"
    says "No space left"
}
