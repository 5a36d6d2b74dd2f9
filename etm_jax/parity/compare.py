"""The whole comparison, or parts of it: what `etm_jax.parity` does."""

import io
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.sources import files_of, find_source
from etm_jax.parity.cases import CASES, DRAWN, TRAINED, Material, judges_of, material
from etm_jax.parity.curves import check_drawing, draw, train_both, write_csv
from etm_jax.parity.evaluation import evaluation_rows
from etm_jax.parity.judges import PACKAGES, installed
from etm_jax.parity.passes import image_rows, pass_rows, rendering_rows
from etm_jax.parity.rows import Row, condensed, format_rows
from etm_jax.parity.training import REGIMES, float32_rows, training_rows
from etm_jax.util.console import note, show, track
from etm_jax.util.errors import UserError
from etm_jax.util.files import replace_text
from etm_jax.util.overlap import check_not_read
from etm_jax.util.tables import TableWriter

FAILED = 1
"""Exit status where a quantity is outside its tolerance."""


class Comparison:
    """What is compared, and on which documents.

    ntm: a clone of zll17/Neural_Topic_Models, or empty. out: the folder for results. Creating a comparison writes
    nothing. Raises UserError where the clone lacks the models.
    """

    def __init__(self, ntm: str, corpus: str, keep_n: int, num_docs: int, epochs: int, out: str) -> None:
        self.clone = Path(ntm).expanduser() if ntm else None
        self.corpus, self.keep_n, self.num_docs, self.epochs = corpus, keep_n, num_docs, epochs
        self.out = Path(out).expanduser()
        if self.clone and not (self.clone / "models" / "vae.py").is_file():
            raise UserError(f"--ntm={ntm} holds no models/vae.py; give a clone of zll17/Neural_Topic_Models")

    def run(self, parts: Collection[str]) -> int:
        """Print the table of these parts and plot the curves; returns the exit status. parts: as in --only."""
        if "curves" in parts:
            check_drawing()
        results = [("--out", self.out / name) for name in ("rows.csv", "curves.csv", "curves.png")]
        read = CorpusConfig(corpus=self.corpus)
        clone = [("--ntm", self.clone)] if self.clone else []
        check_not_read(results, [*clone, *(("--corpus", path) for path in files_of(find_source(read)))])
        self.out.mkdir(parents=True, exist_ok=True)
        rows: list[Row] = []
        for compute in track(list(self.jobs(parts)), "parity", unit="comparisons"):
            rows += compute()
        if rows:
            self.write_rows(rows)
            show(format_rows(condensed(rows)))
        if "curves" in parts:
            self.draw_curves()
        for line in self.not_compared():
            note(line)
        failed = sum(not row.passed for row in rows)
        if rows:
            table = self.out / "rows.csv"
            note(f"{len(rows)} quantities compared, {failed} outside their tolerance; all of them: {table}")
        return FAILED if failed else 0

    def jobs(self, parts: Collection[str]) -> Iterator[Callable[[], Iterable[Row]]]:
        """Yield the comparisons as functions that return rows."""
        if set(parts) == {"curves"}:
            return
        documents = self.documents("paragraph")
        if "passes" in parts:
            for dtype in ("float64", "float32"):
                for case in CASES:
                    for make in judges_of(case, self.clone):
                        yield partial(pass_rows, case, make, documents, dtype)
                yield partial(image_rows, dtype)
            for case in CASES:
                for make in list(judges_of(case, self.clone))[1:]:
                    yield partial(rendering_rows, case, make, documents)
        if "training" in parts:
            for case in TRAINED:
                *_, make = judges_of(case, self.clone)
                for regime in REGIMES:
                    yield partial(training_rows, case, regime, make, documents)
                yield partial(float32_rows, case, make, documents)
        if "evaluation" in parts:
            yield partial(evaluation_rows, documents)

    def documents(self, unit: str) -> Material:
        """The documents of the corpus: paragraphs, or whole articles."""
        return material(self.corpus, unit, self.keep_n, self.num_docs, self.out / "corpus")

    def write_rows(self, rows: list[Row]) -> None:
        """Write every quantity on a line of its own to rows.csv."""
        text = io.StringIO()
        table = TableWriter(text, [*Row._fields, "verdict"])
        for row in rows:
            table.write([*row, "ok" if row.passed else "FAIL"])
        replace_text(self.out / "rows.csv", text.getvalue())

    def draw_curves(self) -> None:
        """Plot curves on whole articles: the published models learn more from them than from paragraphs."""
        documents, drawn = self.documents("document"), []
        for case in DRAWN:
            *_, make = judges_of(case, self.clone)
            drawn.append(train_both(case, make, documents, self.epochs, "float64"))
            write_csv(self.out / "curves.csv", drawn)
        draw(self.out / "curves.png", drawn)
        note(f"curves of {self.epochs} epochs: {self.out / 'curves.png'} and curves.csv beside it")

    def not_compared(self) -> Iterator[str]:
        """Yield messages on torch code that is not installed and was therefore not compared."""
        for name, pin in PACKAGES.items():
            if not installed(name):
                yield f"not compared: {name} is not installed (pip install --no-deps {name}=={pin})"
        if not self.clone:
            yield (
                "not compared: the report's own code. neural-topic-models 0.1.0 on PyPI comes without its models; "
                "clone zll17/Neural_Topic_Models and give --ntm=FOLDER. Our rendering was compared in its place"
            )
