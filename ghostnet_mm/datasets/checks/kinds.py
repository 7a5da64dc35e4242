"""What a check of the data may find beyond what reading has repaired, and its words."""

from __future__ import annotations

from ..annotations.findings import Kind

WARNING, NOTE = "warning", "note"
FEWEST_BOXES = 10
RAREST = 100

CHECK_KINDS: dict[str, Kind] = {
    "near-across": Kind(
        WARNING,
        "picture looks like one of another split: its score is learnt by heart",
        "pictures look like one of another split: their scores are learnt by heart",
    ),
    "class-unlearnt": Kind(
        WARNING,
        "class has no box to learn from",
        "classes have no box to learn from",
    ),
    "class-unscored": Kind(
        WARNING,
        "class has no box to score, and so no AP",
        "classes have no box to score, and so no AP",
    ),
    "class-few": Kind(
        WARNING,
        f"class has fewer than {FEWEST_BOXES} boxes to learn from",
        f"classes have fewer than {FEWEST_BOXES} boxes to learn from",
    ),
    "class-rare": Kind(
        WARNING,
        f"class has under 1/{RAREST} of the most frequent class's boxes",
        f"classes have under 1/{RAREST} of the most frequent class's boxes",
    ),
    "box-doubled": Kind(
        WARNING,
        "box lies on another of the same class: one object, drawn twice?",
        "boxes lie on another of the same class: one object, drawn twice?",
    ),
    "box-two-classes": Kind(
        WARNING,
        "box lies on one of another class: one object, two classes?",
        "boxes lie on one of another class: one object, two classes?",
    ),
    "box-tiny": Kind(
        WARNING,
        "box is under 4 pixels wide or high",
        "boxes are under 4 pixels wide or high",
    ),
    "picture-damaged": Kind(
        WARNING,
        "picture cannot be decoded, though its first bytes are right",
        "pictures cannot be decoded, though their first bytes are right",
    ),
    "picture-flat": Kind(
        WARNING,
        "picture is of one color",
        "pictures are of one color",
    ),
    "fit-cell": Kind(
        WARNING,
        "class has many boxes smaller than a cell of the config's finest map",
        "classes have many boxes smaller than a cell of the config's finest map",
    ),
    "fit-anchor": Kind(
        WARNING,
        "class has many boxes that no anchor of the config overlaps enough",
        "classes have many boxes that no anchor of the config overlaps enough",
    ),
    "fit-filtered": Kind(
        WARNING,
        "training box is left out by the config's FilterAnnotations after its resize",
        "training boxes are left out by the config's FilterAnnotations after its "
        "resize",
    ),
    "fit-class": Kind(
        WARNING,
        "class that the config names is not in the data",
        "classes that the config names are not in the data",
    ),
    "box-whole": Kind(
        NOTE,
        "box is of its whole picture",
        "boxes are of their whole picture",
    ),
    "box-long": Kind(
        NOTE,
        "box is more than 10 times as long as wide",
        "boxes are more than 10 times as long as wide",
    ),
    "near-within": Kind(
        NOTE,
        "picture looks like another of its split",
        "pictures look like another of their split",
    ),
    "picture-grey": Kind(
        NOTE,
        "picture is grey",
        "pictures are grey",
    ),
    "picture-exif": Kind(
        NOTE,
        "picture is turned or mirrored by its EXIF tag when it is read",
        "pictures are turned or mirrored by their EXIF tag when they are read",
    ),
}
