"""The settings of an export."""

from pydantic import Field

from export.dtypes import Dtype
from proxyless.config import MAX_COUNT, MAX_SEED, Settings


class ExportSettings(Settings):
    """Which files to write beside the float32 ones, and what they may lose."""

    int8: bool | None = Field(None, description="Write int8 files too. Default: where the target computes in int8.")
    float16: bool = Field(False, description="Write float16 files too, where the format has them (TFLite).")
    calibration_images: int = Field(
        200, ge=1, le=MAX_COUNT, description="Training images that int8 files are calibrated on, as many of each class."
    )
    max_int8_loss: float = Field(
        1.0, ge=0, le=100, description="Percentage points of test accuracy that an int8 file may lose."
    )
    seed: int = Field(0, ge=0, le=MAX_SEED, description="Seed of the choice of calibration images.")

    def dtypes(self, target: str) -> list[Dtype]:
        """What is written beside float32, for a target that computes with `target` numbers."""
        int8 = self.int8 if self.int8 is not None else target == "int8"
        wanted: dict[Dtype, bool] = {"int8": int8, "float16": self.float16}
        return [dtype for dtype, chosen in wanted.items() if chosen]
