"""Time COCO evaluation by hotcoco against pycocotools; see --help."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

DESCRIPTION = """\
Time COCO's scores from predictions in memory to the table, by hotcoco and by
pycocotools in turns, and check that both give the same arrays. Either of the content of
two files (a COCO annotation file, and the results of ghostnet test --out), or of random
boxes as dense as COCO's validation split with a detector that finds 100 in each."""
EXAMPLES = """\
examples:
  python tools/benchmark_evaluation.py
  python tools/benchmark_evaluation.py --masks --pictures 1000
  python tools/benchmark_evaluation.py --truth val.json --results found.json"""
SIDE = 640


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--truth", metavar="FILE", help="COCO annotations")
    parser.add_argument("--results", metavar="FILE", help="COCO results for them")
    parser.add_argument("--masks", action="store_true", help="judge masks, not boxes")
    parser.add_argument(
        "--pictures", type=int, default=5000, metavar="N", help="random ones (5000)"
    )
    parser.add_argument(
        "--classes", type=int, default=80, metavar="K", help="of the random boxes (80)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of each (3)")
    return parser.parse_args(argv)


def random_data(
    arguments: argparse.Namespace,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return annotations, 7 a picture as in COCO, and 100 detections a picture."""
    import numpy as np

    generator = np.random.default_rng(0)
    truth: dict[str, Any] = dict(
        images=[
            dict(id=i + 1, file_name=f"{i}.jpg", width=SIDE, height=SIDE)
            for i in range(arguments.pictures)
        ],
        categories=[dict(id=k + 1, name=str(k)) for k in range(arguments.classes)],
    )
    objects: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image in truth["images"]:
        for box in random_boxes(generator, 7):
            category = int(generator.integers(arguments.classes)) + 1
            objects.append(
                dict(
                    id=len(objects) + 1,
                    image_id=image["id"],
                    category_id=category,
                    bbox=box,
                    area=box[2] * box[3],
                    iscrowd=int(generator.random() < 0.01),
                )
            )
        of_picture = objects[-7:]
        for number, box in enumerate(random_boxes(generator, 100)):
            category = int(generator.integers(arguments.classes)) + 1
            if number < 14:  # Near an object, as a detector's are.
                near = of_picture[number % 7]
                box = (np.array(near["bbox"]) * generator.uniform(0.9, 1.1, 4)).tolist()
                category = near["category_id"]
            found.append(
                dict(
                    image_id=image["id"],
                    category_id=category,
                    bbox=box,
                    score=float(generator.random()),
                )
            )
    truth["annotations"] = objects
    if arguments.masks:
        for entry in (*objects, *found):
            entry["segmentation"] = ellipse(entry["bbox"])
    return truth, found


def random_boxes(generator: Any, count: int) -> list[list[float]]:
    """Return left, top, width and height of boxes inside a picture."""
    corners = generator.uniform(0, SIDE - 200, (count, 2))
    sizes = generator.uniform(10, 180, (count, 2))
    return [[*corner, *size] for corner, size in zip(corners, sizes, strict=True)]


def ellipse(box: Sequence[float]) -> dict[str, Any]:
    """Return the run-length encoding of the ellipse in a box."""
    import numpy as np
    from pycocotools import mask as coco_mask

    left, top, width, height = box
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    points = np.stack(
        [
            left + width / 2 * (1 + np.cos(turn)),
            top + height / 2 * (1 + np.sin(turn)),
        ],
        axis=1,
    )
    (mask,) = coco_mask.frPyObjects([points.ravel().tolist()], SIDE, SIDE)
    return dict(mask, counts=mask["counts"].decode())


def read_data(
    arguments: argparse.Namespace,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the content of the two files, or random data."""
    import json
    from pathlib import Path

    from ghostnet_mm.errors import OptionError

    if (arguments.truth is None) != (arguments.results is None):
        raise OptionError("Give --truth and --results together, or neither.")
    if arguments.truth is None:
        return random_data(arguments)
    try:
        truth, found = (
            json.loads(Path(name).read_text("utf-8"))
            for name in (arguments.truth, arguments.results)
        )
    except (OSError, ValueError) as error:
        raise OptionError(f"A file cannot be read ({error}).") from error
    return truth, found


def print_table(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    import statistics
    import time

    import numpy as np
    from pycocotools.coco import COCO

    from ghostnet_mm.evaluation.coco_engines import (
        Found,
        Rule,
        by_hotcoco,
        by_pycocotools,
        hotcoco_truth,
    )
    from ghostnet_mm.evaluation.coco_scores import class_scores, overall_scores
    from ghostnet_mm.evaluation.without_prints import without_prints
    from ghostnet_mm.measuring.machine import describe_machine
    from ghostnet_mm.reporting.tables import Table

    truth, results = read_data(arguments)
    found = Found(
        np.array([item["image_id"] for item in results]),
        np.array([item["category_id"] for item in results]),
        np.array([item["bbox"] for item in results], dtype=float),
        np.array([item["score"] for item in results], dtype=float),
        [item["segmentation"] for item in results] if arguments.masks else None,
    )
    rule = Rule(
        sorted(item["id"] for item in truth["images"]),
        sorted(item["id"] for item in truth["categories"]),
        np.linspace(0.5, 0.95, 10).tolist(),
        (1, 10, 100),
    )
    slow = COCO()
    slow.dataset = truth
    with without_prints():
        slow.createIndex()
    fast = hotcoco_truth(truth)
    sides = {
        "hotcoco": lambda: by_hotcoco(fast, found, rule),
        "pycocotools": lambda: by_pycocotools(slow, found, rule),
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    arrays = {}
    for _ in range(arguments.rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            arrays[name] = side()
            overall_scores(arrays[name], rule.overlaps, rule.limits)
            class_scores(arrays[name], rule.overlaps, rule.limits)
            seconds[name].append(time.perf_counter() - start)
    equal = np.array_equal(
        arrays["hotcoco"].precision, arrays["pycocotools"].precision
    ) and np.array_equal(arrays["hotcoco"].recall, arrays["pycocotools"].recall)
    print(describe_machine())
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    rows = [
        (name, f"{medians[name]:.3f}", " ".join(f"{value:.3f}" for value in values))
        for name, values in seconds.items()
    ]
    print(Table.of(("by", "median s", "each s"), rows, text_columns=(0, 2)).markdown())
    scores = overall_scores(arrays["hotcoco"], rule.overlaps, rule.limits)
    print(
        f"{len(rule.image_ids)} pictures, {len(rule.category_ids)} classes, "
        f"{len(truth['annotations'])} objects, {len(results)} detections of "
        f"{found.kind}: hotcoco is {medians['pycocotools'] / medians['hotcoco']:.0f} "
        f"times as fast; the arrays are {'equal' if equal else 'NOT equal'} "
        f"(AP {scores['mAP']:.3f})"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit status."""
    arguments = parse_arguments(argv)
    from door import exit_unless_installed

    exit_unless_installed()
    from ghostnet_mm.configuration.command_line import run_tool

    return run_tool(print_table, arguments)


if __name__ == "__main__":
    sys.exit(main())
