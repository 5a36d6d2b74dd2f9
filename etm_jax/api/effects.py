"""Effects of metadata on the topics of a fitted `ETM`."""

from dataclasses import dataclass
from typing import Any

from etm_jax.api.figures import language_of
from etm_jax.api.parameters import whole_number
from etm_jax.api.state import FittedState
from etm_jax.metrics.topics import top_words
from etm_jax.report.effects import effect_tables, largest
from etm_jax.report.effects_figure import figures
from etm_jax.report.plots import figure_style
from etm_jax.report.tables.latex import latex
from etm_jax.results.effects import METHODS, Effect, Effects, Measured, estimate_effects, fitted_topics
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require


@dataclass(frozen=True, repr=False)
class FittedEffects:
    """Effects that were estimated. It shows as the differences that are clearest.

    Attributes
    ----------
    effects : Effects
        The numbers as arrays.
    lang : str
        The language of figures, en or zh.
    """

    effects: Effects
    lang: str

    @property
    def rows(self) -> list[Effect]:
        """The table of `python -m etm_jax.effects`, which `pandas.DataFrame` takes."""
        return self.effects.rows()

    def to_latex(self) -> str:
        """The table as LaTeX, to be read by \\input."""
        return latex(effect_tables(self.effects)[1])

    def plot(self, term: str = "") -> Any:
        """A matplotlib Figure of one term, the first where none is given. Needs matplotlib (extra: figures)."""
        require("matplotlib", "figures", "plot")
        with figure_style(self.lang):
            found = dict(figures(self.effects, self.lang))
        if term and term not in found:
            raise ValueError(f"term={term!r} is not one of {', '.join(found)}")
        return found[term or next(iter(found))]

    def __repr__(self) -> str:
        return largest(self.effects)


class EffectMethods(FittedState):
    """`effects`."""

    def effects(
        self, formula: str = "", *, method: str = "composition", draws: int = 0, level: float = 0.95, seed: int = 1
    ) -> FittedEffects:
        """How topics depend on the metadata that the model was fitted with: expected shares, and differences.

        Parameters
        ----------
        formula : str
            As '~ source + s(date, 5)'; empty for that of the setting `prevalence`.
        method : str
            composition, draws of the documents' topics from their posteriors, each regressed; or bootstrap, documents
            drawn anew.
        draws : int
            Draws of the documents' topics, or of the documents; 0 for 100, or 1000.
        level : float
            How often intervals are to hold the truth.
        seed : int
            The same seed gives the same numbers.

        Raises
        ------
        ValueError
            Where there is no such field, or the documents cannot tell what the formula asks.
        """
        with self._own_words():
            self._with_documents()
            if method not in METHODS:
                raise UserError(f"method={method!r} is not one of {', '.join(METHODS)}")
            if not isinstance(level, float) or not 0 < level < 1:
                raise UserError(f"level={level!r} is not between 0 and 1")
            asked = formula or self._trained.config.model.prevalence
            if not asked:
                raise UserError("formula is missing; give one, as '~ source + s(date, 5)'")
            whole_number(draws, "draws", at_least=0)
            found = estimate_effects(
                self._measured(), asked, method=method, draws=draws, level=level, seed=seed, flag="formula"
            )
        return FittedEffects(found, language_of(self.vocab_))

    def _measured(self) -> Measured:
        corpus, applied, edit = self._corpus, self._applied, self._trained.edit
        documents = corpus.all_documents()
        own = edit.names if edit else [""] * len(self.components_)
        three = [" ".join(self.vocab_[j] for j in row) for row in top_words(self.components_, 3)]
        return Measured(
            documents.counts,
            documents.meta,
            corpus.metadata,
            self._theta[list(map(int, documents.ids))],
            [name or words for name, words in zip(own, three, strict=True)],
            fitted_topics(applied),
            edit,
        )
