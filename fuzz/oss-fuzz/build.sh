#!/bin/sh -eu
# Builds every fuzz target as OSS-Fuzz and ClusterFuzzLite ask for it: with $CC, $CXX, $CFLAGS and $CXXFLAGS as they
# come, linked with $LIB_FUZZING_ENGINE, into $OUT, each beside its seeds and options. Where the sources are, this
# script knows; what else is built lies in $WORK, or in a folder of its own. fuzz/test_oss_fuzz.py runs it.

top=$(cd "$(dirname "$0")/../.." && pwd)
build=${WORK:-$(mktemp -d)}/memalloc-$SANITIZER

meson setup "$build" "$top" --buildtype=plain -Dassertions=true -Dannotations=disabled \
	-Dfuzz_engine=oss-fuzz -Dfuzz_engine_link="$LIB_FUZZING_ENGINE"
targets=$(ninja -C "$build" -t targets all | sed -n 's,^fuzz/\(fuzz_[a-z]*\): .*LINKER.*,\1,p')
for target in $targets; do
	ninja -C "$build" "fuzz/$target"
	cp "$build/fuzz/$target" "$OUT/"
	name=${target#fuzz_}
	mkdir -p "$build/seeds/$name"
	for folder in "$top/corpus/$name" "$top/corpus/regress/$name"; do
		if [ -d "$folder" ]; then cp "$folder"/* "$build/seeds/$name/"; fi
	done
	(cd "$build/seeds/$name" && python3 -m zipfile -c "$OUT/${target}_seed_corpus.zip" ./*)
	case $name in options) ninja -C "$build" "fuzz/$target.dict" && cp "$build/fuzz/$target.dict" "$OUT/" ;; esac
	printf '[libfuzzer]\nmax_len = 300\ntimeout = 30\nrss_limit_mb = 4096\n' >"$OUT/$target.options"
done
