"""Saving a fitted `ETM` as a folder, and loading one."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from etm_jax.api.parameters import in_python, lost_segmenter
from etm_jax.api.run_model import read_run_model
from etm_jax.api.state import FittedState
from etm_jax.config.vector_sources import is_given
from etm_jax.interop.folders import MODEL, read_folder, save_folder
from etm_jax.results.saved_run import write_documents
from etm_jax.training.run_folder import RunFolder
from etm_jax.util.disk import given_path
from etm_jax.util.errors import UserError, one_line
from etm_jax.util.files import DAMAGED
from etm_jax.util.reading import as_object
from etm_jax.vectors.documents import IN_PYTHON


class SavedAsFolder(FittedState):
    """`save` and `load`."""

    settings: Mapping[str, Any] | None
    segmenter: str | Callable[[str], Iterable[str]]
    stopwords: str | Iterable[str]
    context: Any

    def save(self, path: str | Path, *, documents: bool = False) -> None:
        """Write a folder that `ETM.load` reads on any platform. It contains no executable code.

        documents: whether to write the counts of the documents that the model was fitted to as well, which
        `python -m etm_jax.report --workdir=PATH` and `etm_jax.evaluate` then show and measure. Raises ValueError where
        the folder cannot be written, and for `documents` of a model that was loaded.
        """
        check_is_fitted(self, "components_")
        given = {name: value for name, value in self.get_params(deep=False).items() if name != "callbacks"}
        given["settings"] = dict(self.settings) if self.settings is not None else None
        by_function = callable(self.segmenter)
        if by_function:
            given["segmenter"] = ""
        # An array may have come with the model or with `fit`.
        if (context := self._trained.config.model.context) == IN_PYTHON:
            given["context"] = context
        if documents and is_given(self._trained.config.model.context):
            raise ValueError(
                "documents=True writes no vectors of documents, which this model reads; leave it out, or fit without "
                "context"
            )
        if not isinstance(self.stopwords, str):
            given["stopwords"] = sorted(self.stopwords) if isinstance(self.stopwords, Set) else list(self.stopwords)
        about = {
            # numpy's numbers, which are as good as Python's, are none of JSON's.
            "parameters": json.loads(json.dumps(given, default=lambda value: np.asarray(value).tolist())),
            "segmenter_is_function": by_function,
            "counts": getattr(self, "n_features_in_", None),
            "share": self._share.tolist(),
            "npmi": self._npmi.tolist(),
            "history": self.history_,
        }
        with self._own_words():
            if documents:
                self._with_documents()
            more = (lambda new: write_documents(new, self._record, self._corpus, self.history_)) if documents else None
            save_folder(given_path(path), self._trained, about, more)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read the model that `save` wrote, or that of a run of `python -m etm_jax.train` that has ended.

        A model that was loaded has no documents. Raises ValueError where the folder contains no model, it is damaged,
        or the run has not ended.
        """
        try:
            place = given_path(path)
            if not (place / MODEL).is_file() and RunFolder(place).has_record:
                return cls._of_run(place)
            trained, about = read_folder(place)
            model = cls(**cls._saved_parameters(about))
            model._config()
            share, npmi = (np.array(about[name], np.float64).reshape(trained.num_topics) for name in ("share", "npmi"))
            history, num_columns = about["history"], about["counts"]
        except UserError as error:
            said = in_python(str(error))
            raise ValueError(
                said if one_line(str(path)) in said or path is None else f"{path}: {said}; save the model again"
            ) from error
        except DAMAGED as error:
            raise ValueError(f"{path} is damaged ({error!r}); save the model again") from error
        if about.get("segmenter_is_function"):
            model.segmenter = lost_segmenter
        model._take(trained)
        model._share, model._npmi = share, npmi
        model.history_, model._documents = history, None
        if num_columns is not None:
            model.n_features_in_ = num_columns
        return model

    @classmethod
    def _of_run(cls, place: Path) -> Self:
        """The model of a run, with parameters that would fit it again to the same documents. Raises UserError."""
        found = read_run_model(place, inspect.signature(cls.__init__).parameters)
        model = cls(**found.parameters)
        model._config()
        model._take(found.trained)
        model._share, model._npmi = found.share, found.npmi
        model.history_, model._documents = found.history, None
        return model

    @classmethod
    def _saved_parameters(cls, about: Mapping[str, Any]) -> dict[str, Any]:
        """The constructor's arguments that `save` wrote. Raises ValueError or KeyError where they are invalid."""
        known = set(inspect.signature(cls.__init__).parameters)
        given = {name: value for name, value in as_object(about["parameters"]).items() if name in known}
        if given["settings"]:
            # JSON has no tuples.
            settings = as_object(given["settings"])
            given["settings"] = {name: tuple(x) if isinstance(x, list) else x for name, x in settings.items()}
        return given
