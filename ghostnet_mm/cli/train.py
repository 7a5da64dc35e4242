"""``ghostnet train``: train a model and evaluate it."""

import argparse

from .detector_options import add_data_options, add_launcher

DESCRIPTION = """\
Train the model of CONFIG, validate it as the config says, and print the table of
scores.

Named options win over --cfg-options, and these win over the file. When they change the
backbone, the in_channels of the neck follow. Checkpoints, the dumped config and the
full log go to the work dir."""

EXAMPLES = """\
examples:
  ghostnet train retinanet_ghostnet_digits
  ghostnet train retinanet_ghostnet_coco --data-root data/coco
  ghostnet train retinanet_ghostnet_coco --data-root my_photos \\
      --cfg-options model.backbone.widen_factor=1.3 train_dataloader.batch_size=8 \\
      --backbone-weights none
  ghostnet train retinanet_ghostnet_coco --resume
  ghostnet train retinanet_ghostnet_coco --data-root my_photos \\
      --freeze norms --layer-decay 0.8 --ema --early-stop 3 --accumulate 4 \\
      --auto-scale-lr
  torchrun --nproc-per-node 8 -m ghostnet_mm train retinanet_ghostnet_coco \\
      --launcher pytorch --auto-scale-lr"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "config",
        nargs="?",
        metavar="CONFIG",
        help="a name from ghostnet configs, or your file",
    )
    parser.add_argument(
        "--data-root",
        nargs="+",
        action="extend",
        metavar="DIR",
        help="train on your folder, in COCO, YOLO, Pascal VOC, LabelMe, CVAT, VIA or "
        "Label Studio format; several are joined by the names of their classes",
    )
    add_data_options(parser)
    parser.add_argument(
        "--backbone-weights",
        metavar="SOURCE",
        help="start the backbone from timm://NAME, from a file, or from scratch (none)",
    )
    parser.add_argument(
        "--work-dir", metavar="DIR", help="default: ./work_dirs/<name of the config>"
    )
    parser.add_argument(
        "--amp",
        nargs="?",
        const="auto",
        choices=["auto", "fp16", "bf16"],
        help="mixed precision; alone: float16 on a GPU, bfloat16 on a CPU",
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const="latest",
        metavar="PATH",
        help="continue from the checkpoint PATH; alone: from the latest of the work "
        "dir, or from the beginning if there is none",
    )
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help="scale the learning rate with the images of a step, accumulated ones "
        "included",
    )
    add_training_arguments(parser)
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        metavar="KEY=VALUE",
        help="change settings of the config: train_cfg.max_epochs=3, "
        'model.backbone.out_indices="(1,2,3)"; a key that hits nothing is an error, a '
        "new argument of a part such as model.backbone.with_cp=True is not",
    )
    add_launcher(parser)
    parser.add_argument(
        "--vis",
        choices=["tensorboard", "wandb"],
        help="also write the curves for TensorBoard or Weights & Biases",
    )


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what changes how the model is trained; see docs/training.md."""
    group = parser.add_argument_group("training", "see docs/training.md")
    group.add_argument(
        "--epochs",
        type=int,
        metavar="N",
        help="length of the run; warm-up, schedule and validations are scaled to it",
    )
    group.add_argument(
        "--ema",
        nargs="?",
        const=True,
        type=float,
        metavar="MOMENTUM",
        help="validate with and save an average of the weights; alone: the momentum "
        "follows from the length of the run",
    )
    group.add_argument(
        "--accumulate",
        type=int,
        metavar="N",
        help="make one optimizer step of N batches",
    )
    group.add_argument(
        "--early-stop",
        nargs="?",
        const=True,
        type=int,
        metavar="PATIENCE",
        help="end the run after PATIENCE validations without a better score (default: "
        "5), and keep the best checkpoint",
    )
    group.add_argument(
        "--freeze",
        choices=["none", "norms", "stem", "backbone"],
        help="keep parts of a pretrained backbone as they are: norm statistics, the "
        "stem too, or everything",
    )
    group.add_argument(
        "--layer-decay",
        type=float,
        metavar="RATE",
        help="multiply the learning rate by RATE for every backbone layer away from "
        "the neck",
    )
    group.add_argument(
        "--compile",
        action="store_true",
        help="compile the forward pass of backbone, neck and head",
    )
    group.add_argument(
        "--channels-last",
        action="store_true",
        help="keep weights and maps in channels-last memory format",
    )
    group.add_argument(
        "--on-nan",
        choices=["stop", "skip", "rollback"],
        help="of a loss that is NaN or infinite: stop and say where it comes from (the "
        "default), leave the batch out, or go back to the last checkpoint's weights",
    )
    group.add_argument(
        "--keep",
        type=int,
        metavar="N",
        help="keep the last N checkpoints and the best one (default: as the config "
        "says, which is all of them in most); one goes when the next is on the disk",
    )
    group.add_argument("--seed", type=int, metavar="N", help="of all random numbers")
    group.add_argument(
        "--deterministic", action="store_true", help="use repeatable algorithms only"
    )


def check_arguments(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace
) -> None:
    """Find the config where ``--data-root DIR CONFIG`` has taken it for a folder."""
    roots = arguments.data_root or []
    if arguments.config is None and len(roots) > 1:
        arguments.config = roots.pop()
    if arguments.config is None:
        parser.error("the following arguments are required: CONFIG")


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    from ghostnet_mm.configuration import Options, prepare_run
    from ghostnet_mm.engine.run import run_training

    prepared = prepare_run(arguments.config, Options.from_arguments(arguments))
    run_training(prepared.cfg, prepared.model)
