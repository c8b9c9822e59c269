# One image, three programs: /usr/bin/api (the default), /usr/bin/worker, /usr/bin/xivo-auth.
# Plain Dockerfile syntax: builds with and without BuildKit.

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
# The modules in a layer of their own: a change of our code does not fetch them again.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ENV CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false"
RUN go build -ldflags="-s -w" -o /out/usr/bin/ ./cmd/api ./cmd/worker ./cmd/xivo-auth
# All else that the programs need: authorities to trust, time zones (as Go ships them), licence, a folder for the state.
RUN mkdir -p /out/etc/ssl/certs /out/usr/share/doc/xivo-auth /out/usr/share/zoneinfo /out/var/lib/xivo-auth /out/etc/xivo-auth/conf.d \
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
 && cp "$(go env GOROOT)/lib/time/zoneinfo.zip" /out/usr/share/zoneinfo/ \
 && cp LICENSE /out/usr/share/doc/xivo-auth/ \
 && chmod 0700 /out/var/lib/xivo-auth

FROM scratch
COPY --from=build /out/etc /etc
COPY --from=build /out/usr /usr
# Owned by the user below, and so is a fresh volume that is mounted there. Nothing else is ever written.
COPY --from=build --chown=65532:65532 /out/var/lib/xivo-auth /var/lib/xivo-auth
ENV PATH=/usr/bin ZONEINFO=/usr/share/zoneinfo/zoneinfo.zip
USER 65532:65532
EXPOSE 9497 9597
CMD ["/usr/bin/api"]
