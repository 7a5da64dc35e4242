"""What users get wrong, and what the tools answer.

``python tests/support/bad_inputs.py`` prints the table for docs/user_errors.md.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
<<<<<<< HEAD
from support.mistakes.cases import BadInput
from support.mistakes.checkpoints import CHECKPOINTS
from support.mistakes.data import DATA
from support.mistakes.models import MODELS
from support.mistakes.pictures import PICTURES
from support.mistakes.runs import RUNS
from support.running_tools import run_here

BAD_INPUTS = (*DATA, *MODELS, *CHECKPOINTS, *PICTURES, *RUNS)
=======
from support.running_tools import TINY, run_here
from support.tiny_coco import annotation_file, edit_annotations, make_tiny_coco

Prepare = Callable[[Path], list[str]]


@dataclass(frozen=True)
class BadInput:
    """One mistake.

    Attributes:
        mistake: What the user did, in words.
        tool: ``train``, ``test`` or ``detect``.
        prepare: Makes the files in an empty folder, which is also the working
            directory, and returns the command line.
        says: What the message must contain.
    """

    mistake: str
    tool: str
    prepare: Prepare
    says: tuple[str, ...]


def _options(*assignments: str) -> Prepare:
    """Train the tiny detector on good data with these ``--cfg-options``."""

    def prepare(folder: Path) -> list[str]:
        root = make_tiny_coco(folder / "data")
        return [TINY, "--data-root", str(root), "--cfg-options", *assignments]

    return prepare


def _annotations(change: Callable[[dict], None]) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        root = make_tiny_coco(folder / "data")
        edit_annotations(root, change)
        return [TINY, "--data-root", str(root)]

    return prepare


def _box(bbox: list[float], count: int = 4) -> Prepare:
    def change(content: dict) -> None:
        for annotation in content["annotations"][:count]:
            annotation["bbox"] = bbox

    return _annotations(change)


def _flags(*flags: str) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        return [TINY, "--data-root", str(make_tiny_coco(folder / "data")), *flags]

    return prepare


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
    weights = _weights_of(0.5, folder / "weights.pth")
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


def _weights_of(widen_factor: float, path: Path) -> Path:
    from mmdet.registry import MODELS

    from ghostnet_mm.configuration import Options, load_config

    cfg = load_config(
        TINY, Options(cfg_options={"model.backbone.widen_factor": widen_factor})
    )
    torch.save({"state_dict": MODELS.build(cfg.model).state_dict(), "meta": {}}, path)
    return path


def _test_other_architecture(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    weights = _weights_of(1.0, folder / "wide.pth")
    return [TINY, str(weights), "--data-root", str(root), "--out", "results.json"]


def _resume_other_architecture(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    weights = _weights_of(1.0, folder / "wide.pth")
    return [TINY, "--data-root", str(root), "--resume", str(weights)]


def _backbone_weights_of_other_architecture(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    weights = _weights_of(1.0, folder / "wide.pth")
    return [TINY, "--data-root", str(root), "--backbone-weights", str(weights)]


def _detect_other_architecture(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    weights = _weights_of(1.0, folder / "wide.pth")
    return [str(root / "val2017"), "--config", TINY, "--checkpoint", str(weights)]


class _RunsCode:
    def __reduce__(self):
        return os.system, ("touch code_has_run",)


def _harmful_checkpoint(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    torch.save({"state_dict": {}, "meta": _RunsCode()}, folder / "harmful.pth")
    return [TINY, "harmful.pth", "--data-root", str(root)]


def _checkpoint_without_config(folder: Path) -> list[str]:
    root = make_tiny_coco(folder / "data")
    weights = _weights_of(0.5, folder / "weights.pth")
    return [str(root / "val2017"), "--checkpoint", str(weights)]


def _detect_on(make: Callable[[Path], str]) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        weights = _weights_of(0.5, folder / "weights.pth")
        return [make(folder), "--config", TINY, "--checkpoint", str(weights)]

    return prepare


def _damaged_file(name: str) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        (folder / name).write_bytes(b"neither a picture nor a film")
        return name

    return make


def _one_damaged_of_many(folder: Path) -> str:
    root = make_tiny_coco(folder / "data")
    (root / "val2017" / "0002.png").write_bytes(b"no picture")
    return str(root / "val2017")


def _empty_folder(folder: Path) -> str:
    (folder / "photos").mkdir()
    return "photos"


def _occupied_work_dir(folder: Path) -> list[str]:
    argv = _flags("--work-dir", "run")(folder)
    (folder / "run").mkdir()
    (folder / "run" / "yolox_ghostnet_coco.py").write_text("model = dict(type='YOLOX')")
    return argv


def _work_dir_of_other_model(folder: Path) -> list[str]:
    from ghostnet_mm.configuration import load_config

    argv = _flags("--work-dir", "run")(folder)
    (folder / "run").mkdir()
    load_config(TINY).dump(folder / "run" / Path(TINY).name)
    (folder / "run" / "epoch_1.pth").write_bytes(b"")
    return [*argv, "--cfg-options", "model.backbone.widen_factor=1.0"]


def _config_with(text: str) -> Prepare:
    def prepare(folder: Path) -> list[str]:
        (folder / "mine.py").write_text(text)
        return ["mine.py"]

    return prepare


NAN = float("nan")
BAD_INPUTS = (
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
    BadInput("boxes that are NaN", "train", _box([NAN, 5, 10, 10]), ("1, 2, 3",)),
    BadInput("boxes outside the image", "train", _box([500, 5, 9, 9]), ("1, 2, 3",)),
    BadInput(
        "nothing but crowd regions",
        "train",
        _annotations(lambda c: [a.update(iscrowd=1) for a in c["annotations"]]),
        ("crowd", "--crowd-as-objects"),
    ),
    BadInput(
        "no boxes at all",
        "train",
        _annotations(lambda c: c.update(annotations=[])),
        ("no object in its 4 pictures",),
    ),
    BadInput(
        "unknown head",
        "train",
        _options("model.bbox_head.type=RetinaHed"),
        ("model.bbox_head.type", "RetinaHed", "RetinaHead"),
    ),
    BadInput(
        "unknown backbone",
        "train",
        _options("model.backbone.type=GhostNetV4"),
        ("model.backbone.type", "GhostNetV4", "GhostNetV3"),
    ),
    BadInput(
        "argument that the backbone does not have",
        "train",
        _options("model.backbone.depth=50"),
        ("model.backbone (GhostNet)", "'depth'"),
    ),
    BadInput(
        "impossible out_indices",
        "train",
        _options("model.backbone.out_indices=(1,2,7)"),
        ("out_indices",),
    ),
    BadInput(
        "impossible frozen_stages",
        "train",
        _options("model.backbone.frozen_stages=9"),
        ("frozen_stages",),
    ),
    BadInput(
        "impossible widen_factor",
        "train",
        _options("model.backbone.widen_factor=-1"),
        ("widen_factor",),
    ),
    BadInput(
        "impossible output_stride",
        "train",
        _options("model.backbone.output_stride=12"),
        ("output_stride",),
    ),
    BadInput(
        "in_channels of the neck that the backbone does not return",
        "train",
        _options("model.neck.in_channels=[40,112,160]"),
        ("[40, 112, 160]", "[20, 56, 80]", "None"),
    ),
    BadInput(
        "other maps from the backbone, but the old strides in the head",
        "train",
        _options("model.backbone.out_indices=(0,1,2)"),
        ("[8, 16, 32, 64, 128]", "[4, 8, 16, 32, 64]", "strides"),
    ),
    BadInput(
        "fewer maps from the neck than it takes",
        "train",
        _options("model.neck.num_outs=2"),
        ("model.neck cannot be built", "num_outs"),
    ),
    BadInput(
        "checkpoint of another architecture (test)",
        "test",
        _test_other_architecture,
        ("another architecture", "backbone.conv_stem.weight"),
    ),
    BadInput(
        "checkpoint of another architecture (detect)",
        "detect",
        _detect_other_architecture,
        ("another architecture", "backbone.conv_stem.weight"),
    ),
    BadInput(
        "checkpoint of another architecture (resume)",
        "train",
        _resume_other_architecture,
        ("another architecture", "backbone.conv_stem.weight"),
    ),
    BadInput(
        "backbone weights of another architecture",
        "train",
        _backbone_weights_of_other_architecture,
        ("wide.pth", "conv_stem.weight"),
    ),
    BadInput(
        "checkpoint that would run code",
        "test",
        _harmful_checkpoint,
        ("harmful.pth", "refused"),
    ),
    BadInput(
        "checkpoint that carries no config, and no --config",
        "detect",
        _checkpoint_without_config,
        ("--config",),
    ),
    BadInput(
        "checkpoint that does not exist",
        "test",
        lambda folder: [TINY, "epoch_99.pth"],
        ("epoch_99.pth", "does not exist"),
    ),
    BadInput(
        "checkpoint to resume that does not exist",
        "train",
        _flags("--resume", "epoch_99.pth"),
        ("epoch_99.pth", "does not exist"),
    ),
    BadInput(
        "backbone weights that do not exist",
        "train",
        _flags("--backbone-weights", "ghost.pth"),
        ("ghost.pth", "timm://NAME", "none"),
    ),
    BadInput(
        "backbone weights with an unknown timm name",
        "train",
        _flags("--backbone-weights", "timm://ghostnet_1000"),
        ("ghostnet_1000", "ghostnet_100"),
    ),
    BadInput(
        "image that is damaged",
        "detect",
        _detect_on(_damaged_file("photo.jpg")),
        ("photo.jpg", "cannot be read"),
    ),
    BadInput(
        "folder with a damaged image",
        "detect",
        _detect_on(_one_damaged_of_many),
        ("0002.png", "cannot be read"),
    ),
    BadInput(
        "folder without images", "detect", _detect_on(_empty_folder), ("no image",)
    ),
    BadInput(
        "video that is damaged",
        "detect",
        _detect_on(_damaged_file("film.mp4")),
        ("film.mp4", "cannot be read"),
    ),
    BadInput(
        "input that does not exist",
        "detect",
        _detect_on(lambda folder: "nothing.jpg"),
        ("nothing.jpg", "does not exist"),
    ),
    BadInput(
        "input that is neither image nor video",
        "detect",
        _detect_on(_damaged_file("notes.txt")),
        ("notes.txt", "neither"),
    ),
    BadInput(
        "work dir that holds another config's run",
        "train",
        _occupied_work_dir,
        ("run", "yolox_ghostnet_coco.py", "--work-dir"),
    ),
    BadInput(
        "work dir that holds the run of another model of the same config",
        "train",
        _work_dir_of_other_model,
        ("run", "widen_factor was 0.5 and is now 1.0", "--work-dir"),
    ),
    BadInput(
        "config that does not exist",
        "train",
        lambda folder: [TINY.replace("tiny_detector", "tiny_detektor")],
        ("does not exist", "tiny_detector.py"),
    ),
    BadInput(
        "config that is not Python",
        "train",
        _config_with("model = dict("),
        ("mine.py", "not valid Python"),
    ),
    BadInput(
        "config with an unknown base",
        "train",
        _config_with("_base_ = './nothing.py'"),
        ("mine.py", "nothing.py"),
    ),
    BadInput(
        "config without a detector",
        "train",
        _config_with("lr = 0.1"),
        ("mine.py", "model"),
    ),
    BadInput(
        "mistyped --cfg-options",
        "train",
        _options("model.backbone.widen_facter=0.5"),
        ("model.backbone.widen_factor?",),
    ),
    BadInput(
        "--cfg-options of mmdet 2",
        "train",
        _options("optimizer.lr=0.1"),
        ("optimizer.lr", "optim_wrapper.optimizer.lr?"),
    ),
    BadInput(
        "--cfg-options data_root",
        "train",
        _options("data_root=data"),
        ("--data-root DIR",),
    ),
    BadInput(
        "--cfg-options without =", "train", _options("model.backbone"), ("KEY=VALUE",)
    ),
    BadInput(
        "asks for float16 on a CPU",
        "train",
        _flags("--amp", "fp16"),
        ("bf16",),
    ),
    BadInput(
        "averages weights with a momentum above 1",
        "train",
        _flags("--ema", "1.5"),
        ("--ema 1.5", "below 1"),
    ),
    BadInput(
        "accumulates no batches",
        "train",
        _flags("--accumulate", "0"),
        ("--accumulate 0",),
    ),
    BadInput(
        "lets deeper layers learn more slowly",
        "train",
        _flags("--layer-decay", "1.2"),
        ("--layer-decay 1.2",),
    ),
    BadInput(
        "freezes random weights",
        "train",
        _flags("--freeze", "stem"),
        ("--freeze stem",),
    ),
    BadInput(
        "gives a negative seed",
        "train",
        _flags("--seed", "-1"),
        ("--seed -1",),
    ),
    BadInput(
        "--vis without the package",
        "train",
        _flags("--vis", "wandb"),
        ("wandb", "pip install"),
    ),
    BadInput(
        "--out in a folder that does not exist",
        "test",
        lambda folder: [
            TINY,
            str(_weights_of(0.5, folder / "weights.pth")),
            "--out",
            "nowhere/results.json",
        ],
        ("nowhere/results.json",),
    ),
)
>>>>>>> h-data


def message_for(case: BadInput, folder: Path) -> tuple[int, str]:
    """Run the tool in ``folder`` and return its exit status and what it complains."""
    with contextlib.redirect_stdout(io.StringIO()):
        arguments = case.prepare(folder)
    done = run_here(case.tool, *arguments, cwd=folder)
    return done.returncode, done.stderr


def print_table() -> None:
    """Print the table of mistakes and messages in Markdown."""
    print("| tool | what is wrong | message |\n|---|---|---|")
    home = Path.cwd()
    for case in BAD_INPUTS:
        folder = Path(tempfile.mkdtemp()).resolve()
        try:
            _, message = message_for(case, folder)
        finally:
            shutil.rmtree(folder)
        message = message.strip().removeprefix("error: ")
        message = message.replace(f"{folder}/", "").replace(f"{home}/", "")
        message = message.replace("|", "\\|")
        print(f"| {case.tool}.py | {case.mistake} | {message} |")


if __name__ == "__main__":
    print_table()
