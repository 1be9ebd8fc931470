#!/bin/sh
# Installs what is missing to build and test memalloc, from Debian packages. With "ci": what the other
# compilers of .ci/run need, too; with "fuzz": what `make fuzz` needs. Does nothing, quickly, when nothing is
# missing.
set -u

packages=

# need WHAT PACKAGE: a command, or a file (a pattern) that the package brings
need() {
	case $1 in
	/*) for file in $1; do [ -e "$file" ] && return; done ;;
	*) command -v "$1" >/dev/null && return ;;
	esac
	packages="$packages $2"
}

need gcc gcc
need /usr/include/stdlib.h libc6-dev
need g++ g++
need make make
need nm binutils
need meson meson
need ninja ninja-build
need pkg-config pkgconf
need python3 python3
need /usr/include/cmocka.h libcmocka-dev
need valgrind valgrind
need clang-format-14 clang-format-14
need sqlite3 sqlite3
need_symbolizer() {
	need llvm-symbolizer-$1 llvm-$1
}

need_clang() {
	need clang-$1 clang-$1
	need_symbolizer $1
	need "/usr/lib/llvm-$1/lib/clang/$1*/lib/linux/libclang_rt.asan-*.a" libclang-rt-$1-dev
}

case ${1-} in
ci)
	need_clang 14
	need_clang 19
	;;
fuzz) need_clang 14 ;;
*)
	# What is there is tested with: a sanitizer names functions by the symbolizer of its own version.
	for version in 14 19; do
		command -v clang-$version >/dev/null && need_symbolizer $version
	done
	;;
esac
[ -n "$packages" ] || exit 0

give_up() {
	echo "memalloc needs these Debian packages:$packages" >&2
	echo "$1; install them, or what they are called on this system, and try again." >&2
	exit 1
}

root=
command -v apt-get >/dev/null || give_up "There is no apt-get here"
if [ "$(id -u)" != 0 ]; then
	root="sudo -n"
	$root true 2>/dev/null || give_up "This needs root, or sudo without a password"
fi

install() {
	# shellcheck disable=SC2086
	$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages </dev/null
}

echo "installing:$packages"
install >/dev/null 2>&1 && exit 0
$root apt-get update -qq </dev/null
install || give_up "apt-get could not install them"
