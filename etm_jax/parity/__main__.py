"""Compare the numbers of etm_jax with torch's, quantity by quantity.

    python -m etm_jax.parity
    python -m etm_jax.parity --ntm=Neural_Topic_Models --only=passes

Carries torch's weights over, gives the same documents, noise and dropout masks to both, and prints a row a quantity;
exit status 1 if one is outside its tolerance. torch's side is embedded-topic-model and TopMost where they are
installed, the report's own code where --ntm names a clone of it, and our rendering of both in torch. Needs the extra
torch; `make parity` installs it all.
"""

import csv
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from absl import flags

from etm_jax.cli import flags as cli
from etm_jax.util.console import note, track
from etm_jax.util.errors import UserError

PARTS = ("passes", "training", "evaluation", "curves")
FAILED = 1


def main(argv: Sequence[str]) -> int:
    """Print the table; draw the curves. Returns the exit status."""
    values = _flags()
    if cli.wants_help(argv):
        print(__doc__, values.main_module_help(), sep="\n")
        return 0
    cli.parse_only(values, argv)
    if importlib.util.find_spec("torch") is None:
        raise UserError("torch is not installed; in etm_jax's folder: make parity, or pip install '.[torch]'")
    from etm_jax.parity.curves import check_drawing
    from etm_jax.parity.rows import Row, condensed, format_rows

    if "curves" in values.only:
        check_drawing()
    if values.ntm and not (_clone(values) / "models" / "vae.py").is_file():
        raise UserError(f"--ntm={values.ntm} holds no models/vae.py; give a clone of zll17/Neural_Topic_Models")
    out = Path(values.out).expanduser()
    out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for compute in track(list(_jobs(values, out)), "parity", unit="comparisons"):
        rows += compute()
    if rows:
        print(format_rows(condensed(rows)))
        with (out / "rows.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*Row._fields, "verdict"])
            writer.writerows([*row, "ok" if row.passed else "FAIL"] for row in rows)
    if "curves" in values.only:
        _curves(values, out)
    for line in _not_compared(values):
        note(line)
    failed = sum(not row.passed for row in rows)
    if rows:
        note(f"{len(rows)} quantities compared, {failed} outside their tolerance; each by itself: {out / 'rows.csv'}")
    return FAILED if failed else 0


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_multi_enum("only", PARTS, PARTS, "the parts to do; may be given several times", flag_values=values)
    flags.DEFINE_string("ntm", "", "a clone of zll17/Neural_Topic_Models, to compare with its code", flag_values=values)
    flags.DEFINE_string("corpus", "peoples_daily", "the documents: a file or a corpus by name", flag_values=values)
    flags.DEFINE_integer("keep_n", 2000, "size of the vocabulary", lower_bound=100, flag_values=values)
    flags.DEFINE_integer("num_docs", 3000, "documents to train on", lower_bound=100, flag_values=values)
    flags.DEFINE_integer("epochs", 100, "epochs of the curves", lower_bound=1, flag_values=values)
    flags.DEFINE_string("out", "runs/parity", "folder of rows.csv, curves.csv and curves.png", flag_values=values)
    return values


def _material(values: Any, unit: str, out: Path) -> Any:
    from etm_jax.parity.cases import material

    return material(values.corpus, unit, values.keep_n, values.num_docs, out / "corpus")


def _jobs(values: Any, out: Path) -> Iterator[Callable[[], Any]]:
    """Each comparison, to be called for its rows."""
    if set(values.only) == {"curves"}:
        return
    from etm_jax.parity.cases import CASES, TRAINED, judges_of
    from etm_jax.parity.evaluation import evaluation_rows
    from etm_jax.parity.passes import image_rows, pass_rows, rendering_rows
    from etm_jax.parity.training import REGIMES, float32_rows, training_rows

    clone, material = _clone(values), _material(values, "paragraph", out)
    if "passes" in values.only:
        for dtype in ("float64", "float32"):
            for case in CASES:
                for make in judges_of(case, clone):
                    yield partial(pass_rows, case, make, material, dtype)
            yield partial(image_rows, dtype)
        for case in CASES:
            for make in list(judges_of(case, clone))[1:]:
                yield partial(rendering_rows, case, make, material)
    if "training" in values.only:
        for case in TRAINED:
            *_, make = judges_of(case, clone)
            for regime in REGIMES:
                yield partial(training_rows, case, regime, make, material)
            yield partial(float32_rows, case, make, material)
    if "evaluation" in values.only:
        yield partial(evaluation_rows, material)


def _curves(values: Any, out: Path) -> None:
    """On whole articles, of which the published models learn more than of paragraphs: there curves have a shape."""
    from etm_jax.parity.cases import DRAWN, judges_of
    from etm_jax.parity.curves import draw, train_both, write_csv

    material, drawn = _material(values, "document", out), []
    for case in DRAWN:
        *_, make = judges_of(case, _clone(values))
        drawn.append(train_both(case, make, material, values.epochs, "float64"))
        write_csv(out / "curves.csv", drawn)
    draw(out / "curves.png", drawn)
    note(f"curves of {values.epochs} epochs: {out / 'curves.png'} and curves.csv beside it")


def _clone(values: Any) -> Any:
    """The folder of the clone, or None."""
    return Path(values.ntm).expanduser() if values.ntm else None


def _not_compared(values: Any) -> Iterator[str]:
    """What would have judged too, had it been there."""
    from etm_jax.parity.judges import PACKAGES, installed

    for name, pin in PACKAGES.items():
        if not installed(name):
            yield f"not compared: {name} is not installed (pip install --no-deps {name}=={pin})"
    if not values.ntm:
        yield (
            "not compared: the report's own code. neural-topic-models 0.1.0 on PyPI comes without its models; "
            "clone zll17/Neural_Topic_Models and give --ntm=FOLDER. Our rendering of it was compared in its place"
        )


if __name__ == "__main__":
    sys.exit(cli.run(main))
