#!/usr/bin/env bash
# Runs the suite over an add-on built with AddressSanitizer and UndefinedBehaviorSanitizer.
# Arguments go to vitest. Everything else is expected to be built (npm run build).
set -euo pipefail
cd "$(dirname "$0")/.."

# node-gyp-build looks for DIR/build/Release/*.node where MEMMAP_PREBUILD=DIR.
out="$PWD/out/asan"
rm -f "$out"/build/Release/*.node
node scripts/build-native-tests.mjs --out="$out/build" --target=memmap_addon \
  --CDMEMMAP_SANITIZE=address,undefined
[ -f "$out/build/Release/memmap.node" ] || { echo "no out/asan/build/Release/memmap.node" >&2; exit 1; }

libasan=$(realpath "$(${CC:-gcc} -print-file-name=libasan.so)")
libubsan=$(realpath "$(${CC:-gcc} -print-file-name=libubsan.so)")
# Node itself leaks by design; the sanitizers' own SIGSEGV and SIGBUS handlers stay in place below
# the guard, so that a fault which is not ours is still reported.
export MEMMAP_RUN=asan MEMMAP_PREBUILD="$out" MEMMAP_REPORT="${MEMMAP_REPORT:-asan}"
export ASAN_OPTIONS="detect_leaks=0:allow_user_segv_handler=1:strict_string_checks=1:detect_stack_use_after_return=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
LD_PRELOAD="$libasan:$libubsan" exec node node_modules/vitest/vitest.mjs run "$@"
