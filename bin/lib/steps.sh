# Steps of bin/test: run, timed, counted, and told at the end.
# shellcheck shell=bash

failed_steps=()
notes=()
totals=()
began=$SECONDS

# step NAME COMMAND...: runs it, prints how long it took, and remembers that it failed.
step() {
    local name=$1 start=$SECONDS status
    shift
    printf '\n==> %s\n' "$name"
    "$@" </dev/null
    status=$?
    if [ $status -eq 0 ]; then
        printf '<== %s: done in %d s\n' "$name" $((SECONDS - start))
    else
        printf '<== %s: FAILED (exit %d) after %d s\n' "$name" "$status" $((SECONDS - start))
        failed_steps+=("$name")
    fi
    return $status
}

# note TEXT: said at once and again in the summary.
note() {
    printf '%s\n' "$*"
    notes+=("$*")
}

# count NAME PASSED FAILED: a line of the summary.
count() { totals+=("$1: $2 passed, $3 failed"); }

# count_cargo NAME LOG: adds up cargo test's result lines.
count_cargo() {
    local passed failed
    passed=$(sed -n 's/^test result: [a-zA-Z]*\. \([0-9]*\) passed; \([0-9]*\) failed.*/\1/p' "$2" | paste -sd+ | sed 's/^$/0/')
    failed=$(sed -n 's/^test result: [a-zA-Z]*\. \([0-9]*\) passed; \([0-9]*\) failed.*/\2/p' "$2" | paste -sd+ | sed 's/^$/0/')
    count "$1" $((passed)) $((failed))
}

# count_closing_line NAME LOG: takes the suite's own last line; a suite that has none has not run.
count_closing_line() {
    local line
    line=$(grep -E "^$1: [0-9]+ passed, [0-9]+ failed" "$2" | tail -n 1)
    if [ -z "$line" ]; then
        echo "$1 ended without its closing line"
        return 1
    fi
    totals+=("$line")
    case "$line" in
    "$1: 0 passed"*) echo "$1 ran no test"; return 1 ;;
    esac
}

# summary: the closing lines; the exit status of bin/test.
summary() {
    printf '\n'
    local line
    for line in ${notes[@]+"${notes[@]}"}; do printf '%s\n' "$line"; done
    for line in ${totals[@]+"${totals[@]}"}; do printf '%s\n' "$line"; done
    printf 'took %d min %d s\n' $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60))
    if [ ${#failed_steps[@]} -gt 0 ]; then
        printf 'failed:'
        printf ' [%s]' "${failed_steps[@]}"
        printf '\n'
        return 1
    fi
}
