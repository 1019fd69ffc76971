# The mirror and nothing else: one static binary, the authorities to trust, and a state directory, for a user without rights.
# Nothing is written but below /var/lib/mirror, so that the root may be read-only:
#
#   docker build -t mirror .
#   docker run --read-only -v ./mirror.yaml:/etc/mirror/mirror.yaml:ro -v mirror:/var/lib/mirror mirror
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /out/usr/bin/mirror ./cmd/mirror \
    && install -d -m 0700 -o 65532 -g 65532 /out/var/lib/mirror \
    && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ca-certificates.crt

FROM scratch
LABEL org.opencontainers.image.title="mirror" \
      org.opencontainers.image.description="Copies Kafka topics from cluster to cluster, and neither loses, doubles nor reorders a record"
COPY --from=build /out/ /
# The default of state_dir, and where commands find the running mirror.
ENV STATE_DIRECTORY=/var/lib/mirror PATH=/usr/bin
VOLUME /var/lib/mirror
USER 65532:65532
EXPOSE 9464
# SIGTERM drains: what is on its way is finished and positions are saved. Give it longer than Docker's ten seconds.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=12s --start-period=30s --retries=4 CMD ["mirror", "check", "daemon", "--anonymous"]
ENTRYPOINT ["mirror"]
CMD ["run"]
