#!/bin/sh
# After the files are in place: "configure [old version]" of dpkg; 1 (installed) or 2 (upgraded) of rpm.
set -eu

if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers mirror.conf
elif ! getent passwd mirror >/dev/null; then
	useradd --system --user-group --home-dir /var/lib/mirror --no-create-home --shell /usr/sbin/nologin --comment "Mirror of Kafka topics" mirror
fi

# The service reads it through its group. Whoever gave it to another group meant that.
if [ "$(stat -c %G /etc/mirror/mirror.yaml 2>/dev/null)" = root ]; then
	chgrp mirror /etc/mirror/mirror.yaml
fi

# A running mirror is restarted: it drains, and goes on where it was. Nothing is enabled or started that was not.
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	if [ -n "${2:-}" ] || [ "$1" = 2 ]; then
		systemctl try-restart mirror.service || echo "mirror was not restarted; see: systemctl status mirror" >&2
	fi
fi
