# syntax=docker/dockerfile:1

# Any image with a Rust tool chain and glibc; Debian packages are installed where `apt-get` is there and they are not.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-slim-bookworm

FROM ${BUILD_IMAGE} AS build
# SQLite and ring are compiled from C; the image gets the certificates of the public authorities.
RUN if ! command -v cc >/dev/null || ! test -s /etc/ssl/certs/ca-certificates.crt; then \
      apt-get update \
      && apt-get install -y --no-install-recommends gcc libc6-dev ca-certificates \
      && rm -rf /var/lib/apt/lists/*; \
    fi
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
# The dependencies have a layer of their own, which is built again only when they change. Tests and benches are not
# part of the image, so that the manifest must not name them.
RUN sed -i '/^\[\[\(bench\|test\)\]\]/,/^$/d' Cargo.toml \
 && mkdir src \
 && echo '//! Stands in while the dependencies are built.' > src/lib.rs \
 && echo 'fn main() {}' > src/main.rs \
 && cargo build --release --locked \
 && rm -r src
COPY src src
# Cargo compares times of change: the stand-ins must look older.
RUN touch src/lib.rs src/main.rs && cargo build --release --locked
# The program, exactly the libraries that it is linked with, the certificates, and its data folder: nothing else. The
# name service of glibc (hosts file and DNS) is part of its C library.
RUN set -eu \
 && mkdir -p /image/usr/bin /image/etc/ssl/certs /image/data /image/tmp \
 && cp target/release/qrstack /image/usr/bin/ \
 && strip /image/usr/bin/qrstack \
 && ldd target/release/qrstack | grep -o '/[^ ]*' | while read -r library; do \
      mkdir -p "/image$(dirname "$library")" && cp -L "$library" "/image$library"; \
    done \
 && cp -L /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && printf 'qrstack:x:10001:10001:qrstack:/data:/nonexistent\n' > /image/etc/passwd \
 && printf 'qrstack:x:10001:\n' > /image/etc/group \
 && printf 'hosts: files dns\n' > /image/etc/nsswitch.conf \
 && chown 10001:10001 /image/data \
 && chmod 1777 /image/tmp

FROM scratch
COPY --from=build /image /
USER 10001:10001
ENV QRSTACK_LISTEN=0.0.0.0:8080 QRSTACK_TLS_LISTEN=0.0.0.0:8443 QRSTACK_DATA_DIR=/data
VOLUME /data
EXPOSE 8080 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/usr/bin/qrstack", "healthcheck"]
ENTRYPOINT ["/usr/bin/qrstack"]
