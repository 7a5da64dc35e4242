"""Writing a COCO folder in the formats that only labelling tools write."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from ghostnet_mm.datasets.annotations.data_set import DataSet
from ghostnet_mm.datasets.annotations.kinds import new_findings
from ghostnet_mm.datasets.reading import ReadingOptions, list_roots, read_data_set
from ghostnet_mm.datasets.writers.coco import write_coco
from ghostnet_mm.datasets.writers.voc import write_voc
from ghostnet_mm.datasets.writers.yolo import write_yolo

Shape = tuple[str, list[float], list[list[float]] | None]


def read(root: Path) -> DataSet:
    """Read a data root with all its splits."""
    options = ReadingOptions(every_split=True)
    return read_data_set(list_roots([root]), options, new_findings())


def _ours(write: Callable) -> Callable[[DataSet, Path], None]:
    return lambda data, folder: write(data, folder, "copy")


def _shapes(split) -> list[list[Shape]]:
    shapes: list[list[Shape]] = [[] for _ in split.pictures]
    objects = split.objects
    for index, label, box, mask in zip(
        objects.pictures.tolist(),
        objects.labels.tolist(),
        objects.boxes.tolist(),
        objects.masks,
        strict=True,
    ):
        shapes[index].append((label, box, mask))
    return shapes


def write_labelme(data: DataSet, folder: Path) -> None:
    for name, split in data.splits.items():
        (folder / name).mkdir()
        for picture, shapes in zip(split.pictures, _shapes(split), strict=True):
            source = Path(picture.path)
            shutil.copy(source, folder / name)
            content = dict(
                version="5.2.1",
                flags={},
                shapes=[_labelme_shape(data.classes, *shape) for shape in shapes],
                imagePath=source.name,
                imageData=None,
                imageHeight=picture.height,
                imageWidth=picture.width,
            )
            target = folder / name / f"{source.stem}.json"
            target.write_text(json.dumps(content))


def _labelme_shape(classes, label, box, mask) -> dict:
    x, y, width, height = box
    points = [[x, y], [x + width, y + height]]
    kind = "rectangle"
    if mask is not None:
        values = mask[0]
        points = [list(point) for point in zip(values[::2], values[1::2], strict=True)]
        kind = "polygon"
    return dict(label=classes[label], points=points, group_id=None, shape_type=kind)


def write_cvat(data: DataSet, folder: Path) -> None:
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    labels = ElementTree.SubElement(task, "labels")
    for name in data.classes:
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = name
    number = 0
    for name, split in data.splits.items():
        (folder / "images" / name).mkdir(parents=True)
        for picture, shapes in zip(split.pictures, _shapes(split), strict=True):
            shutil.copy(picture.path, folder / "images" / name)
            image = ElementTree.SubElement(
                root,
                "image",
                id=str(number),
                name=f"{name}/{Path(picture.path).name}",
                subset={"train": "Train", "val": "Validation"}.get(name, name),
                width=str(picture.width),
                height=str(picture.height),
            )
            number += 1
            for shape in shapes:
                _cvat_shape(image, data.classes, *shape)
    ElementTree.ElementTree(root).write(folder / "annotations.xml")


def _cvat_shape(image, classes, label, box, mask) -> None:
    x, y, width, height = box
    if mask is not None:
        values = mask[0]
        pairs = zip(values[::2], values[1::2], strict=True)
        points = ";".join(f"{a:.2f},{b:.2f}" for a, b in pairs)
        ElementTree.SubElement(image, "polygon", label=classes[label], points=points)
        return
    ElementTree.SubElement(
        image,
        "box",
        label=classes[label],
        xtl=f"{x:.2f}",
        ytl=f"{y:.2f}",
        xbr=f"{x + width:.2f}",
        ybr=f"{y + height:.2f}",
    )


def write_via(data: DataSet, folder: Path) -> None:
    for name, split in data.splits.items():
        (folder / name).mkdir()
        files = {}
        for picture, shapes in zip(split.pictures, _shapes(split), strict=True):
            source = Path(picture.path)
            shutil.copy(source, folder / name)
            size = source.stat().st_size
            files[f"{source.name}{size}"] = dict(
                filename=source.name,
                size=size,
                regions=[_via_region(data.classes, *shape) for shape in shapes],
                file_attributes={},
            )
        (folder / f"via_{name}.json").write_text(json.dumps(files))


def _via_region(classes, label, box, mask) -> dict:
    shape = dict(zip(("x", "y", "width", "height"), box, strict=True), name="rect")
    if mask is not None:
        shape = dict(
            name="polygon", all_points_x=mask[0][::2], all_points_y=mask[0][1::2]
        )
    return dict(shape_attributes=shape, region_attributes={"label": classes[label]})


def write_label_studio(data: DataSet, folder: Path) -> None:
    for name, split in data.splits.items():
        (folder / name).mkdir()
        tasks = []
        for picture, shapes in zip(split.pictures, _shapes(split), strict=True):
            source = Path(picture.path)
            shutil.copy(source, folder / name)
            results = [
                _studio_result(data.classes, picture, *shape) for shape in shapes
            ]
            tasks.append(
                dict(
                    id=len(tasks) + 1,
                    data={"image": f"/data/local-files/?d=set/{name}/{source.name}"},
                    annotations=[dict(result=results, was_cancelled=False)],
                )
            )
        (folder / f"{name}.json").write_text(json.dumps(tasks))


def _studio_result(classes, picture, label, box, mask) -> dict:
    sides = (picture.width, picture.height)
    size = dict(original_width=sides[0], original_height=sides[1], image_rotation=0)
    if mask is not None:
        values = [100 * v / sides[i % 2] for i, v in enumerate(mask[0])]
        points = [list(point) for point in zip(values[::2], values[1::2], strict=True)]
        value = dict(points=points, closed=True, polygonlabels=[classes[label]])
        return dict(type="polygonlabels", value=value, **size)
    shares = [100 * v / sides[i % 2] for i, v in enumerate(box)]
    value = dict(zip(("x", "y", "width", "height"), shares, strict=True))
    value.update(rotation=0, rectanglelabels=[classes[label]])
    return dict(type="rectanglelabels", value=value, **size)


FORMATS: dict[str, Callable[[DataSet, Path], None]] = {
    "COCO": _ours(write_coco),
    "YOLO": _ours(write_yolo),
    "Pascal VOC": _ours(write_voc),
    "LabelMe": write_labelme,
    "CVAT": write_cvat,
    "VIA": write_via,
    "Label Studio": write_label_studio,
}


def write_as(form: str, data: DataSet, folder: Path) -> Path:
    """Write a data set in a format into a new folder."""
    folder.mkdir(parents=True)
    FORMATS[form](data, folder)
    return folder
