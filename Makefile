# Thin: what is built and tested is said in meson.build. `make main` and `make test` do all set-up.
MESON_FLAGS =
FUZZ_SECONDS = 60

.PHONY: main test bench fuzz format clean setup

main: build/build.ninja
	meson compile -C build
	build/tests/sample
	tests/demo.py build/lib/libmemalloc-preload.so --overflow build/tests/overflow

test: build-test/build.ninja
	meson test -C build-test --print-errorlogs --no-suite planted
	meson test -C build-test --print-errorlogs --no-suite planted --setup memcheck

bench: build/build.ninja
	meson test -C build --benchmark --verbose

fuzz:
	@tests/setup.sh fuzz
	fuzz/run.py --seconds $(FUZZ_SECONDS)

format: setup
	tests/style.py --write

clean:
	rm -rf build build-test build-fuzz build-fuzz-afl build-ci-*

setup:
	@tests/setup.sh

build/build.ninja: | setup
	meson setup build --buildtype=release -Db_lto=true $(MESON_FLAGS)

build-test/build.ninja: | setup
	meson setup build-test --buildtype=debugoptimized $(MESON_FLAGS)
