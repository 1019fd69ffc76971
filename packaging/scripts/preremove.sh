#!/bin/sh
# Before the files go: "remove" or "upgrade" of dpkg; 0 (removed) or 1 (upgraded) of rpm.
set -eu

case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl --no-reload disable --now mirror.service || echo "mirror was not stopped in good order; see: systemctl status mirror" >&2
	fi
	;;
esac
