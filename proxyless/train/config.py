"""The settings of retraining."""

from pydantic import Field

from proxyless.config import Accelerator, Precision, Settings


class TrainSettings(Settings):
    """How to train a derived network from scratch. The defaults suit the embedded data."""

    epochs: int = Field(30, ge=1, description="Epochs.")
    warmup_epochs: int = Field(3, ge=0, description="Epochs in which the learning rate rises to its peak.")
    batch_size: int = Field(32, ge=2, description="Images per step.")
    lr: float = Field(0.05, gt=0, description="Peak learning rate; cosine to zero.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Nesterov momentum.")
    weight_decay: float = Field(4e-5, ge=0, description="Weight decay of convolutions and the classifier.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Label smoothing.")
    validation: float = Field(0.1, gt=0, lt=1, description="Share of the training images that choose the best epoch.")
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    device: Accelerator = Field("auto", description="Where to train: auto, cpu or cuda.")
    precision: Precision = Field("32-true", description="Arithmetic: 32-true, or bf16-mixed.")
    limit: int | None = Field(None, ge=1, description="Use at most so many images of each split.")
