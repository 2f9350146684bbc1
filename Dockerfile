# docker build -t dynjax .                                    for CPUs
# docker build -t dynjax:cuda12 --build-arg EXTRA=cuda12 .    for NVIDIA GPUs; run with --gpus=all
# docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" dynjax train --config=best --config.cohort.table=scans.csv
FROM python:3.12-slim
ARG EXTRA=cpu
COPY pyproject.toml README.md LICENSE /source/
COPY configs /source/configs
COPY container /source/container
COPY dynjax /source/dynjax
RUN sh /source/container/install.sh /source /opt/dynjax "$EXTRA"
# Whoever --user names has no home here: what libraries keep, such as a list of fonts, goes to the cache too.
ENV PATH=/opt/dynjax/bin:$PATH DYNJAX_CACHE=/cache HOME=/cache
RUN mkdir -p /cache /data && chmod 777 /cache
VOLUME /cache
WORKDIR /data
ENTRYPOINT ["dynjax"]
