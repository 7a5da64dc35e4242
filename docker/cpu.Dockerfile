# ghostnet_mm on CPUs. Written to be built elsewhere: the machine that develops this
# project runs no Docker engine, so this file has not been built yet.
#
#   docker build -f docker/cpu.Dockerfile -t ghostnet_mm:cpu .
#   docker run --rm -v "$PWD:/data" --shm-size 2g ghostnet_mm:cpu \
#       train retinanet_ghostnet_coco --data-root photos
FROM python:3.11-slim

# What opencv-python loads.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

ENV VIRTUAL_ENV=/opt/ghostnet PATH=/opt/ghostnet/bin:$PATH
RUN python -m venv "$VIRTUAL_ENV"

# Before the code, so that a change of it does not download PyTorch again.
WORKDIR /opt/ghostnet_mm
COPY requirements.txt ./
COPY tools/install_requirements.py tools/
ENV UV_TORCH_BACKEND=cpu UV_LINK_MODE=copy
RUN python tools/install_requirements.py requirements.txt && rm -rf ~/.cache

COPY . .
RUN pip install --no-deps --no-build-isolation ./runtime .

WORKDIR /data
ENTRYPOINT ["ghostnet"]
