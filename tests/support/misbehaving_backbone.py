"""A backbone whose training hangs the first time and dies the second.

Training processes import it by name. The file that `MISBEHAVIOR` names says what has
happened: nothing, it hangs (and is touched for as long as the process lives), it died.
"""

import os
import time
from pathlib import Path

from mmdet.registry import MODELS

from ghostnet_mm.backbones import GhostNet


@MODELS.register_module()
class MisbehavingGhostNet(GhostNet):
    def forward(self, x):
        mark = Path(os.environ["MISBEHAVIOR"])
        if self.training and not mark.exists():
            # Not for ever: a test that fails should leave nothing behind.
            for _ in range(1200):
                mark.write_text("hangs")
                time.sleep(0.05)
        if self.training and mark.read_text() == "hangs":
            mark.write_text("died")
            os._exit(9)
        return super().forward(x)
