FROM python:3.13-slim
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY domain domain
COPY gql gql
COPY storage storage
COPY examples examples
RUN pip install --no-cache-dir --constraint constraints.txt '.[redis]' \
    && useradd --system --create-home earlybird && install -d -o earlybird data
USER earlybird
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
# The embedded store, the default, lies in /app/data: mount a volume there.
# Inside a container the published port decides who can reach it.
ENTRYPOINT ["earlybird", "serve", "--host", "0.0.0.0"]
