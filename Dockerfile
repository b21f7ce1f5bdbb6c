# Reading Room as a container: the HTTP interface of `readingroom serve`, without a GPU.
#
#   docker build -t readingroom .
#
# Without a GPU, naming PyTorch's CPU index (see its install page) saves about 5 GB:
#
#   docker build --build-arg TORCH_INDEX=... -t readingroom .
FROM python:3.11-slim-bookworm

ARG TORCH_INDEX=

ENV PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1 \
    READINGROOM_CACHE_DIR=/var/cache/readingroom \
    READINGROOM_DATA_DIR=/var/lib/readingroom \
    MPLCONFIGDIR=/tmp/matplotlib

WORKDIR /opt/readingroom
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY findings findings
COPY imaging imaging
COPY models models
COPY retrieval retrieval
COPY reporting reporting
COPY tools tools
COPY agents agents
COPY evaluation evaluation
COPY ui ui
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch torchvision \
    && pip install -e . \
    && useradd --system --create-home --uid 10001 reader \
    && install -d -o reader -g reader -m 0700 /var/cache/readingroom /var/lib/readingroom

USER reader
VOLUME ["/var/cache/readingroom", "/var/lib/readingroom"]
EXPOSE 8765
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8765/healthz', timeout=4)"]
# Beyond this machine the interface wants keys: READINGROOM_API__KEYS.
CMD ["readingroom", "serve", "--host", "0.0.0.0"]
