#!/bin/sh
# After the files are gone: "remove", "purge" or "upgrade" of dpkg; 0 (removed) or 1 (upgraded) of rpm.
set -eu

case "$1" in
remove | purge | 0)
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload
	fi
	;;
esac

case "$1" in
remove | 0)
	if [ -d /var/lib/mirror ]; then
		echo "mirror: /var/lib/mirror is kept: with it a new installation goes on without a gap"
	fi
	;;
purge)
	if [ -d /var/lib/mirror ]; then
		rm -rf /var/lib/mirror
		echo "mirror: /var/lib/mirror is deleted, with identities and events; the positions are at the source clusters, in the groups mirror.<link>"
	fi
	;;
esac
