# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the programs say of themselves: for the tests that hold man pages and completions against it. After SALLYPORT, the
# command, is set.
#
#   help_subjects             "VERB" for each verb of sallyport, and the other programs, one a line
#   help_of SUBJECT           its help; "sallyport" is the command without a verb
#   help_options SUBJECT      the options that its help describes, sorted
#   help_source_options SUBJECT   those that its source takes
#   help_words SUBJECT        the fixed words that its usage has as arguments, "up down reload show list"

# help_verbs: of the table in the source; that `sallyport --help` has them all is a test's business.
help_verbs()
{
    sed -n '/^} VERBS/,/^}/s/^    {"\([a-z-]*\)", verb_.*/\1/p' "$BATS_TEST_DIRNAME/../../cli/main.c"
}

help_subjects()
{
    help_verbs
    printf '%s\n' sallyport-hook sallyport-runtime
}

help_of()
{
    case $1 in
    sallyport) "$SALLYPORT" --help ;;
    sallyport-*) "${SALLYPORT%/*}/$1" --help ;;
    *) "$SALLYPORT" "$1" --help ;;
    esac
}

# In the usage, up to the first empty line, every option counts; below, what a line begins with.
help_options()
{
    {
        echo --help
        help_of "$1" | sed '/^$/q' | grep -oE -- '(^|[ [(|])--?[a-z][a-z0-9-]*' || true
        help_of "$1" | sed -n 's/^  \(-[a-z-].*\)/\1/p' | sed 's/  .*//' | grep -oE -- '(^|, )--?[a-z][a-z0-9-]*' || true
    } | grep -oE -- '--?[a-z].*' | sort -u
}

# Long options, of getopt's tables and of comparisons.
help_source_options()
{
    local stem=$BATS_TEST_DIRNAME/../../cli/${1//-/_}
    case $1 in
    sallyport) stem=$BATS_TEST_DIRNAME/../../cli/main ;;
    sallyport-*) stem=$BATS_TEST_DIRNAME/../../hook/${1#sallyport-} ;;
    esac
    cat "$stem.c" "${stem}_command.c" 2>/dev/null |
        sed -nE -e 's/^ *\{"([a-z0-9-]+)", (no|required|optional)_argument.*/--\1/p' \
            -e 's/.*strcmp\(argv\[[^]]*\], "(--[a-z-]+)"\).*/\1/p' -e 's/.*take_own\(reader, "(--[a-z]+)".*/\1/p' |
        sort -u
}

help_words()
{
    help_of "$1" | sed '/^$/q' | grep -oE "sallyport $1 .*" | sed "s/^sallyport $1 //" |
        awk '{ for (i = 1; i <= NF && $i ~ /^[a-z|-]+$/ && $i !~ /^-/; i++) print $i }' | tr '|' '\n' | sort -u
}
