#!/bin/sh
# Builds the packages, deb and rpm, into a directory: packaging/build.sh [DIRECTORY]
#
#   VERSION   of the packages; default: of the newest tag v*, and how many commits came since
#   ARCHES    default: amd64 arm64
set -eu
cd "$(dirname "$0")/.."
out=${1:-dist}
go=${GO:-go}

describe() {
	tagged=$(git describe --tags --match 'v[0-9]*' 2>/dev/null) && echo "$tagged" | sed 's/^v//; s/-\([0-9]*\)-g/+\1.g/; s/-/~/' && return
	echo "0.0.0~$(git rev-list --count HEAD).g$(git rev-parse --short HEAD)"
}
VERSION=${VERSION:-$(describe)}
# The same commit gives the same packages.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export VERSION SOURCE_DATE_EPOCH

mkdir -p "$out"
STAGE=$(mktemp -d)
export STAGE
trap 'rm -rf "$STAGE"' EXIT
mkdir -p "$STAGE/man" "$STAGE/completions" "$STAGE/share" "$STAGE/doc"

CGO_ENABLED=0 $go build -trimpath -o "$STAGE/mirror" ./cmd/mirror # for this machine
"$STAGE/mirror" man "$STAGE/man"
gzip -9n "$STAGE"/man/*
for shell in bash zsh fish; do
	"$STAGE/mirror" completion "$shell" >"$STAGE/completions/$shell"
done
cp docs/*.md README.md CHANGELOG.md "$STAGE/doc/"
cp -r configs "$STAGE/share/configs"
for part in alertmanager grafana nagios prometheus sensu; do
	cp -r "packaging/$part" "$STAGE/share/"
done

# The licences of all that is linked in, as they ask for it.
{
	echo "This program contains the following modules."
	$go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/mirror | sort -u | while read -r module version dir; do
		for text in "$dir"/LICENSE* "$dir"/COPYING* "$dir"/NOTICE*; do
			if [ -f "$text" ]; then printf '\n=== %s %s: %s\n\n' "$module" "$version" "$(basename "$text")" && cat "$text"; fi
		done
	done
	printf '\n=== Go\n\n' && cat "$($go env GOROOT)/LICENSE"
} >"$STAGE/doc/third-party-licenses.txt"
find "$STAGE/share" "$STAGE/doc" "$STAGE/man" -type f -exec chmod 644 {} +
find "$STAGE/share" "$STAGE/doc" "$STAGE/man" -type d -exec chmod 755 {} +

for ARCH in ${ARCHES:-amd64 arm64}; do
	export ARCH
	CGO_ENABLED=0 GOOS=linux GOARCH=$ARCH $go build -trimpath -ldflags '-s -w' -o "$STAGE/$ARCH/mirror" ./cmd/mirror
	for packager in deb rpm; do
		$go tool -modfile=packaging/nfpm.mod nfpm package --config packaging/nfpm.yaml --packager $packager --target "$out/"
	done
done
