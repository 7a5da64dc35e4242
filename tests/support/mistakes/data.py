"""Data that cannot be trained on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from support.mistakes.cases import BadInput, Prepare, weights_of
from support.running_tools import TINY
from support.tiny_coco import annotation_file, edit_annotations, make_tiny_coco


def _with_annotations(change: Callable[[dict], None]) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        root = make_tiny_coco(folder / "data")
        edit_annotations(root, change)
        return [TINY, "--data-root", str(root)]

    return prepare


def _with_box(bbox: list[float], count: int = 4) -> Prepare:
    def change(content: dict) -> None:
        for annotation in content["annotations"][:count]:
            annotation["bbox"] = bbox

    return _with_annotations(change)


def _missing_annotations(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    for split in ("train2017", "val2017"):
        annotation_file(root, split).unlink()
    return [TINY, "--data-root", str(root)]


def _missing_training(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    annotation_file(root).unlink()
    return [TINY, "--data-root", str(root)]


def _missing_images(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    for image in sorted((root / "train2017").iterdir())[:3]:
        image.unlink()
    return [TINY, "--data-root", str(root)]


def _strict(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    (root / "train2017" / "0002.png").unlink()
    return [TINY, "--data-root", str(root), "--strict-data"]


def _unlabelled_test_without_out(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    content = json.loads(annotation_file(root, "val2017").read_text())
    del content["annotations"]
    annotation_file(root, "test2017").write_text(json.dumps(content))
    shutil.copytree(root / "val2017", root / "test2017")
    weights = weights_of(0.5, folder / "weights.pth")
    return [
        *(TINY, str(weights), "--data-root", str(root)),
        *("--cfg-options", "model.bbox_head.num_classes=2"),
    ]


def _damaged_training_image(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    for image in (root / "train2017").iterdir():
        image.write_bytes(b"no picture")
    return [TINY, "--data-root", str(root)]


def _truncated_json(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    file = annotation_file(root)
    file.write_text(file.read_text()[:100])
    return [TINY, "--data-root", str(root)]


def _json_list(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    annotation_file(root).write_text(json.dumps([dict(image="a.png", boxes=[])]))
    return [TINY, "--data-root", str(root)]


def _other_classes(folder: Path) -> list[str]:
    """The config's own data and 80 classes, where the file has two others."""
    root = make_tiny_coco(folder / "data")
    config = folder / "two_classes.py"
    lines = [f"_base_ = {TINY!r}"]
    for split in ("train", "val", "test"):
        name = "train2017" if split == "train" else "val2017"
        dataset = dict(
            data_root=str(root),
            ann_file=f"annotations/instances_{name}.json",
            data_prefix=dict(img=f"{name}/"),
        )
        lines.append(f"{split}_dataloader = dict(dataset={dataset!r})")
        if split != "train":
            file = str(annotation_file(root, name))
            lines.append(f"{split}_evaluator = dict(ann_file={file!r})")
    config.write_text("\n".join(lines))
    return [str(config)]


def _other_class_count(folder: Path) -> list[str]:
    argv = _other_classes(folder)
    config = Path(argv[0])
    names = "metainfo=dict(classes=('cup', 'plate'))"
    config.write_text(
        config.read_text()
        .replace("dict(dataset={", f"dict(dataset=dict({names}, **{{")
        # close the dict that was opened
        .replace("}})", "}}))")
    )
    return argv


NAN = float("nan")
DATA = (
    BadInput(
        "data root that does not exist",
        "train",
        lambda folder: [TINY, "--data-root", "nowhere"],
        ("nowhere",),
    ),
    BadInput(
        "pictures without annotations",
        "train",
        _missing_annotations,
        ("8 pictures and no annotations", "YOLO"),
    ),
    BadInput("training split missing", "train", _missing_training, ("no train split",)),
    BadInput(
        "config whose data is not there (no --data-root)",
        "train",
        lambda folder: [TINY],
        ("instances_train2017.json", "--data-root"),
    ),
    BadInput(
        "most images missing",
        "train",
        _missing_images,
        ("3 of the 4 pictures", "0000.png, 0001.png, 0002.png", "not there"),
    ),
    BadInput(
        "images in the dataset damaged",
        "train",
        _damaged_training_image,
        ("4 of the 4 pictures", ".png", "unreadable"),
    ),
    BadInput(
        "data that needs repair, and --strict-data",
        "train",
        _strict,
        ("--strict-data", "1 listed picture that is not there", "0002.png"),
    ),
    BadInput(
        "test split without annotations, and no --out",
        "test",
        _unlabelled_test_without_out,
        ("no annotations", "--out FILE"),
    ),
    BadInput("annotation file cut off", "train", _truncated_json, ("JSON",)),
    BadInput("annotation file that is not COCO", "train", _json_list, ("COCO",)),
    BadInput(
        "classes of the annotation file not those of the model",
        "train",
        _other_classes,
        ("class",),
    ),
    BadInput(
        "number of classes not that of the model",
        "train",
        _other_class_count,
        ("num_classes is 80", "2 classes", "--data-root"),
    ),
    BadInput("boxes that are NaN", "train", _with_box([NAN, 5, 10, 10]), ("1, 2, 3",)),
    BadInput(
        "boxes outside the image", "train", _with_box([500, 5, 9, 9]), ("1, 2, 3",)
    ),
    BadInput(
        "nothing but crowd regions",
        "train",
        _with_annotations(lambda c: [a.update(iscrowd=1) for a in c["annotations"]]),
        ("crowd", "--crowd-as-objects"),
    ),
    BadInput(
        "no boxes at all",
        "train",
        _with_annotations(lambda c: c.update(annotations=[])),
        ("no object in its 4 pictures",),
    ),
)
