"""What models have in common whose topics differ from period to period.

Shapes: B documents of a batch, T periods.
"""

import jax

from etm_jax.config.build import Config
from etm_jax.config.settings import ModelConfig
from etm_jax.corpus.metadata import Metadata
from etm_jax.models.base import TopicModel
from etm_jax.models.batch import Batch
from etm_jax.models.layers import needs_no_parameters
from etm_jax.models.time_axis import TimeAxis, time_axis
from etm_jax.util.errors import UserError


class ByPeriod(TopicModel):
    """A model with the settings `time_field` and `time_bin` of its own, which exports `alpha_time` and `eta`."""

    @classmethod
    def check(cls, config: Config, ckpt: str) -> None:
        cls.fields_read(config.model)

    @classmethod
    def fields_read(cls, config: ModelConfig) -> tuple[str, ...]:
        if not config.own.time_field:
            raise UserError(
                "--model=detm needs --time_field=FIELD, the metadata field with documents' dates or periods"
            )
        return (config.own.time_field,)

    @classmethod
    def check_fields(cls, config: ModelConfig, metadata: Metadata) -> None:
        cls.axis_of(config, metadata)

    @classmethod
    def axis_of(cls, config: ModelConfig, metadata: Metadata) -> TimeAxis:
        column = next(column for column in metadata.columns if column.name == config.own.time_field)
        return time_axis(column, config.own.time_bin)

    @property
    @needs_no_parameters
    def axis(self) -> TimeAxis:
        """The T periods."""
        return self.axis_of(self.config, self.metadata)

    def period_of(self, batch: Batch) -> jax.Array:
        """The place of each document's period: [B] int32; T for a document without a date."""
        return self.axis.period_of(batch.extras[self.config.own.time_field])

    @property
    def topics_vary(self) -> bool:
        return True
