"""`preprocess.json`: how an image becomes the input of an exported file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from proxyless.files import read_model, write_json

MAX_SIDE = 8192

Side = Annotated[int, Field(strict=True, ge=1, le=MAX_SIDE)]
"""Pixels."""
Mean = Annotated[float, Field(strict=True, ge=-1e6, le=1e6, allow_inf_nan=False)]
Std = Annotated[float, Field(strict=True, ge=1e-6, le=1e6, allow_inf_nan=False)]
"""Far from what float32 would round to zero."""
FileName = Annotated[str, Field(pattern=r"^[^/\\\x00]*[^/\\.\x00][^/\\\x00]*$", max_length=255)]
"""Of a file beside the document: neither a path nor `..`."""


class FileInput(BaseModel):
    """What a file takes. An int8 or uint8 file has its scale and zero point inside."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    layout: Literal["NCHW", "NHWC"]
    dtype: Literal["float32", "int8", "uint8"] = "float32"


class Preprocess(BaseModel):
    """The document `preprocess/1`.

    size: height and width of the input. mean, std: per channel, of images in [0, 1]. files: by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal["preprocess/1"] = "preprocess/1"
    size: tuple[Side, Side]
    resize: Literal["shorter side, bilinear, centre crop"] = "shorter side, bilinear, centre crop"
    channels: Literal["RGB"] = "RGB"
    scale: Literal["divide by 255, subtract mean, divide by std"] = "divide by 255, subtract mean, divide by std"
    mean: tuple[Mean, Mean, Mean]
    std: tuple[Std, Std, Std]
    files: Mapping[FileName, FileInput] = Field(min_length=1)

    @staticmethod
    def load(path: Path) -> "Preprocess":
        """Read and validate.

        Raises:
            InputError: missing, damaged, of another format, or a value out of range.
        """
        return read_model(path, "preprocessing", Preprocess)

    def save(self, path: Path) -> None:
        write_json(path, self.model_dump(mode="json"))

    def of_file(self, name: str) -> Self:
        """The same for one file alone."""
        return self.model_copy(update={"files": {name: self.files[name]}})
