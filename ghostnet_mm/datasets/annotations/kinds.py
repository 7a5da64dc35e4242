"""Every kind of thing that is repaired, left out or worth knowing, and its words."""

from __future__ import annotations

from .findings import Findings, Kind

REPAIRED, LEFT_OUT, NOTE = "repaired", "left out", "note"

KINDS: dict[str, Kind] = {
    # Pictures.
    "picture-missing": Kind(
        LEFT_OUT,
        "listed picture that is not there",
        "listed pictures that are not there",
    ),
    "picture-unreadable": Kind(
        LEFT_OUT,
        "picture that cannot be read",
        "pictures that cannot be read",
    ),
    "picture-by-last-part": Kind(
        REPAIRED,
        "picture found by the last part of its name",
        "pictures found by the last part of their names",
    ),
    "picture-other-letters": Kind(
        REPAIRED,
        "picture found under its name in other letters",
        "pictures found under their names in other letters",
    ),
    "picture-other-suffix": Kind(
        REPAIRED,
        "picture found under another suffix",
        "pictures found under another suffix",
    ),
    "picture-size": Kind(
        REPAIRED,
        "picture of another size than stated: the picture's taken",
        "pictures of another size than stated: the pictures' taken",
    ),
    "picture-size-missing": Kind(
        REPAIRED,
        "picture without a stated size: the picture's taken",
        "pictures without a stated size: the pictures' taken",
    ),
    "picture-turned": Kind(
        REPAIRED,
        "picture turned by its EXIF tag: the size after turning taken",
        "pictures turned by their EXIF tag: the size after turning taken",
    ),
    "picture-deep": Kind(
        NOTE,
        "picture of more than 8 bits: the bits in use are scaled to 8 when it is read",
        "pictures of more than 8 bits: the bits in use are scaled to 8 when they are "
        "read",
    ),
    "boxes-turned": Kind(
        REPAIRED,
        "picture turned by its EXIF tag whose boxes were drawn before: turned as well",
        "pictures turned by their EXIF tag whose boxes were drawn before: turned as "
        "well",
    ),
    "boxes-resized": Kind(
        REPAIRED,
        "picture whose boxes are for another size of it: resized",
        "pictures whose boxes are for another size of them: resized",
    ),
    "boxes-shares": Kind(
        REPAIRED,
        "box in shares of its picture's size: turned into pixels",
        "boxes in shares of their pictures' sizes: turned into pixels",
    ),
    "picture-twice": Kind(
        REPAIRED,
        "picture listed twice: its objects joined",
        "pictures listed twice: their objects joined",
    ),
    "picture-entry": Kind(
        LEFT_OUT,
        "entry of a picture without a name",
        "entries of pictures without a name",
    ),
    "folder-unreadable": Kind(
        LEFT_OUT,
        "folder that cannot be listed",
        "folders that cannot be listed",
    ),
    # Objects.
    "crowd-missing": Kind(
        REPAIRED,
        "object without a usable iscrowd: read as 0",
        "objects without a usable iscrowd: read as 0",
    ),
    "crowd-as-object": Kind(
        REPAIRED,
        "crowd region read as an object",
        "crowd regions read as objects",
    ),
    "ignored": Kind(
        REPAIRED,
        "object marked to be ignored or difficult: neither learnt nor scored",
        "objects marked to be ignored or difficult: neither learnt nor scored",
    ),
    "area-missing": Kind(
        REPAIRED,
        "object without a usable area: its mask's or box's taken",
        "objects without a usable area: the masks' or boxes' taken",
    ),
    "ids-renumbered": Kind(
        REPAIRED,
        "object id that is missing, 0 or used twice: renumbered",
        "object ids that are missing, 0 or used twice: renumbered",
    ),
    "box-clipped": Kind(
        REPAIRED,
        "box over the border of its picture clipped",
        "boxes over the border of their pictures clipped",
    ),
    "box-inverted": Kind(
        REPAIRED,
        "box with a negative width or height read from its other corner",
        "boxes with a negative width or height read from their other corner",
    ),
    "box-from-mask": Kind(
        REPAIRED,
        "object without a box: its mask's taken",
        "objects without a box: their masks' taken",
    ),
    "box-outside": Kind(
        LEFT_OUT,
        "box outside its picture",
        "boxes outside their pictures",
    ),
    "box-empty": Kind(
        LEFT_OUT,
        "box under a pixel wide or high",
        "boxes under a pixel wide or high",
    ),
    "box-invalid": Kind(
        LEFT_OUT,
        "object whose box is not four finite numbers",
        "objects whose boxes are not four finite numbers",
    ),
    "object-twice": Kind(
        LEFT_OUT,
        "object that is there twice",
        "objects that are there twice",
    ),
    "mask-unusable": Kind(
        LEFT_OUT,
        "mask that is none: the box is kept",
        "masks that are none: the boxes are kept",
    ),
    "shape-without-area": Kind(
        LEFT_OUT,
        "point, line or tag, which is no object with a box",
        "points, lines or tags, which are no objects with a box",
    ),
    "object-of-no-picture": Kind(
        LEFT_OUT,
        "object of a picture that is not listed",
        "objects of pictures that are not listed",
    ),
    "object-of-no-class": Kind(
        LEFT_OUT,
        "object of a class that is not listed",
        "objects of classes that are not listed",
    ),
    "object-entry": Kind(
        LEFT_OUT,
        "entry of an object that is none",
        "entries of objects that are none",
    ),
    "line-unusable": Kind(
        LEFT_OUT,
        "line that is no class number with a box or polygon",
        "lines that are no class number with a box or polygon",
    ),
    "class-not-learnt": Kind(
        LEFT_OUT,
        "object of a class that only the test split has",
        "objects of classes that only the test split has",
    ),
    "class-not-chosen": Kind(
        LEFT_OUT,
        "object of a class that the config does not choose",
        "objects of classes that the config does not choose",
    ),
    # Classes.
    "class-by-text": Kind(
        REPAIRED,
        "class id written in another type of value: read as the same",
        "class ids written in another type of value: read as the same",
    ),
    "class-placeholder": Kind(
        REPAIRED,
        "class without objects that only groups others: dropped",
        "classes without objects that only group others: dropped",
    ),
    "class-twice": Kind(
        REPAIRED,
        "class listed twice under one name: joined",
        "classes listed twice under one name: joined",
    ),
    "class-unnamed": Kind(
        REPAIRED,
        "class without a name: called by its id",
        "classes without a name: called by their ids",
    ),
    "class-order": Kind(
        REPAIRED,
        "file that lists the classes in another order: matched by name",
        "files that list the classes in another order: matched by name",
    ),
    "class-set": Kind(
        NOTE,
        "class is not in every split",
        "classes are not in every split",
    ),
    # Files.
    "encoding": Kind(
        REPAIRED,
        "annotation file not in UTF-8: read as Windows' Western letters",
        "annotation files not in UTF-8: read as Windows' Western letters",
    ),
    "file-unreadable": Kind(
        LEFT_OUT,
        "annotation file that cannot be read",
        "annotation files that cannot be read",
    ),
    "file-unused": Kind(
        NOTE,
        "annotation file not used beside the others",
        "annotation files not used beside the others",
    ),
    "corners-from-0": Kind(
        NOTE,
        "set of VOC files counts pixels from 0 rather than 1",
        "sets of VOC files count pixels from 0 rather than 1",
    ),
    "path-elsewhere": Kind(
        REPAIRED,
        "path of another machine read relative to the data",
        "paths of another machine read relative to the data",
    ),
    # Splits.
    "split-made": Kind(
        NOTE,
        "picture held out for validation, as the data has no such split",
        "pictures held out for validation, as the data has no such split",
    ),
    "split-same": Kind(
        NOTE,
        "picture for training and validation alike: the scores say nothing of new ones",
        "pictures for training and validation alike: the scores say nothing of new "
        "ones",
    ),
    "split-unseen": Kind(
        NOTE,
        "picture is too many to look for near duplicates: only names say what belongs "
        "together",
        "pictures are too many to look for near duplicates: only names say what "
        "belongs together",
    ),
    "split-cut": Kind(
        NOTE,
        "film or series has most of the pictures: cut, so that both splits have some",
        "films or series have most of the pictures: cut, so that both splits have some",
    ),
    "test-is-val": Kind(
        NOTE,
        "split tests and validates: there is no labelled test split",
        "splits test and validate: there is no labelled test split",
    ),
    # What mmdet's own recipes leave out of training.
    "filter-small": Kind(
        LEFT_OUT,
        "training picture below the config's filter_cfg.min_size",
        "training pictures below the config's filter_cfg.min_size",
    ),
    "filter-small-lifted": Kind(
        REPAIRED,
        "training picture below the config's filter_cfg.min_size, which is lifted",
        "training pictures below the config's filter_cfg.min_size, which is lifted",
    ),
    "filter-empty": Kind(
        LEFT_OUT,
        "training picture without objects, by the config's filter_cfg.filter_empty_gt",
        "training pictures without objects, by the config's filter_cfg.filter_empty_gt",
    ),
    "empty-used": Kind(
        NOTE,
        "training picture without objects is used as background",
        "training pictures without objects are used as background",
    ),
    "crowds": Kind(
        NOTE,
        "crowd region, neither learnt nor scored",
        "crowd regions, neither learnt nor scored",
    ),
}


def new_findings() -> Findings:
    """Return an empty collection of findings of these kinds."""
    return Findings(KINDS)
