"""The parts of one pipeline, put together, and what a pause or a hold means for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.dataset import Dataset
from pixd.intake import Intake
from pixd.training import Training
from pixd.translation import Translation

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixd.config import PipelineSettings, Settings
    from pixd.store.store import Store
    from pixd.warm import WarmWorker


class Pipeline:
    """One pipeline: its two folders, its dataset, its training and its translation."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        pipeline: PipelineSettings,
        inspector: WarmWorker,
        wake: Callable[[], None],
    ) -> None:
        """Put the parts together; nothing is read before the first `step`."""
        self.settings = pipeline
        self.pause = store.holds.paused(pipeline.name)
        settle_s = pipeline.settle_seconds
        self.training_folder = Intake(
            store, pipeline.name, "training", pipeline.training, settle_seconds=settle_s, wake=wake
        )
        self.input_folder = Intake(
            store, pipeline.name, "input", pipeline.input, settle_seconds=settle_s, wake=wake
        )
        self.dataset = Dataset(store, pipeline, self.training_folder, inspector)
        self.training = Training(store, settings, pipeline, self.training_folder, self.dataset)
        self.translation = Translation(store, settings, pipeline, self.input_folder)

    @property
    def intakes(self) -> tuple[Intake, Intake]:
        """Both watched folders."""
        return self.training_folder, self.input_folder

    @property
    def may_start(self) -> bool:
        """Whether new work may begin."""
        return self.pause is None

    @property
    def will_train(self) -> bool:
        """Whether a training runs, or begins without a change from outside."""
        if self.training.state == "waiting":
            return self.may_start and not self.training_folder.held
        return self.training.state == "running"
