# SPDX-License-Identifier: Apache-2.0
#
# What the pages of the project promise of the project itself.

# named_tests FILE: the tests that a page names as `FILE` "CASE", one "FILE<tab>CASE" a line.
named_tests()
{
    grep -o '`[a-z_]*\.\(bats\|c\)` "[^"]*"' "$1" | sed 's/^`\([^`]*\)` "\(.*\)"$/\1\t\2/'
}

# exists FILE CASE
exists()
{
    local root=$BATS_TEST_DIRNAME/..
    case $1 in
    *.bats) grep -qFx "@test \"$2\" {" "$root/engines/$1" ;;
    *.c) cat "$root/unit/$1" "$root/kernel/$1" 2>/dev/null | grep -q "^Test([a-z_]*, $2[,)]" ;;
    esac
}

@test "each promise of SECURITY.md names tests, and they exist" {
    local file case count=0 row
    while IFS=$'\t' read -r file case; do
        exists "$file" "$case" || { echo "no such test: $file \"$case\""; return 1; }
        count=$((count + 1))
    done < <(named_tests "$BATS_TEST_DIRNAME/../../SECURITY.md")
    [[ $count -ge 40 ]]
    while read -r row; do
        [[ $row == *'` "'* ]] || { echo "names no test: $row"; return 1; }
    done < <(sed -n '/^## Promises/,/^## /s/^| [A-Z]/&/p' "$BATS_TEST_DIRNAME/../../SECURITY.md")
    if exists docker_exec.bats "exec does what it likes" || exists member.c "does_what_it_likes"; then
        echo "everything seems to exist"
        return 1
    fi
}
