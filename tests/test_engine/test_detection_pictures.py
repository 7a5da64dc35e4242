"""Which images the picture grid of a detector shows."""

from types import SimpleNamespace

import pytest
from support.running_tools import TINY
from support.tiny_coco import edit_annotations, make_tiny_coco

from ghostnet_mm.configuration import Options, load_config
from ghostnet_mm.engine.inference import detection_pictures


@pytest.mark.parametrize(
    ("split", "indices", "names"),
    [
        ("val", None, ["0000.png", "0001.png", "0002.png", "0003.png"]),
        ("val", 2, ["0000.png", "0001.png"]),
        # Training leaves out images without boxes, as the second one, before it counts.
        ("train", None, ["0000.png", "0002.png", "0003.png"]),
        ("train", 2, ["0000.png", "0002.png"]),
        ("train", [1], ["0002.png"]),
    ],
)
def test_the_images_of_the_split(tmp_path, monkeypatch, capsys, split, indices, names):
    """Catches ``indices`` that are ignored, or those of the other split."""
    root = make_tiny_coco(tmp_path / "data")

    def empty_the_second(content):
        content["annotations"] = [
            annotation
            for annotation in content["annotations"]
            if annotation["image_id"] != 2
        ]

    edit_annotations(root, empty_the_second)
    other = "val" if split == "train" else "train"
    changes = {f"{other}_dataloader.dataset.indices": 1}
    if indices is not None:
        changes[f"{split}_dataloader.dataset.indices"] = indices
    cfg = load_config(TINY, Options(data_root=str(root), cfg_options=changes))
    shown = {}
    detector = SimpleNamespace(model=SimpleNamespace(cfg=cfg))
    monkeypatch.setattr(detection_pictures, "load_detector", lambda *a, **k: detector)
    monkeypatch.setattr(
        detection_pictures,
        "write_detector_grid",
        lambda model, dataset, *rest: shown.update(dataset=dataset),
    )
    capsys.readouterr()
    detection_pictures.draw_validation_grid(tmp_path / "epoch_1.pth", split=split)
    assert "loading annotations" not in capsys.readouterr().out
    dataset = shown["dataset"]
    files = [dataset.get_data_info(i)["img_path"] for i in range(len(dataset))]
    folder = root / f"{split}2017"
    assert files == [str(folder / name) for name in names]
    # The pipeline is that of a test.
    assert "img_id" in dataset[0]["data_samples"]
