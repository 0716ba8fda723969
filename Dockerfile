# The service in a container: nothing but Python, the pinned packages and the wheel; no compiler, no shell at run time.
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE dev.py requirements.txt requirements-build.txt ./
COPY src ./src
RUN python dev.py wheel \
    && python -m venv /opt/aforo \
    && /opt/aforo/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt -r dist/aforo.txt

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
# What Microsoft's driver inside mssql-python asks of the system.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libltdl7 libkrb5-3 libgssapi-krb5-2 tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/aforo --create-home aforo
COPY --from=build /opt/aforo /opt/aforo
USER aforo
WORKDIR /var/lib/aforo
ENV PATH=/opt/aforo/bin:$PATH PYTHONUNBUFFERED=1 AFORO_LOG__FORMAT=json AFORO_LOG__FILE= \
    AFORO_MONITOR__SCHEDULE_FILE=/config/eventos_programados.json \
    AFORO_MONITOR__CAMERAS_FILE=/config/ids_camaras_permitidas.json
VOLUME ["/var/lib/aforo"]
EXPOSE 8080
HEALTHCHECK --interval=60s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
ENTRYPOINT ["tini", "--", "aforo"]
CMD ["run", "--continuous", "--config", "/config/aforo.toml"]
