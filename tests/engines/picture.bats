# SPDX-License-Identifier: Apache-2.0
#
# The pictures in the README are of real runs, and not out of date.

ROOT=$BATS_TEST_DIRNAME/../..
PICTURES=$ROOT/packaging/picture

# lines: of text on standard input, by way of a picture.
lines()
{
    python3 "$PICTURES/render.py" svg "a & b" >"$BATS_TEST_TMPDIR/some.svg"
    python3 "$PICTURES/render.py" lines "$BATS_TEST_TMPDIR/some.svg"
}

@test "quickstart and network show print, but for figures, what their pictures have" {
    "$PICTURES/make" "${SALLYPORT_BUILD_DIRECTORY:?is the build directory}" --check 3>&-
}

@test "a picture keeps every character, and differs where a word does and not where a figure does" {
    local text=$'\e[1m# a <b> & "c"\e[0m\n\n  \e[32mok\e[0m  two  words   12.50 ms' expected=$'# a <b> & "c"\n\nok two words N ms'
    [[ $(lines <<<"$text") == "$expected" ]]
    [[ $(lines <<<"${text/12.50/3}") == "$expected" ]]
    [[ $(lines <<<"${text/ok/NO}") == "${expected/ok/NO}" ]]
}
