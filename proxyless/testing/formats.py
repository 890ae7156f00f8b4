"""What every export format must do: its files compute what PyTorch does, hold what is said of them, run alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from export.checks import Expected, failed
from export.format import Format, ModelFile
from export.verify import Reference, verify
from proxyless.errors import CheckError, InputError
from proxyless.testing.networks import MOBILE, deployable, random_images

_ENTRIES = {"proxyless.labels": '["Käse", "b"]', "proxyless.preprocessing": "{}"}


class FormatContract:
    """format: what is tested; skipped where its packages are not installed."""

    format: Format

    @pytest.fixture(scope="class")
    def exported(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Reference]:
        """A file, and what PyTorch makes of images."""
        try:
            self.format.require()
        except InputError as error:
            pytest.skip(str(error))
        network, images = deployable(MOBILE), random_images(16, 32, seed=7)
        with torch.no_grad():
            logits = network(torch.from_numpy(images)).numpy()
        path = tmp_path_factory.mktemp(self.format.name) / ModelFile(self.format).file_name
        self.format.tools.convert(network, 32, path)
        return path, Reference(lambda: iter([images[:12], images[12:]]), logits.argmax(1), logits)

    @pytest.mark.slow
    def test_a_file_does_what_the_network_does_and_no_other_work(self, exported: tuple[Path, Reference]) -> None:
        report = verify(ModelFile(self.format), exported[0], exported[1], Expected.of(MOBILE))
        assert not failed(report.checks), failed(report.checks)

    @pytest.mark.slow
    def test_every_recipe_of_every_dtype_makes_a_file_that_loads(
        self, exported: tuple[Path, Reference], tmp_path: Path
    ) -> None:
        path, reference = exported
        for dtype in self.format.dtypes:
            for recipe in self.format.tools.recipes[dtype]:
                made = tmp_path / f"{dtype}-{recipe.name}{self.format.suffix}"
                recipe.make(path, made, random_images(32, 32))
                logits = np.concatenate([self.format.tools.load(made)(images) for images in reference.batches()])
                assert logits.shape == reference.logits.shape and np.isfinite(logits).all()

    @pytest.mark.slow
    def test_what_is_said_of_a_file_is_read_again_and_changes_nothing(
        self, exported: tuple[Path, Reference], tmp_path: Path
    ) -> None:
        path, reference = exported
        copy = tmp_path / path.name
        copy.write_bytes(path.read_bytes())
        self.format.describe(copy, _ENTRIES)
        self.format.describe(copy, {"proxyless.labels": '["c"]'})
        found = self.format.read_entries(copy)
        assert found["proxyless.labels"] == '["c"]' and found["proxyless.preprocessing"] == "{}"
        images = next(reference.batches())
        np.testing.assert_array_equal(self.format.tools.load(copy)(images), self.format.tools.load(path)(images))

    @pytest.mark.slow
    def test_the_receivers_function_computes_the_same(self, exported: tuple[Path, Reference]) -> None:
        path, reference = exported
        run, shape = self.format.receiver.load(path, 1)
        images = next(reference.batches())[:1]
        fed = images if self.format.layout == "NCHW" else np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        assert list(shape)[1:] == list(fed.shape[1:])
        error = np.abs(run(fed) - reference.logits[:1]).max()
        assert error < 1e-3 * np.abs(reference.logits).max()

    def test_a_file_of_something_else_is_refused(self, tmp_path: Path) -> None:
        try:
            self.format.require()
        except InputError as error:
            pytest.skip(str(error))
        path = tmp_path / f"x{self.format.suffix}"
        path.write_text("hello")
        with pytest.raises(CheckError):
            self.format.tools.load(path)
