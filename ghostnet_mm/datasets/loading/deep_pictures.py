"""Pictures of more than 8 bits, loaded by mmdet as the runtime reads them.

OpenCV keeps the upper 8 of 16 bits, so that a sensor's 12 bits come out almost black. A
detector that learnt from those would meet other pictures once it is deployed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ghostnet_runtime.picture_reading import decode_picture
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio


class LoadDeepImageFromFile(LoadImageFromFile):
    """mmcv's `LoadImageFromFile` that scales the bits in use to 8.

    Pictures of 8 bits are the same, byte for byte.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Load a picture, (H, W, 3) BGR.

        Args:
            results: What the dataset knows of it; ``img_path`` is needed.

        Returns:
            The same with ``img``, ``img_shape`` and ``ori_shape``. ``None`` for one
            that cannot be read, where ``ignore_empty`` asks for that.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is not a readable picture.
        """
        path = results["img_path"]
        try:
            content = fileio.get(path, backend_args=self.backend_args)
            pixels, _ = decode_picture(np.frombuffer(content, np.uint8))
            if pixels is None:
                raise ValueError(f"{path} is damaged or not a picture")
        except (OSError, ValueError):
            if self.ignore_empty:
                return None
            raise
        results["img"] = pixels.astype(np.float32) if self.to_float32 else pixels
        results["img_shape"] = results["ori_shape"] = pixels.shape[:2]
        return results


def see_deep_pictures(pipeline: Any) -> None:
    """Let a pipeline load pictures with `LoadDeepImageFromFile`, in place.

    Steps that were told to read other than in color, or by another library, stay.

    Args:
        pipeline: Of a dataset; one without a list of steps is left as it is.
    """
    steps = getattr(pipeline, "transforms", None)
    if not isinstance(steps, list):
        return
    for index, step in enumerate(steps):
        if (
            type(step) is LoadImageFromFile
            and (step.color_type, step.imdecode_backend) == ("color", "cv2")
            and step.file_client_args is None
        ):
            steps[index] = LoadDeepImageFromFile(
                to_float32=step.to_float32,
                ignore_empty=step.ignore_empty,
                backend_args=step.backend_args,
            )
