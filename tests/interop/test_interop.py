"""Weights from torch and back, bit for bit; files that would run code; a model as one file."""

import importlib.metadata
import importlib.util
import pickle
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

import forked
from conftest import forward
from etm_jax.cli import flags as cli
from etm_jax.config.build import make_config
from etm_jax.convert import main as convert_main
from etm_jax.corpus.inputs import encoder_input
from etm_jax.corpus.types import Vocabulary
from etm_jax.interop import from_safetensors, from_torch, read_saved_model, save_torch, to_safetensors, to_torch
from etm_jax.interop.layouts import from_state, to_state
from etm_jax.interop.start_weights import read_start_weights
from etm_jax.models.layers import Variables, init_variables
from etm_jax.models.noise import Noise
from etm_jax.train import main as train_main
from etm_jax.training.batches import Batcher
from etm_jax.training.saved_model import SavedModel
from etm_jax.training.steps import Spec
from etm_jax.util.errors import UserError
from etm_jax.util.tensor_files import write_tensors

V, H, K, L = 12, 6, 3, 4


def variables_of(variant="paper", **given):
    config = make_config(variant, {"num_topics": K, "hidden": (H, H), "embed_dim": L} | given)
    spec = Spec(config.model, config.objective, config.optimizer, V, L, 1, True)
    return config, init_variables(jax.random.key(0), spec.module())


def assert_same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    "layout, variant, given",
    [("etm", "paper", {}), ("topmost", "paper", {}), ("ntm", "ntm", {}), ("ntm", "ntm", {"hidden": (8, 7, 5)})],
)
def test_ours_to_theirs_and_back_is_exact(layout, variant, given):
    _, variables = variables_of(variant, **given)
    params = jax.tree.map(np.asarray, variables.params)
    weights = from_state(to_state(params, layout))
    assert_same(weights.params, params)
    assert (weights.layout, weights.variant) == (layout, variant)
    assert weights.settings["hidden"] == given.get("hidden", (H, H))
    assert (weights.settings["num_topics"], weights.settings["embed_dim"]) == (K, L)


def test_topmosts_constant_comes_along():
    _, variables = variables_of()
    assert from_state(to_state(variables.params, "topmost")).settings["likelihood_eps"] == 1e-12


def state(layout="etm", variant="paper"):
    return to_state(variables_of(variant)[1].params, layout)


@pytest.mark.parametrize("prefix", ["module.", "vae.", "module.vae."])
def test_prefixes_and_wrappings_are_seen_through(prefix):
    plain = state("ntm", "ntm")
    wrapped = {prefix + key: value for key, value in plain.items()}
    for source in (wrapped, {"net": wrapped, "param": {}}, {"state": {"net": wrapped, "epoch": 3}, "param": {}}):
        assert_same(from_torch(source).params, from_torch(plain).params)


def changed(**more):
    return {key: value for key, value in (state() | more).items() if value is not None}


@pytest.mark.parametrize(
    "source, words",
    [
        (changed(**{"mu_q_theta.bias": None}), ["no 'mu_q_theta.bias'"]),
        (changed(extra=np.zeros(2)), ["unknown key 'extra'"]),
        (changed(**{"alphas.weight": np.zeros((K, L + 1))}), ["'alphas.weight'", "[3, 5]", "[3, 4]"]),
        (changed(**{"q_theta.0.weight": np.zeros(3)}), ["'q_theta.0.weight'", "2 axes"]),
        (changed(**{"rho.weight": None}), ["rho.weight", "fixed word embeddings", "--rho"]),
        (changed(**{"mu_q_theta.bias": np.zeros(K, int)}), ["'mu_q_theta.bias'", "int64"]),
        ({"weight": np.zeros(2)}, ["known layout", "'weight'"]),
        ({}, ["known layout"]),
        ({"a": "b"}, ["'a'", "str"]),
    ],
)
def test_what_is_no_models_weights_is_refused_by_name(source, words):
    with pytest.raises(UserError) as caught:
        from_torch(source)
    assert all(word in str(caught.value) for word in words), caught.value


def test_fixed_embeddings_are_given_beside():
    rho = np.random.default_rng(0).normal(size=(V, L)).astype(np.float32)
    weights = from_torch(changed(**{"rho.weight": None}), rho=rho)
    np.testing.assert_array_equal(weights.params["rho"], rho)
    with pytest.raises(UserError, match="rho is given"):
        from_torch(state(), rho=rho)


def test_a_part_without_a_place_is_refused():
    _, variables = variables_of("default")
    with pytest.raises(UserError, match="no place for skip_topics:"):
        to_state(variables.params, "etm")
    without_skip = {name: x for name, x in variables.params.items() if name != "skip_topics"}
    with pytest.raises(UserError, match="no place for an encoder that reads words through ρ"):
        to_state(without_skip, "etm")


def test_files_without_torch_or_of_no_torch_are_one_clear_line(tmp_path):
    text = tmp_path / "notes.pt"
    text.write_text("hello", encoding="utf-8")
    with pytest.raises(UserError, match=r"notes\.pt: it is not a torch checkpoint"):
        from_torch(text)
    with pytest.raises(UserError, match=r"none\.pt: it cannot be read: No such file"):
        from_torch(tmp_path / "none.pt")


# With torch.


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed (extra: torch)")


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (exec, ("import pathlib; pathlib.Path('ran').write_text('x')",))


def test_a_file_that_would_run_code_is_refused_and_does_not(torch, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"net": Evil()}, "evil.pt")
    Path("old.pt").write_bytes(pickle.dumps(Evil(), protocol=2))
    for name in ("evil.pt", "old.pt"):
        with pytest.raises(UserError) as caught:
            from_torch(name)
        assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "ran").exists()
    # The file is armed.
    torch.load("evil.pt", weights_only=False)
    assert (tmp_path / "ran").exists()


def test_a_whole_module_is_refused_with_the_way_out(torch, tmp_path):
    torch.save(torch.nn.Linear(2, 3), tmp_path / "model.pt")
    with pytest.raises(UserError, match=r"holds more than weights \(torch.nn.modules.linear.Linear\).*state_dict"):
        from_torch(tmp_path / "model.pt")


def test_a_truncated_file_is_refused(torch, tmp_path):
    torch.save(to_torch(variables_of()[1].params, "etm"), tmp_path / "model.pt")
    whole = (tmp_path / "model.pt").read_bytes()
    for end in (10, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.pt").write_bytes(whole[:end])
        with pytest.raises(UserError, match=r"cut\.pt: it is"):
            from_torch(tmp_path / "cut.pt")


@pytest.mark.parametrize("layout, variant", [("etm", "paper"), ("topmost", "paper"), ("ntm", "ntm")])
def test_through_a_file_is_exact(torch, tmp_path, layout, variant):
    params = jax.tree.map(np.asarray, variables_of(variant)[1].params)
    save_torch(tmp_path / "model.pt", params, layout)
    assert_same(from_torch(tmp_path / "model.pt").params, params)
    if layout == "ntm":
        saved = torch.load(tmp_path / "model.pt", weights_only=True)
        assert saved["param"] == {"bow_dim": V, "n_topic": K, "emb_dim": L}


def test_the_later_form_of_the_reports_checkpoint_with_a_device_in_it(torch, tmp_path):
    net = to_torch(variables_of("ntm")[1].params, "ntm")
    optimizer = {"state": {}, "param_groups": [{"lr": 1e-3, "params": [0]}]}
    param = {"bow_dim": V, "n_topic": K, "device": torch.device("cpu"), "dict_path": "x"}
    torch.save({"state": {"net": net, "optimizer": optimizer, "epoch": 5}, "param": param}, tmp_path / "ep5.ckpt")
    assert from_torch(tmp_path / "ep5.ckpt").layout == "ntm"


def live(torch, which):
    """A third party's module of our sizes and its layout; `fixed`: embedded-topic-model on fixed word embeddings."""
    if which == "ours, report":
        from etm_jax.parity.torch_models import EVAE

        return EVAE((V, 7, H, K), L), "ntm"
    if which == "ours, gsm":
        from etm_jax.parity.torch_models import VAE

        return VAE((V, 7, H, K), (K, 5, V)), "ntm"
    if which in ("embedded-topic-model", "fixed"):
        pytest.importorskip("embedded_topic_model", reason="embedded-topic-model is not installed (make parity)")
        from embedded_topic_model.models.model import Model

        rho = torch.randn(V, L) if which == "fixed" else None
        return Model(torch.device("cpu"), K, V, H, L, L, "relu", rho, which != "fixed", 0.0), "etm"
    try:
        file = importlib.metadata.distribution("topmost").locate_file("topmost/models/basic/ETM.py")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("topmost is not installed (make parity)")
    spec = importlib.util.spec_from_file_location("topmost_etm", str(file))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ETM(V, L, K, H, train_WE=True), "topmost"


@pytest.mark.parametrize("which", ["ours, report", "ours, gsm", "embedded-topic-model", "topmost"])
def test_theirs_to_ours_and_back_is_exact(torch, which):
    module, layout = live(torch, which)
    weights = from_torch(module.state_dict())
    assert weights.layout == layout
    other, _ = live(torch, which)
    other.load_state_dict(to_torch(weights.params, layout), strict=True)
    for key, value in module.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key


def posterior_and_beta(weights):
    """What our model of these weights makes of `COUNTS`, prepared as its variant does: mu, logvar, beta."""
    config = make_config(weights.variant, weights.settings)
    spec = Spec(config.model, config.objective, config.optimizer, weights.vocab_size, L, 1, True)
    constants = {"background": jnp.zeros(V)} if "rho" in weights.params else {}
    variables = jax.tree.map(jnp.asarray, Variables(weights.params, constants))
    kind = config.model.encoder_input
    inputs = encoder_input(COUNTS, kind, Vocabulary([""] * V, np.ones(V), np.ones(V), 1, ""))
    batch = Batcher(COUNTS, inputs, len(COUNTS.indptr) - 1).take(np.arange(2))
    out = forward(spec.module(), variables, batch, Noise(jnp.zeros((2, K))))
    return *(x[:2] for x in out.posterior), out.beta


COUNTS = sp.csr_matrix(np.random.default_rng(3).integers(0, 4, size=(2, V)), dtype=np.int32)


@pytest.mark.parametrize("which", ["ours, report", "ours, gsm", "embedded-topic-model", "fixed", "topmost"])
def test_their_module_with_our_weights_gives_our_numbers(torch, which):
    torch.manual_seed(1)
    module, layout = live(torch, which)
    rho = module.rho.numpy() if which == "fixed" else None
    weights = from_torch(module.state_dict(), rho)
    torch.manual_seed(2)
    theirs, _ = live(torch, which)
    carried = to_torch(weights.params, layout)
    if which == "fixed":
        theirs.rho = carried.pop("rho.weight")
    theirs.load_state_dict(carried, strict=True)
    theirs.eval()
    counts = torch.from_numpy(COUNTS.toarray()).float()
    with torch.no_grad():
        encoded = theirs.encode(counts if layout == "ntm" else counts / counts.sum(1, keepdim=True))
        beta = theirs.topics() if layout == "ntm" else theirs.get_beta()
    for value, ours in zip((encoded[0], encoded[1], beta), posterior_and_beta(weights), strict=True):
        np.testing.assert_allclose(ours, value.numpy(), rtol=2e-5, atol=1e-6)


# A model as one file.


@pytest.fixture
def trained():
    pytest.importorskip("safetensors", reason="safetensors is not installed (extra: interop)")
    config, variables = variables_of("default")
    background = jnp.linspace(-3, 0, V)
    words = [f"词{i}" for i in range(V)]
    vocabulary = Vocabulary(words, np.arange(V), np.arange(V) * 2, 9, "pkuseg 0.0.25")
    return SavedModel(config, variables._replace(constants={"background": background}), vocabulary, "a run")


def test_a_model_comes_back_from_its_file_bit_for_bit(trained, tmp_path):
    to_safetensors(tmp_path / "模型.safetensors", trained)
    back = from_safetensors(tmp_path / "模型.safetensors")
    assert_same(back.variables, jax.tree.map(np.asarray, trained.variables))
    assert back.config == trained.config
    assert back.vocabulary.hash == trained.vocabulary.hash
    np.testing.assert_array_equal(back.vocabulary.doc_freq, trained.vocabulary.doc_freq)


def test_a_damaged_model_file_is_one_clear_line(trained, tmp_path):
    file = tmp_path / "model.safetensors"
    to_safetensors(file, trained)
    whole = file.read_bytes()
    for contents in (b"", b"nothing", whole[:100], whole[:-1], b"\xff" * 64):
        file.write_bytes(contents)
        with pytest.raises(UserError, match=r"model\.safetensors: .*(safetensors|settings)"):
            from_safetensors(file)


def test_a_file_whose_arrays_are_another_models_is_refused(trained, tmp_path):
    config = make_config("default", {"num_topics": K + 1, "hidden": (H, H), "embed_dim": L})
    to_safetensors(tmp_path / "m.safetensors", trained._replace(config=config))
    with pytest.raises(UserError, match="its arrays do not match the model that its settings name"):
        from_safetensors(tmp_path / "m.safetensors")


def test_a_file_that_is_no_model_is_named(trained, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"m\.safetensors: it cannot be read as safetensors"):
        read_saved_model(str(tmp_path / "m.safetensors"))


def test_a_state_dict_as_a_tensor_file_is_read_without_torch(trained, tmp_path):
    write_tensors(tmp_path / "m.safetensors", state(), {})
    read = read_saved_model(str(tmp_path / "m.safetensors"))
    assert (read.config.variant, read.vocabulary, read.vocab_size) == ("paper", None, V)
    assert_same(read.variables.params, jax.tree.map(np.asarray, variables_of()[1].params))


def test_word_embeddings_for_a_model_that_has_its_own_are_refused(trained, tmp_path):
    to_safetensors(tmp_path / "m.safetensors", trained)
    with pytest.raises(UserError, match="leave out rho"):
        read_saved_model(str(tmp_path / "m.safetensors"), np.zeros((V, L)))


def test_weights_that_are_not_finite_are_no_beginning(trained, tmp_path):
    params = trained.variables.params | {"alpha": np.full((K, L), np.nan, np.float32)}
    to_safetensors(tmp_path / "m.safetensors", trained._replace(variables=trained.variables._replace(params=params)))
    with pytest.raises(UserError, match=r"--ckpt=.*m\.safetensors holds numbers that are not finite"):
        read_start_weights(str(tmp_path / "m.safetensors"), trained.config.model)


# The commands.


def command(module, *flags):
    return forked.run([sys.executable, "-m", module, *flags], capture_output=True, text=True, check=False)


def run_flags(lines_file, workdir, *more):
    small = ["--segmenter=whitespace", "--n_topic=3", "--hidden=6,6", "--emb_dim=4", "--no_below=1", "--no_above=0.6"]
    return [f"--corpus={lines_file}", f"--workdir={workdir}", *small, "--batch_size=32", "--num_epochs=2", *more]


def test_a_run_goes_out_and_another_begins_from_the_file(lines_file, tmp_path, capsys):
    pytest.importorskip("safetensors", reason="safetensors is not installed (extra: interop)")
    assert cli.run(train_main, ["train", *run_flags(lines_file, tmp_path / "a")]) == 0
    file = tmp_path / "a.safetensors"
    done = command("etm_jax.convert", f"--from={tmp_path / 'a'}", f"--to={file}")
    assert (done.returncode, len(done.stderr.splitlines())) == (0, 1)
    begun = command("etm_jax.train", *run_flags(lines_file, tmp_path / "b", f"--ckpt={file}"))
    assert begun.returncode == 0, begun.stderr
    assert f"weights: those of {tmp_path / 'a'} after epoch 2" in begun.stderr
    wrong = run_flags(lines_file, tmp_path / "c", f"--ckpt={file}", "--n_topic=4")
    assert cli.run(train_main, ["train", *wrong]) == 2
    assert "--n_topic=3" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()
    assert cli.run(convert_main, ["convert", f"--from={file}", f"--to={tmp_path / 'a.pt'}", "--layout=etm"]) == 2
    assert "background" in capsys.readouterr().err


def test_training_begins_from_a_torch_file(torch, lines_file, tmp_path):
    flags = run_flags(lines_file, tmp_path / "a", "--variant=paper", "--vectors=random")
    assert command("etm_jax.train", *flags).returncode == 0
    file = tmp_path / "a.pt"
    done = command("etm_jax.convert", f"--from={tmp_path / 'a'}", f"--to={file}", "--layout=etm")
    assert done.returncode == 0, done.stderr
    flags[1] = f"--workdir={tmp_path / 'b'}"
    begun = command("etm_jax.train", *flags, f"--ckpt={file}")
    assert begun.returncode == 0, begun.stderr
    assert "taken on trust" in begun.stderr
    flags[1] = f"--workdir={tmp_path / 'c'}"
    wrong = command("etm_jax.train", *flags, f"--ckpt={file}", "--variant=ntm")
    assert wrong.returncode == 2
    assert "--variant=paper" in wrong.stderr


@pytest.mark.parametrize(
    "flags, words",
    [
        ([], "give --from"),
        (["--from=x", "--to=y.bin"], "--to=y.bin must end in .safetensors, .pt"),
        (["--from=x", "--to=y.ckpt"], "--layout"),
        (["--from=x", "--to=y.safetensors", "--layout=etm"], "--layout=etm is for torch"),
        (["--from=x", "--to=y.safetensors"], "x holds no run"),
        (["--from=x.pt", "--to=y.safetensors"], "x.pt: it cannot be read"),
        (["--form=x"], "form"),
    ],
)
def test_mistakes_of_convert_are_one_line(flags, words, tmp_path):
    done = command("etm_jax.convert", *flags)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


def test_convert_explains_itself():
    assert "--layout" in command("etm_jax.convert", "--help").stdout
