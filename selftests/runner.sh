#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What vm/run and debug/run have in common.  Sourced; expects $tree, $name (of
# the runner) and the defaults of $seconds and $memory.

: "${tree:?}" "${name:?}"

# prepare_run COMMAND...: the folder $out, with what selftests/guest looks for
prepare_run() {
	local variable base=$out number=1
	mkdir -p "$(dirname "$out")"
	# Another run may be using it.
	until exec 8> "$out.lock" && flock -n 8; do
		number=$((number + 1))
		out=$base.$number
	done
	rm -rf "$out"
	mkdir -p "$out"
	out=$(cd "$out" && pwd)
	ln -s "$tree/selftests/guest" "$out/guest"
	{
		for variable in T COLOUR MATRIX PYTEST_ADDOPTS; do
			[ -z "${!variable+set}" ] ||
				printf 'export %s=%q\n' "$variable" "${!variable}"
		done
		printf 'export GUEST=%q CYGNET_KO=%q CYGNET_BIN=%q\n' \
			"$name" "${module:?}" "$tree/build/userspace"
		printf 'cd %q && exec' "$PWD"
		printf ' %q' "$@"
		echo
	} > "$out/command"
}

# finish STATUS: exits with the verdict, STATUS being the guest's own
finish() {
	local status=$1
	case $status,$(cat "$out/status" 2> /dev/null) in
	0,0)
		[ ! -e "$out/verdict" ] || status=1
		;;
	0,?*)
		status=$(cat "$out/status")
		;;
	124,* | 137,*)
		status=124
		echo "$name: stopped after ${seconds:?} seconds"
		;;
	*)
		status=1
		echo "$name: the guest died; its last words:"
		tail -n 40 "$out/console"
		;;
	esac
	[ "$status" = 0 ] || echo "$name: failed ($status); logs are in $out"
	exit "$status"
}
