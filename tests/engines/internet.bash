# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# "The internet" of the tests: a network namespace in which every TEST-NET address answers, with TLS servers whose
# certificates a CA of its own signed, a DNS server, and a journal of everything that arrived. A library for bats files
# and for packaging/quickstart; needs root, iproute2, openssl and python3.
#
#   internet_up PREFIX DIRECTORY NETNS NAME=ADDRESS...   makes it, linked to the network namespace NETNS ("" for the
#                                                        caller's own)
#   internet_down PREFIX DIRECTORY NETNS                 removes all of it; what is not there is no error
#
# PREFIX: at most 8 characters; the namespace is PREFIX-internet, the link PREFIX-wan. DIRECTORY: an existing one of the
# caller's, which it removes. Then DIRECTORY has
#
#   ca.pem          for `curl --cacert`
#   arrivals        "ADDRESS PORT FROM" for each TCP connection to ports 80, 443 and 8443
#   queries         "NAME TYPE" for each DNS question (type 1: A, 28: AAAA)
#   zone, hosts, resolv.conf
#
# An ADDRESS may be several with commas between them, and further answers, given in turn, after a slash:
# "a.example=203.0.113.1/10.0.0.1"; "-" means that the name does not exist. Addresses other than 203.0.113.0/24,
# 198.51.100.0/24 and 2001:db8::/32 answer as well, but only those three are routed to it.

INTERNET_SOURCE=${BASH_SOURCE[0]%/*}
INTERNET_RESOLVER=198.51.100.53

# Metadata services and name servers of clouds, and what else the probe's battery tries outside: for tests that have all
# of it answer.
INTERNET_PLACES=(169.254.169.254 169.254.170.2 169.254.170.23 168.63.129.16 100.100.100.200 192.0.0.192 169.254.0.23
    169.254.42.42 169.254.169.253 100.100.2.136 169.254.20.10 169.254.0.1 8.8.8.8 1.1.1.1 10.0.2.3 10.96.0.10)
INTERNET_PLACES6=(fd00:ec2::254 fd00:ec2::253 fd00:ec2::23 fd20:ce::254 fd00:42::42 fd00::1 64:ff9b::cb00:7142 fec0::1
    2002:cb00:7142::1 2001:0:cb00:7142::1)

# internet_route ADDRESS...: leads there, too, from the caller's own namespace.
internet_route()
{
    local address
    for address; do
        case $address in
        *:*) ip -6 route add "$address" via 2001:db8:ffff::2 ;;
        *) ip route add "$address" via 198.51.100.2 ;;
        esac
    done
}

# internet_poll SECONDS COMMAND...: until the command succeeds; fails, saying so, when the time is over.
internet_poll()
{
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS > deadline)); then
            echo "internet: gave up waiting for: $*" >&2
            return 1
        fi
        sleep 0.02
    done
}

# internet_in NETNS COMMAND...: in the namespace, or right here if it is "".
internet_in()
{
    local netns=$1
    shift
    if [[ -n $netns ]]; then
        ip netns exec "$netns" "$@"
    else
        "$@"
    fi
}

internet_certificates()
{
    local directory=$1 names=$2
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=Test Internet CA" \
        -keyout "$directory/ca.key" -out "$directory/ca.pem" 2>/dev/null || return
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=Test Internet" \
        -keyout "$directory/server.key" -out "$directory/server.csr" 2>/dev/null || return
    openssl x509 -req -days 2 -in "$directory/server.csr" -CA "$directory/ca.pem" -CAkey "$directory/ca.key" \
        -set_serial 1 -extfile <(echo "subjectAltName=$names") -out "$directory/server.crt" 2>/dev/null || return
    cat "$directory/server.crt" "$directory/server.key" >"$directory/server.pem"
}

internet_link()
{
    local prefix=$1 netns=$2 inside=$1-internet
    ip netns add "$inside" || return
    ip -n "$inside" link add "$prefix-wan" type veth peer name wan || return
    ip -n "$inside" link set "$prefix-wan" netns "${netns:-$$}" || return
    ip -n "$inside" link set lo up || return
    ip -n "$inside" link set wan up || return
    ip -n "$inside" address add 198.51.100.2/30 dev wan || return
    ip -n "$inside" address add 2001:db8:ffff::2/64 dev wan nodad || return
    # Every address is its own, but for the link's: hence not in table local, which would come first.
    ip -n "$inside" route add local 0.0.0.0/0 dev lo table main || return
    ip -n "$inside" -6 route add local ::/0 dev lo table main || return
    internet_in "$netns" sh -ec '
        ip link set "$1" up
        ip address add 198.51.100.1/30 dev "$1"
        ip address add 2001:db8:ffff::1/64 dev "$1" nodad
        ip route add 203.0.113.0/24 via 198.51.100.2
        ip route add 198.51.100.0/24 via 198.51.100.2
        ip -6 route add 2001:db8::/32 via 2001:db8:ffff::2' sh "$prefix-wan"
}

internet_up()
{
    local prefix=$1 directory=$2 netns=$3 entry names=
    shift 3
    : >"$directory/zone"
    for entry in "$@"; do
        names+=${names:+,}DNS:${entry%%=*}
        echo "${entry%%=*} ${entry#*=}" | tr / ' ' >>"$directory/zone"
    done
    echo "127.0.0.1 localhost" >"$directory/hosts"
    echo "nameserver $INTERNET_RESOLVER" >"$directory/resolv.conf"
    internet_certificates "$directory" "$names" || return
    internet_link "$prefix" "$netns" || return
    internet_serve "$directory" "$prefix-internet"
}

# internet_serve DIRECTORY NETNS: the servers alone, in a namespace that is there; internet_stop ends them.
internet_serve()
{
    local directory=$1 netns=$2
    local enter=()
    rm -f "$directory/ready"
    # Not internet_in: $! has to be the server, not a shell around it.
    [[ -z $netns ]] || enter=(ip netns exec "$netns")
    "${enter[@]}" python3 "$INTERNET_SOURCE/internet.py" "$directory" \
        </dev/null >"$directory/log" 2>&1 3>&- &
    echo $! >"$directory/server.pid"
    disown
    if ! internet_poll 15 test -s "$directory/ready"; then
        cat "$directory/log" >&2
        return 1
    fi
}

internet_gone()
{
    ! kill -0 "$1" 2>/dev/null
}

# internet_end FILE: ends the process whose pid is in FILE, and waits until it is gone.
internet_end()
{
    local pid
    [[ -s $1 ]] || return 0
    pid=$(<"$1")
    kill "$pid" 2>/dev/null
    internet_poll 5 internet_gone "$pid" || kill -KILL "$pid"
    rm -f "$1"
}

internet_stop()
{
    internet_end "$1/server.pid"
}

internet_down()
{
    local prefix=$1 directory=$2 netns=$3
    internet_stop "$directory"
    internet_in "$netns" ip link delete "$prefix-wan" 2>/dev/null
    ip netns delete "$prefix-internet" 2>/dev/null
    return 0
}

# internet_squid DIRECTORY CONFIG NETNS ADDRESS PORT: starts squid in NETNS with exactly this configuration, in a mount
# namespace in which the names are those of DIRECTORY and in which its pid file and logs are not the machine's:
# the logs are in DIRECTORY/squid. Returns when it listens. internet_squid_stop DIRECTORY ends it.
internet_squid()
{
    internet_program squid "$1" "$3" "$4" "$5" squid -N -f "$2"
}

# internet_haproxy DIRECTORY CONFIG NETNS ADDRESS PORT: the same for the pass-through, whose log is
# DIRECTORY/squid/haproxy. internet_haproxy_stop DIRECTORY ends it.
internet_haproxy()
{
    internet_program haproxy "$1" "$3" "$4" "$5" haproxy -f "$2"
}

# internet_program NAME DIRECTORY NETNS ADDRESS PORT COMMAND...
internet_program()
{
    local name=$1 directory=$2 netns=$3 address=$4 port=$5 enter=()
    shift 5
    [[ -z $netns ]] || enter=(ip netns exec "$netns")
    mkdir -p "$directory/squid"
    chmod 1777 "$directory/squid"
    "${enter[@]}" unshare --mount --propagation private sh -ec '
        mount --bind "$1/hosts" /etc/hosts
        mount --bind "$1/squid" /var/log/squid
        resolver=$(readlink -m /etc/resolv.conf)
        mount -t tmpfs -o mode=0755 tmpfs /run
        mount -t tmpfs -o mode=1777 tmpfs /dev/shm
        mkdir -p "${resolver%/*}"
        [ -e "$resolver" ] || : >"$resolver"
        mount --bind "$1/resolv.conf" /etc/resolv.conf
        shift
        exec "$@"' sh "$directory" "$@" \
        </dev/null >"$directory/squid/$name" 2>"$directory/squid/$name.errors" 3>&- &
    echo $! >"$directory/$name.pid"
    disown
    if ! internet_poll 20 internet_settled "$directory/$name.pid" "$netns" "$address" "$port" ||
        internet_ended "$directory/$name.pid"; then
        cat "$directory/squid/$name" "$directory/squid/$name.errors" >&2
        return 1
    fi
}

internet_ended()
{
    internet_gone "$(<"$1")"
}

internet_settled()
{
    internet_ended "$1" || [[ -n $(internet_in "$2" ss -Hltn "src $3 and sport = :$4") ]]
}

internet_squid_stop()
{
    internet_end "$1/squid.pid"
}

internet_haproxy_stop()
{
    internet_end "$1/haproxy.pid"
}
