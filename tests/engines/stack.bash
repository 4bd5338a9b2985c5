# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The motivating stack, run as packaging/compose says: its files, its commands, the distribution's docker-compose, and
# Docker, internet and host of docker_stage.bash. Only the images are stand-ins, made of what the machine has. For
# stack_*.bats.
#
#   stack_up / stack_down          from nothing to the running stack, by the commands of docker-compose.yml; and back
#   compose ARGUMENT...            docker-compose, for this stack
#   on SERVICE COMMAND...          in the service's container
#   netns_of SERVICE COMMAND...    in its network namespace, with every capability and no seccomp
#   allowed SERVICE NAME / denied SERVICE NAME     what the proxy answers to this service for https://NAME/

source "$BATS_TEST_DIRNAME/docker_stage.bash"

ENGINE=docker
PACKAGED=$(readlink -f "$BATS_TEST_DIRNAME/../../packaging/compose")
STACK=$WORK/compose

# Images: hermes-agent, hermes-dashboard, hermes-gateway, sallyport-squid.

# stack_image NAME ROOT CHANGE...: the changes are a Dockerfile's instructions.
stack_image()
{
    local name=$1 root=$2 change changes=(--change "ENV PATH=/bin")
    shift 2
    for change in "$@"; do
        changes+=(--change "$change")
    done
    tar -C "$root" --numeric-owner --owner=0 --group=0 -c . | "$ENGINE" import "${changes[@]}" - "$name" >/dev/null
}

# What the gateway's API answers: from the dashboard, from a chat platform, and an endless talk.
gateway_api()
{
    mkdir -p "$1/www/cgi-bin"
    cat >"$1/www/cgi-bin/dashboard" <<'SH'
#!/bin/sh
echo; exec curl --silent --show-error --max-time 10 http://dashboard:9119/ 2>&1
SH
    cat >"$1/www/cgi-bin/chat" <<'SH'
#!/bin/sh
echo; exec curl --silent --show-error --max-time 10 https://api.telegram.org/ 2>&1
SH
    cat >"$1/www/cgi-bin/talk" <<'SH'
#!/bin/sh
echo
cat &
while echo tock; do sleep 0.05; done
SH
    chmod 755 "$1"/www/cgi-bin/*
}

# try-all "NAME=ADDRESS..." "PORT...": connects to each address at each port.
try_all_script()
{
    cat <<'SH'
#!/bin/sh
for target in $1; do
    for port in $2; do
        echo "${target%%=*} $port $(${PROBE:-/probe} tcp "${target#*=}" "$port" --timeout-ms 2000)"
    done
done
SH
}

# talk: keeps a connection to the gateway, on which both ends send, and writes down what comes and that it ended.
agent_scripts()
{
    try_all_script >"$1/bin/try-all"
    serve_script >"$1/bin/serve"
    cat >"$1/bin/talk" <<'SH'
#!/bin/sh
{
    printf 'POST /cgi-bin/talk HTTP/1.0\r\nContent-Length: 100000000\r\n\r\n'
    while echo tick; do sleep 0.05; done
} 2>/dev/null | { nc gateway 8642; echo ended; } >/tmp/talk 2>&1
SH
    chmod 755 "$1"/bin/{try-all,talk,serve}
}

# serve COMMAND...: process 1 that ends when it is told to.
serve_script()
{
    cat <<'SH'
#!/bin/sh
trap exit TERM
"$@" &
wait
SH
}

stack_images()
{
    local root=$WORK/root change squid=()
    image_root "$root"
    cp "$WORK/internet/ca.pem" "$root/etc/ca.pem"
    attempts_script >"$root/attempts"
    chmod 755 "$root/attempts"
    gateway_api "$root"
    agent_scripts "$root"
    mkdir -p "$root/dashboard"
    echo "the dashboard" >"$root/dashboard/index.html"
    stack_image hermes-agent "$root" "ENV CURL_CA_BUNDLE=/etc/ca.pem" 'CMD ["serve", "sleep", "3600"]'
    stack_image hermes-dashboard "$root" 'CMD ["serve", "httpd", "-f", "-p", "9119", "-h", "/dashboard"]'
    stack_image hermes-gateway "$root" "ENV CURL_CA_BUNDLE=/etc/ca.pem" \
        'CMD ["serve", "httpd", "-f", "-p", "8642", "-h", "/www"]'
    image_squid "$root"
    # Debian's squid cannot be fetched here; what else its Dockerfile says holds for the stand-in.
    while read -r change; do
        squid+=("$change")
    done < <(grep -E '^(USER|CMD) ' "$PACKAGED/squid/Dockerfile")
    stack_image sallyport-squid "$root" "${squid[@]}"
    rm -rf "$root"
}

# The commands that the files tell the user to type.

# commands FILE N: those of the N-th group in the file's first comment.
commands()
{
    sed '/^[^#]/q' "$1" | awk -v wanted="$2" '
        /^#     / { groups += !inside; inside = 1; if (groups == wanted) print substr($0, 7); next }
        { inside = 0 }'
}

# follow FILE N: types them, in the directory of the stack.
follow()
{
    local command count=0
    while read -r command <&4; do
        echo "$command"
        (cd "$STACK" && eval "$command" 3>&- 4<&-) 2>&1 || fail "failed: $command" || return
        count=$((count + 1))
    done 4< <(commands "$STACK/$1" "$2")
    ((count > 0)) || fail "no commands in $1"
}

sallyport()
{
    "$SALLYPORT" "$@"
}

# What systemd does, which is not process 1 here: `enable --now` of sockets and of the proxy.
systemctl()
{
    local socket
    [[ $* != daemon-reload ]] || return 0
    [[ "$1 $2" == "enable --now" ]] || fail "systemctl $*" || return
    shift 2
    if [[ $1 == sallyport-squid@* ]]; then
        "$SALLYPORT" proxy-config squid "$NETWORK" --install &&
            internet_squid "$WORK/internet" "/etc/squid/sallyport-$NETWORK/squid.conf" "" "$PROXY" 3128
        return
    fi
    for socket in "${@%.socket}"; do
        [[ -e /etc/systemd/system/$socket.socket ]] || fail "there is no $socket.socket" || return
        python3 "$BATS_TEST_DIRNAME/activate.py" "/etc/systemd/system/$socket".{socket,service} </dev/null \
            >"$WORK/$socket.log" 2>&1 3>&- &
        echo $! >>"$WORK/witnesses"
        disown
        eventually listens "127.0.0.1%lo:${socket##*-}" || fail "$(cat "$WORK/$socket.log")" || return
    done
}

listens()
{
    ss -Hltn | grep -qF " $1 "
}

compose()
{
    (cd "$STACK" && docker-compose "$@" 2>&1 3>&-)
}

# Up and down.

pid_of()
{
    "$ENGINE" inspect --format '{{.State.Pid}}' "$(container_of "$1")"
}

netns_of()
{
    local pid
    pid=$(pid_of "$1") || return
    shift
    nsenter --target "$pid" --net "$@"
}

# container_of SERVICE[.N]: the N-th of its containers, by default the first.
container_of()
{
    local number=1
    [[ $1 != *.* ]] || number=${1#*.}
    docker ps --quiet --filter "label=com.docker.compose.service=${1%.*}" \
        --filter "label=com.docker.compose.container-number=$number"
}

# on SERVICE COMMAND...: what the service itself may do.
on()
{
    local container
    container=$(container_of "$1") || return
    shift
    "$ENGINE" exec "$container" "$@" </dev/null
}

stack_internet_up()
{
    mkdir -p "$WORK/internet"
    internet_up spt "$WORK/internet" "" api.openai.com=203.0.113.10 openrouter.ai=203.0.113.11 \
        api.telegram.org=203.0.113.12 attacker.example=203.0.113.66
    host_up
}

stack_machine_up()
{
    stack_internet_up
    mkdir -p "$DOCKER" /etc/systemd/system
    docker_up "$DOCKER" 'del(.runtimes)'
    stack_images
    cp -r "$PACKAGED" "$STACK"
}

stack_up()
{
    stack_machine_up
    follow docker-compose.yml 1
    proxy_ready
}

# stack_policy [FILTER]: the policy file, changed by jq; nothing has read it yet.
stack_policy()
{
    jq "${1:-.}" <"$PACKAGED/hermes.json" >"$WORK/hermes.json"
    install -D -m 644 "$WORK/hermes.json" "$POLICIES/$NETWORK.json"
}

stack_down()
{
    docker_down "$DOCKER"
    witnesses_end
    internet_squid_stop "$WORK/internet"
    internet_stop "$WORK/host"
    ip route delete local "$HOST_NET.0/24" dev lo
    internet_down spt "$WORK/internet" ""
    network_down
    assert_nothing_left
}

proxy_listens()
{
    [[ -n $(netns_of egress-proxy ss -Hltn "src $PROXY and sport = :3128") ]]
}

proxy_ready()
{
    internet_poll 20 proxy_listens || { compose logs egress-proxy >&2; return 1; }
}

# Questions.

# proxy_answers SERVICE NAME: the status code of its CONNECT.
proxy_answers()
{
    on "$1" curl --silent --output /dev/null --max-time 10 --write-out '%{http_connect}' "https://$2/" || true
}

allowed()
{
    local answer
    answer=$(proxy_answers "$1" "$2")
    [[ $answer == 200 ]] || fail "$1 asked for $2: $answer"
}

denied()
{
    local answer
    answer=$(proxy_answers "$1" "$2")
    [[ $answer == 403 ]] || fail "$1 asked for $2: $answer"
}
