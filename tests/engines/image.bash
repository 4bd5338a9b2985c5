# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
#   image_root DIRECTORY    makes the root file system of the engines' test image: busybox, curl, the probe (as /probe),
#                           root and nobody
#   image_squid DIRECTORY   adds squid, as the packaged Dockerfile has it

image_root()
{
    local root=$1 applet library
    mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp,root,data}
    chmod 1777 "$root/tmp"
    cp "$(type -P busybox)" "$root/bin/busybox"
    for applet in $(busybox --list); do
        [[ $applet == busybox ]] || ln -sf busybox "$root/bin/$applet"
    done
    cp "$SALLYPORT_BUILD_DIRECTORY/probe/probe" "$root/probe"
    cp "$(type -P curl)" "$root/bin/curl"
    while read -r library; do
        mkdir -p "$root${library%/*}"
        cp -L "$library" "$root$library"
    done < <(ldd "$(type -P curl)" | grep -o '/[^ ]*')
    printf '%s\n' root:x:0:0:root:/root:/bin/sh nobody:x:65534:65534:nobody:/:/bin/sh >"$root/etc/passwd"
    printf '%s\n' root:x:0: nogroup:x:65534: >"$root/etc/group"
}

image_squid()
{
    local root=$1 library
    mkdir -p "$root"/{etc/squid,usr/sbin,usr/share,usr/lib/squid}
    cp "$(type -P squid)" "$root/usr/sbin/squid"
    ln -sf /usr/sbin/squid "$root/bin/squid"
    cp /usr/lib/squid/unlinkd "$root/usr/lib/squid/"
    cp -rL /usr/share/squid "$root/usr/share/squid"
    while read -r library; do
        mkdir -p "$root${library%/*}"
        cp -L "$library" "$root$library"
    done < <(ldd "$(type -P squid)" | grep -o '/[^ ]*')
    echo proxy:x:13:13:proxy:/bin:/bin/sh >>"$root/etc/passwd"
    echo proxy:x:13: >>"$root/etc/group"
}
