# ghostnet_mm on NVIDIA GPUs. Written to be built elsewhere: the machine that develops this
# project runs no Docker engine, so this file has not been built yet.
#
#   docker build -f docker/cuda.Dockerfile -t ghostnet_mm:cuda .
#   docker run --rm --gpus all -v "$PWD:/data" --shm-size 8g ghostnet_mm:cuda \
#       train retinanet_ghostnet_coco --data-root photos
#
# PyTorch's build brings CUDA's libraries: the host has to have a driver for CUDA 13 and
# the NVIDIA container toolkit, nothing more.
FROM python:3.11-slim

ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
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
ENV UV_TORCH_BACKEND=cu130 UV_LINK_MODE=copy
RUN python tools/install_requirements.py requirements.txt && rm -rf ~/.cache

COPY . .
RUN pip install --no-deps --no-build-isolation ./runtime .

WORKDIR /data
ENTRYPOINT ["ghostnet"]
