# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS build
# SQLite and ring are compiled from C.
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# The dependencies have a layer of their own: it is built again only when they change.
COPY Cargo.toml Cargo.lock ./
COPY benches benches
RUN mkdir src \
 && echo '//! Stands in while the dependencies are built.' > src/lib.rs \
 && echo 'fn main() {}' > src/main.rs \
 && cargo build --release --locked \
 && rm -r src
COPY src src
# Cargo compares times of change: the stand-ins must look older.
RUN touch src/lib.rs src/main.rs && cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home qrstack \
 && install -d -o qrstack -g qrstack /data
COPY --from=build /build/target/release/qrstack /usr/local/bin/qrstack
USER qrstack
ENV QRSTACK_LISTEN=0.0.0.0:8080 QRSTACK_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["qrstack", "healthcheck"]
ENTRYPOINT ["qrstack"]
