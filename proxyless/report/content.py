"""What the page of a run says, as data: collected by `proxyless.workflow.report`, drawn by the other files here.

Accuracies are shares from 0 to 1. None stands for what a run does not have: the page shows a dash for it.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict

Shape = tuple[int, int, int]
"""Height, width, channels."""


class Part(BaseModel):
    """A piece of the page. What is read from files may have more fields than the page shows."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class TargetFacts(Part):
    """A latency table that was searched with. allowed_ms: the budget less the table's margin."""

    name: str
    device: dict[str, Any]
    batch: int
    dtype: str
    created: str
    budget_ms: float | None
    allowed_ms: float | None
    min_ms: float | None
    max_ms: float | None
    predicted_ms: float | None
    fit: "FitFacts | None"


class FitFacts(Part):
    """The error of a table on whole networks that its fit did not see."""

    nets: int
    heldout: str
    rmse_pct: float
    within_5pct: float
    kendall: float | None
    predicted_ms: list[float]
    measured_ms: list[float]


class Question(Part):
    """What was asked for. limits: bounds beside latency that were set."""

    space: str
    space_args: dict[str, Any]
    networks: str
    data: str
    classes: list[str]
    budget: str | None
    limits: dict[str, float]
    targets: list[TargetFacts]


class LayerRow(Part):
    """A layer of the chosen network.

    choice: its operation, where it was searched. probability: of that operation when the search ended.
    share: of the predicted milliseconds.
    """

    name: str
    choice: str | None
    kernel: int
    expand: float
    in_shape: Shape
    out_shape: Shape
    stride: int
    params: int
    macs: int
    ms: float | None
    share: float | None
    probability: float | None

    @property
    def is_skip(self) -> bool:
        return self.choice == "skip"


class Answer(Part):
    """The chosen network. source: its file. predicted_ms: overhead_ms plus its layers, by `table`."""

    source: str
    ops: list[str]
    params: int
    macs: int
    peak_memory_bytes: int
    table: str | None
    overhead_ms: float | None
    predicted_ms: float | None
    layers: list[LayerRow]


class LatencyFigure(Part):
    """One latency of the network or of a file of it. on_target: with the runtime and dtype that the budget is for."""

    label: str
    runtime: str
    ms: float
    on_target: bool


class TrainingEpoch(Part):
    epoch: int
    train_loss: float | None = None
    validation_accuracy: float | None = None


class TrainedFacts(Part):
    """epochs: so far. The accuracies are there when the training has ended."""

    best_epoch: int | None
    validation_accuracy: float | None
    test_accuracy: float | None
    epochs: list[TrainingEpoch]


class ExportedFile(Part):
    """One file of an export, as its `report.json` describes it. is_target: whether the budget is for it."""

    file: str | None = None
    dtype: str | None = None
    runtime: str | None = None
    size_bytes: int | None = None
    accuracy: float | None = None
    max_abs_error: float | None = None
    top1_agreement: float | None = None
    measured_ms: float | None = None
    iqr_ms: float | None = None
    at_profiled_speed_ms: float | None = None
    measured_on: str | None = None
    is_target: bool | None = None
    operators: dict[str, int] | None = None

    @property
    def on_target(self) -> bool:
        """Whether the budget is for it. Older reports do not say: their targets computed in float32."""
        if self.is_target is not None:
            return self.is_target
        return self.dtype in (None, "float32") and self.at_profiled_speed_ms is not None


class Check(Part):
    """A promise about a file, what was found, and its limit."""

    name: str
    passed: bool
    value: float | str | None = None
    limit: float | str | None = None
    unit: str | None = None


class Attempt(Part):
    """A way to make a file, and the percentage points of accuracy that the file lost."""

    recipe: str
    loss_points: float


class LeftOut(Part):
    """A file that is not in the export, since it lost too much accuracy however it was made."""

    attempts: list[Attempt] = []


class ExportTarget(Part):
    """What the budget is for."""

    runtime: str
    dtype: str = "float32"


class Exported(Part):
    """What `report.json` says. files: by kind. left_out: by file name. max_int8_loss: in percentage points."""

    data: str | None = None
    pytorch_accuracy: float | None = None
    target: ExportTarget | None = None
    budget_checked: bool | None = None
    files: dict[str, ExportedFile] = {}
    left_out: dict[str, LeftOut] = {}
    calibration_images: int | None = None
    max_int8_loss: float | None = None
    checks: list[Check] = []

    def allowed_loss_points(self, file_name: str) -> float | None:
        """What a file may lose; a report says so of int8 files only."""
        return self.max_int8_loss if ".int8." in file_name else None


class BoundState(Part):
    """The expectation of one bound in one epoch."""

    name: str
    unit: str
    expected: float
    limit: float
    multiplier: float | None = None


class SearchEpoch(Part):
    """A line of the log of a search."""

    epoch: int
    phase: str | None = None
    train_loss: float | None = None
    train_accuracy: float | None = None
    held_out_loss: float | None = None
    held_out_accuracy: float | None = None
    bounds: list[BoundState] = []
    entropy: float | None = None
    skip_share: float | None = None
    probabilities: list[list[float]] = []
    warnings: list[str] = []


class Course(Part):
    """How the search went. decisions: their names. numbers: whether their choices are numbers. ops: names of their
    choices, in the order of the probabilities."""

    decisions: list[str]
    numbers: list[bool]
    ops: list[list[str]]
    epochs: list[SearchEpoch]

    @property
    def warnings(self) -> dict[str, int]:
        """Every warning once, with the epoch in which it first came up."""
        first: dict[str, int] = {}
        for epoch in self.epochs:
            for warning in epoch.warnings:
                first.setdefault(warning, epoch.epoch)
        return first


class Worth(Part):
    """Of a network on held-out images."""

    loss: float
    accuracy: float


class LadderNetwork(Part):
    """A candidate of a search. rungs: its worth after each of its short trainings."""

    ops: list[str]
    source: str
    predicted_ms: float
    shared: Worth | None = None
    rungs: list[Worth] = []


class Lead(Part):
    """By how much the first candidate is more accurate than the second."""

    accuracy: float
    standard_error: float


class Ladder(Part):
    """What a `ladder.json` says: the candidates, best first. epochs: of the rungs."""

    epochs: list[int]
    held_out_images: int
    lead: Lead | None = None
    candidates: list[LadderNetwork]


class GalleryNetwork(Part):
    """One network of a gallery."""

    file: str
    target: str
    budget_ms: float
    predicted_ms: float
    rank: int | None = None
    measured_ms: float | None = None
    params: int | None = None
    macs: int | None = None
    held_out_accuracy: float | None = None
    held_out_loss: float | None = None
    warnings: list[str] = []
    on_front: bool | None = None


class Gallery(Part):
    """What a `gallery.json` says. folder: where it lies, filled in when it is read."""

    folder: str = ""
    networks: list[GalleryNetwork]


class Command(Part):
    """A line for the shell, and what it makes."""

    makes: str
    line: str


class Content(Part):
    """The whole page. configs: the resolved settings, by file. missing: what is not there yet."""

    run: str
    question: Question
    answer: Answer | None
    latencies: list[LatencyFigure]
    trained: TrainedFacts | None
    exported: Exported | None
    course: Course | None
    ladder: Ladder | None
    galleries: list[Gallery]
    environment: dict[str, str]
    commands: list[Command]
    configs: dict[str, str]
    seed: int | None
    missing: list[Command]
