"""Boxes against globox, a library that reads the same formats."""

import pytest
from globox import AnnotationSet
from support.clean_copies import copy_of, objects_by_picture
from support.format_writers import FORMATS, read, write_as


def boxes_of(annotations):
    return {
        annotation.image_id: sorted(
            (str(box.label), *box.ltwh) for box in annotation.boxes
        )
        for annotation in annotations
    }


def read_by_globox(form, folder, classes):
    pictures = folder / "images" / "train"
    if form == "COCO":
        file = folder / "annotations" / "instances_train2017.json"
        return AnnotationSet.from_coco(file)
    if form == "YOLO":
        labels = folder / "labels" / "train"
        found = AnnotationSet.from_yolo_v5(labels, image_folder=pictures)
        return found.map_labels({str(i): name for i, name in enumerate(classes)})
    if form == "Pascal VOC":
        return AnnotationSet.from_pascal_voc(folder / "Annotations")
    if form == "LabelMe":
        return AnnotationSet.from_labelme(folder / "train")
    if form == "VIA":
        return AnnotationSet.from_via_json(
            folder / "via_train.json",
            image_folder=folder / "train",
            label_key="label",
        )
    return AnnotationSet.from_cvat(folder / "annotations.xml")


@pytest.mark.parametrize("form", sorted(set(FORMATS) - {"Label Studio"}))
def test_the_boxes_of_raccoons_are_globoxs(project_root, tmp_path, form):
    source = project_root.parent / "shared" / "small_sets" / "raccoon"
    if not source.is_dir():
        pytest.skip("the small set of raccoons is not there")
    folder = write_as(form, read(source), tmp_path / "data")
    copy = copy_of(folder)
    theirs = boxes_of(read_by_globox(form, folder, copy.summary.classes))
    for name, objects in objects_by_picture(copy).items():
        expected = theirs[f"train/{name}" if form == "CVAT" else name]
        assert len(objects) == len(expected)
        for (label, box, *_), (their_label, *their_box) in zip(
            sorted(objects), expected, strict=True
        ):
            assert label == their_label
            # It takes VOC's last pixels for borders.
            tolerance = 1.0 if form == "Pascal VOC" else 0.01
            assert box == pytest.approx(their_box, abs=tolerance)
