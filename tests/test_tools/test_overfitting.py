"""The main config learns eight real photographs by heart."""

import json
import shutil

import pytest

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.engine.inference.detection_pictures import draw_validation_grid
from ghostnet_mm.engine.run import run_training

NUM_IMAGES = 8
EPOCHS = 150

# The recipe's 256 channels and 800 px take hours on a CPU.
SMALL_AND_FAST = {
    "model.neck.out_channels": 64,
    "model.bbox_head.in_channels": 64,
    "model.bbox_head.feat_channels": 64,
    "model.bbox_head.stacked_convs": 2,
    "train_dataloader.batch_size": 4,
    "train_dataloader.num_workers": 0,
    "train_dataloader.persistent_workers": False,
    "val_dataloader.num_workers": 0,
    "val_dataloader.persistent_workers": False,
    "train_cfg.max_epochs": EPOCHS,
    "train_cfg.val_interval": EPOCHS,
    "default_hooks.checkpoint.interval": EPOCHS,
    "optim_wrapper.optimizer": dict(
        _delete_=True, type="AdamW", lr=1e-3, weight_decay=0.0
    ),
    "optim_wrapper.clip_grad": dict(max_norm=10.0),
    "param_scheduler": [
        dict(
            type="CosineAnnealingLR",
            T_max=EPOCHS,
            by_epoch=True,
            convert_to_iter_based=True,
        )
    ],
}


def eight_images(source, target):
    """Write a COCO-layout folder whose two splits are the same eight images."""
    file = source / "annotations" / "instances_train2017.json"
    coco = json.loads(file.read_text())
    crowds = {a["image_id"] for a in coco["annotations"] if a["iscrowd"]}
    labelled = {a["image_id"] for a in coco["annotations"]} - crowds
    images = [i for i in coco["images"] if i["id"] in labelled][:NUM_IMAGES]
    ids = {image["id"] for image in images}
    coco["images"] = images
    coco["annotations"] = [a for a in coco["annotations"] if a["image_id"] in ids]
    (target / "annotations").mkdir(parents=True)
    for split in ("train2017", "val2017"):
        (target / split).mkdir()
        for image in images:
            name = image["file_name"]
            shutil.copy(source / "train2017" / name, target / split / name)
        text = json.dumps(coco)
        (target / "annotations" / f"instances_{split}.json").write_text(text)
    return target


@pytest.mark.slow
def test_eight_photographs_are_learnt_by_heart(coco_subset, project_root, tmp_path):
    """Catches a head that sees the wrong maps, and mixed up labels or boxes."""
    data = eight_images(coco_subset, tmp_path / "eight")
    options = Options(
        data_root=str(data),
        backbone_weights="none",
        work_dir=str(tmp_path / "run"),
        cfg_options=SMALL_AND_FAST,
    )
    cfg = load_config(project_root / "configs/retinanet_ghostnet_coco.py", options)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        for step in loader.dataset.pipeline:
            if step["type"] == "Resize":
                step["scale"] = (384, 384)
    scores = run_training(cfg).last_scores
    grid = draw_validation_grid(tmp_path / "run", num_images=NUM_IMAGES)
    print(f"grid of the eight images: {grid}")
    assert scores["coco/bbox_mAP_50"] >= 0.8
