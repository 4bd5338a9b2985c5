# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The stage for programs that are used to fetch things: a site of the tests' internet, packages.example:8444, that has
# a git repository, an apt repository and a page, over TLS; the same page at the gateway, a member, over plain HTTP; and
# containers with the machine's /usr, in which the programs are run with the environment that `sallyport bundle` gives
# them and with nothing configured but the tests' CA.

source "$BATS_TEST_DIRNAME/common.bash"

SITE=https://packages.example:8444
PAGE="hello from the site"
USR_ROOTFS=$WORK/usr-rootfs

clients_stage_up()
{
    mkdir -p "$WORK/internet"
    internet_up spt "$WORK/internet" "" packages.example=203.0.113.20 attacker.example=203.0.113.66
    rootfs_make
    policy_write "$NETWORK" '.roles.agent.hosts = ["packages.example:8444"]
        | .roles.agent.reach += ["pair:8642"]'
    "$SALLYPORT" network up "$NETWORK"
    "$SALLYPORT" proxy-config squid "$NETWORK" >"$WORK/squid.conf"
    internet_squid "$WORK/internet" "$WORK/squid.conf" "" "$PROXY" 3128
    site_make
    usr_rootfs_make
    sleeper gateway gateway
    sleeper pair pair
    server site "ip netns exec spt-internet" 8444 "$WORK/internet/server.pem"
    server gateway "nsenter --net --target $(<"$WORK/gateway.pid")" 8642
    server pair "nsenter --net --target $(<"$WORK/pair.pid")" 8642
}

clients_stage_down()
{
    internet_squid_stop "$WORK/internet"
    small_stage_down
    internet_down spt "$WORK/internet" ""
}

site_make()
{
    local site=$WORK/site
    mkdir -p "$site/apt" "$WORK/deb/DEBIAN"
    echo "$PAGE" >"$site/page"
    git init --quiet --initial-branch=main "$WORK/repository"
    git -C "$WORK/repository" -c user.name=test -c user.email=test@example commit --quiet --allow-empty --message "$PAGE"
    git clone --quiet --bare "$WORK/repository" "$site/repository.git"
    git -C "$site/repository.git" update-server-info # plain files are enough then
    printf '%s\n' 'Package: sallyport-test' 'Version: 1' 'Architecture: all' 'Maintainer: test <test@example>' \
        'Description: test' >"$WORK/deb/DEBIAN/control"
    dpkg-deb --build "$WORK/deb" "$site/apt/test.deb" >/dev/null
    {
        dpkg-deb --field "$site/apt/test.deb"
        echo "Filename: ./test.deb"
        echo "Size: $(stat --format=%s "$site/apt/test.deb")"
        echo "SHA256: $(sha256sum "$site/apt/test.deb" | cut -d' ' -f1)"
    } >"$site/apt/Packages"
    printf 'Date: %s\nSHA256:\n %s %s Packages\n' "$(date -Ru)" "$(sha256sum "$site/apt/Packages" | cut -d' ' -f1)" \
        "$(stat --format=%s "$site/apt/Packages")" >"$site/apt/Release"
}

# server NAME ENTER PORT [CERTIFICATE]: serves $WORK/site, over TLS if there is a certificate. Each request is a line
# of $WORK/NAME.seen.
server()
{
    # shellcheck disable=SC2086 # the words of the command
    $2 python3 "$BATS_TEST_DIRNAME/site.py" "$WORK/site" "$3" ${4:+"$4"} >"$WORK/$1.seen" 2>&1 3>&- &
    echo $! >>"$WORK/witnesses"
    [[ ! -e $WORK/$1.pid ]] || echo $! >>"$WORK/$1.witnesses"
    disown
    eventually grep -q ready "$WORK/$1.seen" || fail "$1: $(cat "$WORK/$1.seen")"
}

usr_rootfs_make()
{
    local name
    mkdir -p "$USR_ROOTFS"/{dev,etc/ssl/certs,etc/apt/apt.conf.d,etc/apt/preferences.d,proc,sys,tmp,usr,var}
    for name in bin lib lib32 lib64 libx32 sbin; do
        [[ ! -L /$name ]] || ln -s "usr/$name" "$USR_ROOTFS/$name"
    done
    cp /etc/passwd /etc/group /etc/nsswitch.conf "$USR_ROOTFS/etc/"
    cp -a /etc/alternatives "$USR_ROOTFS/etc/"
    cp "$WORK/internet/ca.pem" "$USR_ROOTFS/etc/ssl/certs/ca-certificates.crt"
    cp "$WORK/internet/ca.pem" "$USR_ROOTFS/etc/ssl/certs/$(openssl x509 -in "$WORK/internet/ca.pem" -noout -hash).0"
    echo "deb [trusted=yes] $SITE/apt/ ./" >"$USR_ROOTFS/etc/apt/sources.list"
    : >"$USR_ROOTFS/etc/hosts"
    : >"$USR_ROOTFS/etc/resolv.conf"
}

# client COMMAND...: runs it as an agent's. $WITHOUT: a pattern of variables that are taken from it after the sealing.
client()
{
    bundle client agent "$@"
    configure client --arg root "$USR_ROOTFS" '.root.path = $root
        | .process.env = ["PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/tmp"]
        | .mounts += [{destination: "/usr", type: "bind", source: "/usr", options: ["rbind", "ro"]},
                      {destination: "/tmp", type: "tmpfs", source: "tmpfs"},
                      {destination: "/var", type: "tmpfs", source: "tmpfs"}]'
    seal client
    [[ -z ${WITHOUT-} ]] || configure client --arg without "$WITHOUT" '.process.env |= map(select(test($without; "i") | not))'
    run container_run client
}

# served COMMAND...: it succeeds and prints the page; and without the proxy's variables it does not.
served()
{
    client "$@"
    [[ $status -eq 0 && $output == *"$PAGE"* ]] || fail "exit status $status: $output"
    WITHOUT=proxy client "$@"
    [[ $status -ne 0 && $output != *"$PAGE"* ]] || fail "nothing to do with the variables: $output"
}

# direct ADDRESS COMMAND...: given a URL, it gets a page from the member itself; with NO_PROXY taken away it asks the
# proxy, which refuses.
direct()
{
    local url=http://$1:8642/for-$2 # for nobody else: the proxy's journal has to tell them apart
    cp "$WORK/site/page" "$WORK/site/for-$2"
    shift
    client "$@" "$url"
    [[ $status -eq 0 && $output == *"$PAGE"* ]] || fail "exit status $status: $output"
    WITHOUT=no_proxy client "$@" "$url"
    [[ $output != *"$PAGE"* ]] || fail "nothing to do with NO_PROXY: $output"
    eventually grep -qF "GET $url" "$WORK/internet/squid/sallyport-$NETWORK.access"
}
