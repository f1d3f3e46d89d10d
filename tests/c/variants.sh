#!/bin/sh
# The variants of the Makefile, other compilers and machines: what each needs, and a table of how they went.
#
#   variants.sh missing NAME         print what NAME needs and this machine lacks, and nothing if it can run
#   variants.sh try NAME [SAMPLE=n]  run NAME if it can run; print what did not pass, and the totals
#   variants.sh table FILE NAME...   run each NAME (`native` for plain make) and write a table of Markdown to FILE
#
# Environment: MAKE; ZIG and WINE, the commands of zig and wine; BUILD_ROOT, where logs go.
set -u
cd "$(dirname "$0")" || exit 2
: "${MAKE:=make}" "${ZIG:=python3 -m ziglang}" "${CC:=cc}" "${WINE:=wine64}" "${BUILD_ROOT:=build}"

# The compiler and the emulator of a variant; the packages of Debian that bring them.
describe() {
    compiler=$CC emulator='' packages=''
    case $1 in
    native) ;;
    clang) compiler=clang packages=clang ;;
    zig) compiler=$ZIG packages='ziglang of PyPI' ;;
    wine) compiler=$ZIG emulator=$WINE packages='ziglang of PyPI, wine64' ;;
    aarch64) compiler=aarch64-linux-gnu-gcc emulator=qemu-aarch64-static
             packages='gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static' ;;
    s390x) compiler=s390x-linux-gnu-gcc emulator=qemu-s390x-static
           packages='gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user-static' ;;
    riscv64) compiler=riscv64-linux-gnu-gcc emulator=qemu-riscv64-static
             packages='gcc-riscv64-linux-gnu libc6-dev-riscv64-cross qemu-user-static' ;;
    ppc64le) compiler=powerpc64le-linux-gnu-gcc emulator=qemu-ppc64le-static
             packages='gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross qemu-user-static' ;;
    nehalem | haswell) emulator=qemu-x86_64-static packages=qemu-user-static ;;
    simde) emulator=simde packages='gcc libsimde-dev' ;;
    sanitize | plain) packages=gcc ;;
    fused) compiler=clang packages=clang ;;
    *) echo "variants.sh: no variant $1" >&2; exit 2 ;;
    esac
}

processor() { sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2> /dev/null | head -n 1; }

# version COMMAND: its first line about itself.
version() {
    case $1 in
    *zig*) echo "zig $($1 version)" ;;
    simde)
        printf '#include <simde/simde-common.h>\nSIMDe SIMDE_VERSION_MAJOR.SIMDE_VERSION_MINOR.SIMDE_VERSION_MICRO\n' |
            $CC -E -P - | tail -n 1 | tr -d ' ' | sed 's/SIMDe/& /' ;;
    *) $1 --version 2> /dev/null | tr -d '\r' | head -n 1 ;;
    esac
}

missing() {
    describe "$1"
    lacks=''
    $compiler --version > /dev/null 2>&1 || $compiler version > /dev/null 2>&1 || lacks=$compiler
    [ -z "$emulator" ] || [ "$emulator" = simde ] || command -v "$emulator" > /dev/null ||
        lacks="${lacks:+$lacks and }$emulator"
    case $1 in
    simde)
        echo '#include <simde/x86/avx512.h>' | $compiler -E - > /dev/null 2>&1 || lacks="SIMDe's headers"
        grep -qw avx2 /proc/cpuinfo 2> /dev/null && grep -qw fma /proc/cpuinfo && grep -qw f16c /proc/cpuinfo ||
            { echo 'a processor with AVX2, FMA and F16C'; return; } ;;
    nehalem | haswell)
        [ "$(uname -m)" = x86_64 ] || { echo 'an x86-64 machine'; return; } ;;
    esac
    [ -z "$lacks" ] || echo "$lacks (packages: $packages)"
}

try() {
    lacks=$(missing "$1")
    if [ "$lacks" ]; then
        echo "skip $1: needs $lacks"
        return 0
    fi
    log=$BUILD_ROOT/$1.log status=0
    mkdir -p "$BUILD_ROOT"
    echo "make -C tests/c $*"
    start=$(date +%s)
    $MAKE --no-print-directory "$@" > "$log" 2>&1 || status=1
    if tail -n 5 "$log" | grep -q '^[0-9]* passed, '; then
        grep -E '^(FAIL|       )' "$log"
        sed -n 's/^skip .*(\(.*\))$/skipped: \1/p' "$log" | sort | uniq -c
        grep '^[0-9]* passed, ' "$log" | tail -n 1 | sed "s/^/$1: /"
    else
        tail -n 40 "$log"
    fi
    echo "$1 took $(($(date +%s) - start)) s"
    return $status
}

# One row of the table: from the log of a run that took some seconds and ended with a status.
row() {
    name=$1 log=$2 seconds=$3 status=$4
    describe "$name"
    command="make -C tests/c $name"
    [ "$name" != native ] || command='make -C tests/c'
    tr -d '\r' < "$log" | awk -v name="$name" -v command="$command" -v compiler="$(version "$compiler")" \
        -v emulator="${emulator:+$(version "$emulator")}" -v seconds="$seconds" -v status="$status" '
        # Programs print  ok   suite: test [isa]  notes
        / golden: logits, float32 \[/ && !/^skip/ {
            isa = $0
            sub(/.*\[/, "", isa)
            sub(/\].*/, "", isa)
            isas = isas (isas ? ", " : "") isa
        }
        /^golden: / { golden = $4 == 0 ? "same" : "**differ**"; seen = 1 }
        /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped/ {
            result = $0 # ... skipped; 1 of 12 programs crashed
            sub(/.*skipped/, "", result)
            result = $1 " / " $3 " / " ($5 + 0) result
        }
        END {
            if (name == "fused") {
                golden = golden == "same" ? "**same**" : "differ, as they must"
                if (status) result = result " **not seen**"
            } else if (status)
                result = (result ? result : "none") " **failed**"
            printf "| %s | `%s` | %s | %s | %s | %s | %s | %d |\n", name, command, compiler,
                emulator ? emulator : "this machine", isas ? isas : "none", seen ? golden : "not run", result, seconds
        }'
}

table() {
    file=$1
    shift
    failed=0
    mkdir -p "$BUILD_ROOT" "$(dirname "$file")"
    new=$BUILD_ROOT/table.md
    {
        echo '# The same tests under other compilers and on other machines'
        echo
        echo 'Written by `make cross`. Each row is the whole C suite ([tests/c](../tests/c/README.md)); "golden hashes"'
        echo 'tells whether every result has the bits of [golden.txt](../tests/c/golden.txt), on each instruction set named'
        echo 'as run. Under QEMU random samples are smaller; what has a hash is always whole. The rows "plain" and "fused" are built'
        echo 'with `-ffp-contract=fast`: `csrc/build.h` undoes it for gcc; clang heeds nothing else, and that its tests fail shows'
        echo 'that they can.'
        echo
        echo "Machine: $(processor), $(uname -s) $(uname -m), $( (. /etc/os-release && echo "$PRETTY_NAME") 2> /dev/null)."
        echo "Sources: $(git describe --always --dirty --exclude='*' 2> /dev/null || echo 'not under git')."
        echo
        echo '| variant | command | compiler | run by | instruction sets run | golden hashes | passed / failed / skipped | seconds |'
        echo '| --- | --- | --- | --- | --- | --- | ---: | ---: |'
    } > "$new"
    for name; do
        lacks=$(missing "$name")
        if [ "$lacks" ]; then
            echo "skip $name: needs $lacks"
            echo "| $name | | needs $lacks | | | not run | | |" >> "$new"
            continue
        fi
        log=$BUILD_ROOT/$name.log target=$name status=0
        [ "$name" != native ] || target=check
        echo "$name: log in tests/c/$log"
        start=$(date +%s)
        $MAKE --no-print-directory "$target" > "$log" 2>&1 || status=1
        row "$name" "$log" $(($(date +%s) - start)) $status | tee -a "$new"
        [ $status = 0 ] || failed=1
    done
    mv "$new" "$file"
    return $failed
}

action=${1:-}
[ $# -ge 2 ] || { sed -n '2,8p' "$0" >&2; exit 2; }
shift
case $action in
missing) missing "$1" ;;
try) try "$@" ;;
table) table "$@" ;;
*) echo "variants.sh: $action: not an action" >&2; exit 2 ;;
esac
