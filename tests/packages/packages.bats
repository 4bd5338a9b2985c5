# SPDX-License-Identifier: Apache-2.0
#
# The packages, on a Debian of their own: one installation from its first file to its last, with a network and a container
# that live through an upgrade. Run by tests/packages/run, which has built what SALLYPORT_PACKAGES holds; each case goes
# on where the one before it ended.

: "${SALLYPORT_PACKAGES:?is where tests/packages/run has built}" "${SALLYPORT_DEBIAN:?is the root that debootstrap made}"
DEBS=$SALLYPORT_PACKAGES/debs
BUILT=$(echo "$SALLYPORT_PACKAGES"/deb-build/sallyport-*/)
ROOT=$BATS_FILE_TMPDIR/root
LISTS=$BATS_FILE_TMPDIR
POLICIES=$ROOT/etc/sallyport/networks.d

bats_require_minimum_version 1.5.0

setup_file()
{
    mkdir "$ROOT"
    tar -C "$ROOT" -xf "$SALLYPORT_DEBIAN"
    mount --bind "$ROOT" "$ROOT" # containers pivot from a mount
    mount -t proc proc "$ROOT/proc"
    mount --rbind /sys "$ROOT/sys"
    mount --rbind /dev "$ROOT/dev"
    mount -t tmpfs -o mode=0755 tmpfs "$ROOT/run"
    mkdir -p "$ROOT/etc/docker" "$ROOT/etc/containers/containers.conf.d" # as the engines' packages do
}

teardown_file()
{
    debian runc delete --force agent 2>/dev/null || true
    umount --recursive "$ROOT"
}

fail()
{
    echo "$*" >&2
    return 1
}

says()
{
    [[ $output == *"$1"* ]] || fail "expected \`$1\` in: $output"
}

# debian COMMAND...: as root of that Debian.
debian()
{
    chroot "$ROOT" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@" 3>&-
}

# install_debs DIRECTORY NAME...: by dpkg. squid and logrotate are a second system's worth of packages, and are not there:
# that they can be had is a case of its own.
install_debs()
{
    local directory=$1 name
    shift
    rm -rf "$ROOT/run/debs"
    mkdir "$ROOT/run/debs"
    for name; do
        cp "$directory/$name"_*.deb "$ROOT/run/debs/"
    done
    debian sh -c 'dpkg --force-depends --install /run/debs/*.deb'
}

# Every file of that Debian with type, mode, owner and target; those of /etc with their contents. What the package manager
# writes down for itself is no file of a package.
files()
{
    (
        cd "$ROOT"
        find . -xdev -path ./var/lib/dpkg -prune -o -printf '%P %y %m %U:%G %l\n'
        find etc -type f -exec cksum {} +
        find var/lib/dpkg/info -name '*sallyport*'
    ) | LC_ALL=C sort
}

# What networks are made of, in this machine's kernel.
kernel_state()
{
    ip -o link show | awk -F': ' '{ print "link " $2 }'
    ip rule show
    ip route show table all
    nft list tables
    find "$ROOT/run/netns" -name 'sallyport-*' 2>/dev/null || true
}

# policy NETWORK SUBNET-PREFIX [PORT]
policy()
{
    cat >"$POLICIES/$1.json" <<EOF
{
  "version": 1,
  "subnet": "$2.0/24",
  "proxy": { "address": "$2.2", "port": ${3-3128}, "at": "host" },
  "roles": { "agent": { "addresses": "$2.64/26", "reach": ["proxy"] } }
}
EOF
}

# container ID: makes a bundle in the network hermes, seals it and starts it, all by what is installed.
container()
{
    local bundle=/run/bundles/$1
    mkdir -p "$ROOT$bundle/rootfs/"{bin,dev,etc,proc,sys}
    cp "$(command -v busybox)" "$ROOT$bundle/rootfs/bin/"
    debian runc spec --bundle "$bundle"
    jq --arg cgroups "$SALLYPORT_TEST_CGROUPS/$1" '
        .process.terminal = false | .process.args = ["/bin/busybox", "sleep", "600"] | .linux.cgroupsPath = $cgroups' \
        <"$ROOT$bundle/config.json" >"$ROOT$bundle/new"
    mv "$ROOT$bundle/new" "$ROOT$bundle/config.json"
    debian sallyport bundle --network hermes --role agent "$bundle"
    debian runc run --detach --bundle "$bundle" "$1" </dev/null >"$BATS_FILE_TMPDIR/$1.log" 2>&1 ||
        fail "$(cat "$BATS_FILE_TMPDIR/$1.log")"
}

# sealed ID: it has its one link, into the hub, and the hub has its other end.
sealed()
{
    local address
    address=$(debian runc exec "$1" /bin/busybox ip -4 address show dev sp0 | sed -n 's/.*inet \(10\.209\.0\.[0-9]*\).*/\1/p')
    [[ -n $address ]]
    debian sallyport network show hermes | grep "$address .*agent" || fail "$(debian sallyport network show hermes)"
}

# standing NETWORK: "yes in force" for one that is up and runs its policy file.
standing()
{
    debian sallyport network list --json | jq -r --arg name "$1" '.[] | select(.network == $name) | "\(.up) \(.policy)"'
}

# repack DIRECTORY NAME VERSION [COMMAND...]: the package with another version, after the command has changed its files
# (in the current directory).
repack()
{
    local directory=$1 name=$2 version=$3 tree=$BATS_FILE_TMPDIR/repack
    shift 3
    mkdir -p "$directory"
    rm -rf "$tree"
    dpkg-deb --raw-extract "$DEBS/$name"_*.deb "$tree"
    sed -i "s/^Version: .*/Version: $version/" "$tree/DEBIAN/control"
    (cd "$tree" && "$@")
    dpkg-deb --root-owner-group -Znone --build "$tree" "$directory/${name}_$version.deb"
}

@test "lintian finds nothing in them; it does in one without its copyright" {
    run lintian --fail-on error,warning --tag-display-limit 0 "$DEBS"/*.deb
    [ "$status" -eq 0 ] || fail "$output"
    repack "$BATS_FILE_TMPDIR/flawed" sallyport-podman 0.1.0 rm -r usr/share/doc/sallyport-podman/copyright
    run lintian --fail-on error,warning "$BATS_FILE_TMPDIR/flawed"/*.deb
    [ "$status" -ne 0 ]
    says no-copyright-file
}

@test "one version, that of meson.build, in all of them" {
    version=$(sed -n "s/^  version: '\(.*\)',/\1/p" "$BUILT/meson.build")
    for package in "$DEBS"/*.deb; do
        [[ $(dpkg-deb --field "$package" Version) == "$version" ]]
    done
    for package in "$SALLYPORT_PACKAGES"/rpms/*/*.rpm; do
        [[ $(rpm --query --package --queryformat '%{VERSION}' "$package") == "$version" ]]
    done
    [[ $(grep -m 1 '^## ' "$BUILT/CHANGELOG.md") == "## $version ("* ]]
    [[ $(ls "$DEBS" | wc -l) == 4 && $(ls "$SALLYPORT_PACKAGES"/rpms/*/*.rpm | wc -l) == 4 ]]
}

@test "the programs are hardened, and those that start with every container need no library" {
    "$BATS_TEST_DIRNAME/../analysis/hardened" "$BUILT"/obj-*/sallyport{,-hook,-runtime}
    for program in hook runtime; do
        run ! bash -c "readelf -d '$BUILT'/obj-*/sallyport-$program | grep NEEDED"
    done
}

@test "what they depend on can be had" {
    apt-get install --simulate --quiet --no-install-recommends "$DEBS"/sallyport_*.deb "$DEBS"/sallyport-squid_*.deb \
        "$DEBS"/sallyport-podman_*.deb
}

@test "the .rpms have everything, where the macros say" {
    rpm --query --list --package "$SALLYPORT_PACKAGES"/rpms/*/*.rpm | sort >"$LISTS/rpm"
    for file in /opt/sallyport/bin/sallyport{,-hook,-runtime} /opt/sallyport/libexec/sallyport/{probe,upkeep} \
        /opt/etc/sallyport/networks.d /opt/etc/logrotate.d/sallyport-squid \
        /opt/share/containers/oci/hooks.d/sallyport{,-mandatory}.json \
        /opt/units/sallyport-{network@.service,reload@.path,reload@.service,squid@.service,haproxy@.service,proxy-config@.path}; do
        grep -qxF "$file" "$LISTS/rpm" || fail "no $file in: $(cat "$LISTS/rpm")"
    done
    run ! grep -v -e '^/opt/' -e '^/var/log/sallyport$' -e '^/usr/lib/\.build-id' "$LISTS/rpm" # the last is rpmbuild's own
    mkdir "$LISTS/rpms"
    for package in "$SALLYPORT_PACKAGES"/rpms/*/*.rpm; do
        rpm2archive --nocompression <"$package" | tar -C "$LISTS/rpms" -xf -
    done
    grep -x 'ExecStart=/opt/sallyport/bin/sallyport network up %i' "$LISTS/rpms/opt/units/sallyport-network@.service"
    grep -x 'PathChanged=/opt/etc/sallyport/networks.d/%i.json' "$LISTS/rpms/opt/units/sallyport-reload@.path"
    grep -F '"/opt/sallyport/bin/sallyport-hook"' "$LISTS/rpms/opt/share/containers/oci/hooks.d/sallyport.json"
    "$LISTS/rpms/opt/sallyport/bin/sallyport" --help | grep -F /opt/etc/sallyport/networks.d
}

@test "installed, nothing is started, enabled or changed" {
    files >"$LISTS/files-before"
    kernel_state >"$LISTS/kernel-before"
    install_debs "$DEBS" sallyport sallyport-squid sallyport-podman
    kernel_state | diff "$LISTS/kernel-before" -
    find "$ROOT/etc/systemd" -name '*sallyport*' | diff /dev/null -
    debian sallyport --version
    # Of files that were there before, none is another.
    files | LC_ALL=C comm -23 "$LISTS/files-before" - | diff /dev/null -
    run debian dpkg --audit
    [ -z "${output##*squid*}" ] || fail "$output" # its dependencies, see install_debs
    run install_debs "$DEBS" sallyport-podman-mandatory
    [ "$status" -ne 0 ]
    says "conflict"
}

@test "the mandatory hook is the only one, whatever else makes Podman know us" {
    debian dpkg --remove sallyport-podman
    install_debs "$DEBS" sallyport-podman-mandatory
    debian sallyport install podman
    [[ $(ls "$ROOT/usr/share/containers/oci/hooks.d") == sallyport-mandatory.json && ! -e $ROOT/etc/containers/oci ]]
    debian dpkg --remove sallyport-podman-mandatory
    debian sallyport install podman
    [[ -e $ROOT/etc/containers/oci/hooks.d/sallyport.json ]]
    run debian /usr/libexec/sallyport/upkeep before-removal
    [ "$status" -ne 0 ]
    says "sallyport install podman --undo"
    debian sallyport install podman --undo
    rmdir "$ROOT/etc/containers/oci/hooks.d" "$ROOT/etc/containers/oci"
    install_debs "$DEBS" sallyport-podman
}

@test "a real container is sealed by what is installed" {
    policy hermes 10.209.0
    policy edited 10.210.0
    debian sallyport network up hermes
    debian sallyport network up edited
    container agent
    sealed agent
}

@test "an upgrade to a version with other rules: the network stays, containers live, new ones start" {
    policy edited 10.210.0 3129 # and not reloaded
    echo "# ours" >>"$ROOT/etc/logrotate.d/sallyport-squid"
    sed -i 's/\(DIGEST_VERSION = \)[0-9]*/\19999/' "$BUILT/policy/digest.c"
    ninja -C "$BUILT"/obj-* sallyport sallyport-hook sallyport-runtime
    repack "$BATS_FILE_TMPDIR/next" sallyport 0.1.1 cp "$BUILT"/obj-*/sallyport{,-hook,-runtime} usr/bin/
    repack "$BATS_FILE_TMPDIR/next" sallyport-squid 0.1.1 true
    hub=$(stat -c %i "$ROOT/run/netns/sallyport-hermes")
    run install_debs "$BATS_FILE_TMPDIR/next" sallyport sallyport-squid
    [ "$status" -eq 0 ] || fail "$output"
    says "hermes: reloaded"
    [[ $output != *"edited: reloaded"* ]]
    [[ $hub == "$(stat -c %i "$ROOT/run/netns/sallyport-hermes")" ]]
    [[ $(standing hermes) == "true in force" && $(standing edited) == "true changed" ]]
    sealed agent
    container second
    sealed second
    debian runc delete --force second
    grep -x "# ours" "$ROOT/etc/logrotate.d/sallyport-squid"
    [[ ! -e $ROOT/run/sallyport-upgrade ]]
}

@test "without the reload, new containers would be refused after that upgrade" {
    install_debs "$DEBS" sallyport
    repack "$BATS_FILE_TMPDIR/broken" sallyport 0.1.1 bash -c "
        cp '$BUILT'/obj-*/sallyport{,-hook,-runtime} usr/bin/ && sed -i 's/^    each mend\$/    :/' usr/libexec/sallyport/upkeep"
    install_debs "$BATS_FILE_TMPDIR/broken" sallyport
    [[ $(standing hermes) == "true changed" ]]
    run container third
    [ "$status" -ne 0 ]
    says "network reload hermes"
    debian sallyport network reload hermes
    install_debs "$BATS_FILE_TMPDIR/next" sallyport
}

@test "removal is refused while a container runs or an engine is set up, and says what to do" {
    debian sallyport install docker --network hermes
    run debian dpkg --remove sallyport-podman sallyport-squid sallyport
    [ "$status" -ne 0 ]
    says "hermes: 1 sealed container(s) run"
    says "sallyport install docker --undo"
    debian sallyport --version
    sealed agent
    debian runc delete --force agent
    run debian dpkg --remove sallyport
    [ "$status" -ne 0 ]
    says "sallyport install docker --undo"
    [[ $output != *"sealed container"* ]]
    [[ -L $ROOT/etc/sallyport/runtimes/docker/sallyport-runtime.hermes.agent ]]
    debian sallyport install docker --undo
}

@test "removed: the networks are down, no program and no link is left, configuration is" {
    debian dpkg --remove sallyport
    kernel_state | diff "$LISTS/kernel-before" -
    [[ -e $POLICIES/hermes.json ]]
    grep -x "# ours" "$ROOT/etc/logrotate.d/sallyport-squid"
    [[ ! -e $ROOT/usr/bin/sallyport && ! -e $ROOT/usr/libexec/sallyport ]]
    find "$ROOT/etc/sallyport" -type l | diff /dev/null -
}

@test "purged: nothing is left; a file that is would be seen" {
    # What an administrator made of it: enabled instances, published ports, the proxy's configuration and logs.
    mkdir -p "$ROOT/etc/systemd/system/multi-user.target.wants" "$ROOT/etc/squid/sallyport-hermes" \
        "$ROOT"/var/log/{squid,sallyport}
    for unit in sallyport-network@hermes.service sallyport-squid@hermes.service sallyport-reload@hermes.path; do
        ln -s "/usr/lib/systemd/system/${unit/hermes/}" "$ROOT/etc/systemd/system/multi-user.target.wants/$unit"
    done
    echo '# Written by `sallyport publish hermes --install`: ' >"$ROOT/etc/systemd/system/sallyport-publish-hermes-80.socket"
    touch "$ROOT/etc/squid/sallyport-hermes/squid.conf" "$ROOT/var/log/squid/sallyport-hermes.access.1.gz" \
        "$ROOT/var/log/sallyport/hermes.pass-through.1.gz"
    debian dpkg --purge sallyport sallyport-squid sallyport-podman
    rmdir "$ROOT/etc/squid" "$ROOT/var/log/squid"
    rmdir --ignore-fail-on-non-empty "$ROOT/etc/systemd/system/multi-user.target.wants"
    files | diff "$LISTS/files-before" -
    find "$ROOT/run" -name '*sallyport*' -not -path "$ROOT/run/debs*" -not -path "$ROOT/run/bundles*" | diff /dev/null -
    touch "$ROOT/usr/share/planted"
    run ! diff "$LISTS/files-before" <(files)
    says planted
}
