# SPDX-License-Identifier: Apache-2.0
#
# What the pages of the project promise of the project itself. Their examples are run by pages.bats.

ROOT=$BATS_TEST_DIRNAME/../..
bats_require_minimum_version 1.5.0
MAN=$ROOT/packaging/man
SALLYPORT=${SALLYPORT_BUILD_DIRECTORY:?is the build directory}/sallyport
source "$BATS_TEST_DIRNAME/help.bash"

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
    *.bats) cat "$root/engines/$1" "$root/packages/$1" 2>/dev/null | grep -qFx "@test \"$2\" {" ;;
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

# page_options PAGE: what a man page's source describes below OPTIONS, sorted.
page_options()
{
    sed -n '/^# OPTIONS/,/^# [^O]/p' "$1" | grep '^\*-' | grep -oE '\*--?[a-z0-9][a-z0-9-]*\*' | tr -d '*' | sort -u
}

# page_of SUBJECT: the source of its man page.
page_of()
{
    case $1 in
    sallyport) echo "$MAN/sallyport.8.scd" ;;
    *) echo "$MAN/sallyport-${1#sallyport-}.8.scd" ;;
    esac
}

@test "every verb and program has a man page, with the options of its help, which has those of its source" {
    local subject word missing count=0
    for subject in sallyport $(help_subjects); do
        [[ -e $(page_of "$subject") ]] || { echo "no man page: $(page_of "$subject")"; return 1; }
        grep -qF "'$(basename "$(page_of "$subject")" .scd)'" "$MAN/meson.build" || { echo "not built: $subject"; return 1; }
        help_options "$subject" >"$BATS_TEST_TMPDIR/help"
        help_source_options "$subject" >"$BATS_TEST_TMPDIR/source"
        diff "$BATS_TEST_TMPDIR/help" <(page_options "$(page_of "$subject")") || { echo "$subject: < help, > man page"; return 1; }
        missing=$(comm -13 "$BATS_TEST_TMPDIR/help" "$BATS_TEST_TMPDIR/source")
        [[ -z $missing ]] || { echo "not in the help of $subject: $missing"; return 1; }
        for word in $(help_words "$subject"); do
            grep -qF -- "*$word*" "$(page_of "$subject")" || { echo "$subject $word is not in its man page"; return 1; }
        done
        count=$((count + $(wc -l <"$BATS_TEST_TMPDIR/source")))
    done
    [[ $count -ge 40 ]] || { echo "only $count options found in the sources"; return 1; }
    for subject in $(help_verbs); do
        grep -qx "\*$subject\*" "$(page_of sallyport)" || { echo "$subject is not in $(page_of sallyport)"; return 1; }
        "$SALLYPORT" --help | grep -q "^  $subject\b" || { echo "$subject is not in the help"; return 1; }
    done
}

@test "sallyport.json(5) describes each key that the schema, and so the parser, has" {
    local keys
    keys=$(jq -r '[.. | .properties? | objects | keys[]] | unique[]' "$ROOT/packaging/schema/policy.schema.json")
    [[ $(wc -w <<<"$keys") -ge 13 ]]
    diff <(sort -u <<<"$keys") \
        <(sed -n '/^# KEYS/,/^# F/p' "$MAN/sallyport.json.5.scd" | sed -n 's/^\t*\*\([a-z0-9]*\)\*$/\1/p' | sort -u)
}

# paths_in PAGE: the files and folders of the tree that it names in backquotes or links to.
paths_in()
{
    grep -oE '`[A-Za-z0-9_./-]+`|\]\([A-Za-z0-9_./-]+\)' "$1" | tr -d '`])(' | grep -E '/|\.md$'
}

@test "what CONTRIBUTING.md, README.md and docs name of the tree exists" {
    local page path count=0
    for page in "$ROOT"/CONTRIBUTING.md "$ROOT"/README.md "$ROOT"/docs/*.md; do
        while read -r path; do
            [[ $path == /* || $path != @(base|policy|netns|seccomp|hook|cli|probe|tests|packaging|docs|.|..)/* ]] && continue
            [[ -e $ROOT/$path || -e ${page%/*}/$path ]] || { echo "$page: there is no $path"; return 1; }
            count=$((count + 1))
        done < <(paths_in "$page")
    done
    [[ $count -ge 40 ]] || { echo "only $count found"; return 1; }
}

@test "every man page and every page of docs is one whose examples are run" {
    local page
    for page in "$MAN"/*.scd "$ROOT"/docs/*.md; do
        grep -qE "^    page ${page#"$ROOT/"}$" "$BATS_TEST_DIRNAME/pages.bats" || { echo "not in pages.bats: $page"; return 1; }
    done
}

# does TEXT: whether a page with this one block of examples is done as it says.
does()
{
    printf 'A page.\n\n```console\n%s\n```\n\n```json\n# false\n```\n' "$1" >"$BATS_TEST_TMPDIR/page.md"
    python3 "$BATS_TEST_DIRNAME/examples.py" run "$BATS_TEST_TMPDIR/page.md" "$BATS_TEST_TMPDIR/conversation" 3>&-
}

@test "an example that fails, or prints something else than the page has, is noticed" {
    does $'# echo one; echo two >&2\none\ntwo'
    does $'# seq 1 9\n1\n...\n8\n9\n# sh -c "exit 3"; echo "said"; (exit 3)\nsa...d\n# echo $?\n3'
    does $'# true\n# word=kept\n# echo $word\nkept'
    run ! does $'# false'
    run ! does $'# false\n...'
    run ! does $'# echo one\ntwo'
    run ! does $'# echo one\none\ntwo'
    run ! does $'# seq 1 3\n1\n2'
    run ! does $'# true\nnothing'
    run ! does $'# exit 0'
    run ! does $'one'
}

# policy_of PAGE: the first policy in it, as jq writes it.
policy_of()
{
    sed -nE '/^(> )?\{$/,/^(> )?\}$/p' "$1" | sed -E 's/^> //; /^}$/q' | jq -S .
}

@test "README.md and sallyport.json(5) have the same policy for an example" {
    [[ -n $(policy_of "$ROOT/README.md") ]]
    diff <(policy_of "$ROOT/README.md") <(policy_of "$MAN/sallyport.json.5.scd")
}

# groups_in: of the words of standard input behind "repeated:" or "groups:", up to the next option.
groups_in()
{
    tr '\n\t' '  ' | sed 's/.*\(repeated\|groups\)://; s/\*\?--far.*//' | tr -d ' .' | tr , '\n' | sed '$a\'
}

@test "verify's help and man page have the probe's groups" {
    local groups
    groups=$(sed -n 's/^ *GROUP(\([a-z0-9]*\)).*/\1/p' "$ROOT/probe/groups.h")
    diff <(echo "$groups") <("$SALLYPORT" verify --help | sed -n '/^  --only/,/^  --far/p' | groups_in)
    diff <(echo "$groups") <(sed -n '/^\*--only/,/^\*--far/p' "$MAN/sallyport-verify.8.scd" | groups_in)
}
