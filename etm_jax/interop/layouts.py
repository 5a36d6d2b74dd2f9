"""Translation between the parameter names of the published packages and ours, on plain arrays, without torch.

torch stores the weight of a linear layer as [out, in], this package as [in, out]. V words, K topics, L embedding size.
"""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from etm_jax.models.layers import Params
from etm_jax.util.errors import UserError

Flat = dict[str, np.ndarray]


class Weights(NamedTuple):
    """Parameters converted from torch.

    Attributes
    ----------
    layout : str
        A key of `LAYOUTS`.
    variant : str
    settings : dict
        What `make_config` takes, with `variant`, to build the model of these weights: the settings that follow from the
        shapes, and TopMost's likelihood_eps.
    params : dict
        Named as in `etm_jax.models.base`; numpy arrays of the dtype that they had.
    """

    layout: str
    variant: str
    settings: dict[str, Any]
    params: Params

    @property
    def vocab_size(self) -> int:
        """Number of words V."""
        return self.params["hidden_0"]["kernel"].shape[0]


class Layout(NamedTuple):
    """One package's parameter names. table: its key to ours, where `{}` stands for a layer's number.

    depth: number of hidden layers of its encoder, all of equal width; None where any number is possible. joined: by its
    key of a weight [out, in] the table's keys of two parts that it consists of along `in`, the words and the rest.
    unused: keys of what takes part in nothing.
    """

    package: str
    variant: str
    table: dict[str, str]
    depth: int | None = None
    settings: Mapping[str, Any] = {}
    joined: Mapping[str, tuple[str, str]] = {}
    unused: frozenset[str] = frozenset()


def _linear(theirs: Mapping[str, str]) -> dict[str, str]:
    """The table's rows for linear layers. theirs: our name of each layer to the package's."""
    weights = {f"{key}.weight": f"{ours}.kernel" for ours, key in theirs.items()}
    return weights | {f"{key}.bias": f"{ours}.bias" for ours, key in theirs.items()}


_DIENG = Layout(
    package="adjidieng/ETM and embedded-topic-model",
    variant="paper",
    table=_linear({"hidden_0": "q_theta.0", "hidden_1": "q_theta.2", "mu": "mu_q_theta", "logvar": "logsigma_q_theta"})
    | {"rho.weight": "rho", "alphas.weight": "alpha"},
    depth=2,
)
_TOPMOST = Layout(
    package="TopMost's ETM",
    variant="paper",
    table=_linear({"hidden_0": "encoder1.0", "hidden_1": "encoder1.2", "mu": "fc21", "logvar": "fc22"})
    | {"word_embeddings": "rho", "topic_embeddings": "alpha"},
    depth=2,
    settings={"likelihood_eps": 1e-12},
)
_ZLL17 = Layout(
    package="zll17/Neural_Topic_Models",
    variant="ntm",
    table=_linear({"hidden_{}": "encoder.enc_{}", "mu": "fc_mu", "logvar": "fc_logvar", "theta_layer": "fc1"})
    | _linear({"decoder_{}": "decoder.dec_{}"})
    | {"rho.weight": "rho", "rho.bias": "rho_bias", "alpha.weight": "alpha", "alpha.bias": "alpha_bias"},
)
_DETM = Layout(
    package="adjidieng/DETM",
    variant="paper",
    table=_linear({"hidden_1": "q_theta.2", "mu": "mu_q_theta", "logvar": "logsigma_q_theta"})
    | _linear({"eta_map": "q_eta_map", "eta_mu": "mu_q_eta", "eta_logvar": "logsigma_q_eta"})
    | {"q_theta.0.weight.words": "hidden_0.kernel", "q_theta.0.weight.eta": "eta_kernel"}
    | {"q_theta.0.bias": "hidden_0.bias"}
    | {"q_eta.weight_ih_l{}": "lstm_input_{}.kernel", "q_eta.bias_ih_l{}": "lstm_input_{}.bias"}
    | {"q_eta.weight_hh_l{}": "lstm_state_{}.kernel", "q_eta.bias_hh_l{}": "lstm_state_{}.bias"}
    | {"rho.weight": "rho", "mu_q_alpha": "alpha_mean", "logsigma_q_alpha": "alpha_logvar"},
    depth=2,
    joined={"q_theta.0.weight": ("q_theta.0.weight.words", "q_theta.0.weight.eta")},
)
_TOPMOST_DETM = _DETM._replace(
    package="TopMost's DETM",
    settings={"likelihood_eps": 1e-12},
    # A batch normalisation that is made and never called.
    unused=frozenset(
        f"decoder_bn.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    ),
)
LAYOUTS = {"ntm": _ZLL17, "etm": _DIENG, "topmost": _TOPMOST, "detm": _DETM, "topmost_d": _TOPMOST_DETM}
"""`ntm` covers ETM (EVAE there) and GSM, which has a decoder in place of ρ and α."""

KERNEL = "kernel"
"""What our names of weights end with that torch has transposed."""

_PREFIXES = ("module.", "vae.")
"""Prefixes of every key that DataParallel and classes around a model add."""


def from_state(state: Mapping[str, np.ndarray], rho: np.ndarray | None = None) -> Weights:
    """Convert a state dict to our parameters; its keys determine the layout. rho: [V, L], if the state dict has none.

    Raises UserError, which names the key, where one is missing or unknown, or its shape contradicts the others'.
    """
    state = _without_prefix(state)
    name = max(LAYOUTS, key=lambda name: _num_known(state, LAYOUTS[name]))
    layout = LAYOUTS[name]
    state = _parted({key: x for key, x in state.items() if key not in layout.unused}, layout)
    ours = _translated(state, layout.table)
    if not any(key.endswith(".kernel") for key in ours.values()):
        known = "; ".join(f"{layout.package} ({name})" for name, layout in LAYOUTS.items())
        raise UserError(f"no weights of a known layout, which are {known}: its keys are {_some(state)}")
    for key in state:
        if key not in ours:
            raise UserError(f"unknown key {key!r} beside {_some(ours)}, which are those of {layout.package}")
    flat = {ours[key]: np.array(x.T if ours[key].endswith(KERNEL) else x, order="C") for key, x in state.items()}
    if "rho" not in flat and name in ("etm", "detm"):
        if rho is None:
            raise UserError(
                "no key 'rho.weight': these weights were trained on fixed word embeddings, which that code keeps "
                "outside the state dict; give them as rho, an array of V rows (etm_jax.convert has --rho=FILE.npy)"
            )
        flat["rho"] = np.array(rho, order="C")
    elif rho is not None:
        raise UserError("rho is given, but the weights hold word embeddings of their own; leave it out")
    settings = _settings(layout, flat, from_torch=True)
    return Weights(name, layout.variant, settings | dict(layout.settings), nested(flat))


def to_state(params: Params, layout: str) -> Flat:
    """The inverse of `from_state`: a state dict of new arrays, in the layout of that name.

    Raises UserError, which names the parameter, where the layout does not have it, or needs it and `params` lacks it.
    """
    if layout not in LAYOUTS:
        raise UserError(f"layout {layout!r} is unknown; choose from {', '.join(LAYOUTS)}")
    flat = {key: np.asarray(x) for key, x in flatten(params).items()}
    theirs = _translated(flat, _inverse(LAYOUTS[layout].table))
    without_place = sorted({key.partition(".")[0] for key in flat if key not in theirs})
    if without_place:
        package, variant = LAYOUTS[layout].package, LAYOUTS[layout].variant
        raise UserError(
            f"layout {layout!r} has no place for {', '.join(without_place)}: {package} has no such part; "
            f"a model of --variant={variant} can be written in it"
        )
    first, rho = flat.get("hidden_0.kernel"), flat.get("rho")
    if first is not None and rho is not None and len(first) != len(rho):
        package, variant = LAYOUTS[layout].package, LAYOUTS[layout].variant
        raise UserError(
            f"layout {layout!r} has no place for an encoder that reads words through ρ (--read_rho): "
            f"{package} has none; a model of --variant={variant} can be written in it"
        )
    _settings(LAYOUTS[layout], flat, from_torch=False)
    state = {theirs[key]: np.array(x.T if key.endswith(KERNEL) else x, order="C") for key, x in flat.items()}
    for whole, parts in LAYOUTS[layout].joined.items():
        state[whole] = np.concatenate([state.pop(part) for part in parts], axis=1)
    return state


def _num_known(state: Mapping[str, np.ndarray], layout: Layout) -> int:
    """How many keys of a state dict a layout knows."""
    known = len(_translated(state, layout.table)) + sum(key in layout.unused for key in state)
    return known + sum(key in layout.joined for key in state)


def _parted(state: Mapping[str, np.ndarray], layout: Layout) -> Mapping[str, np.ndarray]:
    """The state with the two parts of what the layout has joined, words first, as far as it has them."""
    reads_words = state.get("q_eta_map.weight")
    if not layout.joined or reads_words is None or reads_words.ndim != 2:
        return state
    vocab_size, found = reads_words.shape[1], dict(state)
    for whole, parts in layout.joined.items():
        if whole in found and found[whole].ndim == 2:
            found |= zip(parts, np.split(found.pop(whole), [vocab_size], axis=1), strict=True)
    return found


def flatten(params: Params) -> dict[str, Any]:
    """A nested dictionary with dotted names: `{"mu": {"kernel": x}, "rho": y}` as `{"mu.kernel": x, "rho": y}`."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        flat |= {f"{key}.{inner}": x for inner, x in value.items()} if isinstance(value, Mapping) else {key: value}
    return flat


def nested(flat: Mapping[str, Any]) -> Params:
    """The inverse of `flatten`: dotted names as nested dictionaries."""
    params: Params = {}
    for key, value in flat.items():
        outer, _, inner = key.partition(".")
        if inner:
            params.setdefault(outer, {})[inner] = value
        else:
            params[outer] = value
    return params


def _without_prefix(state: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """The state dict without prefixes that all its keys have."""
    for prefix in _PREFIXES:
        if state and all(key.startswith(prefix) for key in state):
            return _without_prefix({key.removeprefix(prefix): value for key, value in state.items()})
    return state


def _translated(keys: Iterable[str], table: Mapping[str, str]) -> dict[str, str]:
    """Each of `keys` that `table` has, with its name there."""
    patterns = [(re.escape(key).replace(r"\{\}", r"(0|[1-9]\d*)"), name) for key, name in table.items()]
    found = ((key, re.fullmatch(pattern, key), name) for key in keys for pattern, name in patterns)
    return {key: name.format(*match.groups()) for key, match, name in found if match}


def _settings(layout: Layout, flat: Flat, from_torch: bool) -> dict[str, Any]:
    """The settings that follow from the shapes. Raises UserError where parameters are missing or contradict each other.

    from_torch: whether errors name a parameter by its key and shape in torch, or by ours.
    """

    def named(key: str) -> str:
        return repr(_translated([key], _inverse(layout.table)).get(key, key) if from_torch else key)

    def shaped(key: str, shape: tuple[int, ...]) -> str:
        return str(list(reversed(shape)) if from_torch and key.endswith(KERNEL) else list(shape))

    # The dynamic model's sizes beside those of an ETM: T, E and how many layers its LSTM has.
    dynamic = "alpha_mean" in layout.table.values()
    num_lstm = max(1, _count(flat, r"lstm_input_\d+\.kernel")) if dynamic else 0
    num_hidden = layout.depth or max(1, _count(flat, r"hidden_\d+\.kernel"))
    num_decoder = _count(flat, r"decoder_\d+\.kernel")
    if num_decoder and "rho" in flat:
        raise UserError(f"both {named('rho')} and {named('decoder_0.kernel')}; a model has one or the other")
    needed = _shapes(layout, [0] * (num_hidden + 1), [0] * num_decoder, 0, 0)
    if dynamic:
        needed |= _dynamic_shapes(0, 0, 0, 0, (0, 0), num_lstm)
    for key in needed:
        if key not in flat:
            raise UserError(f"no {named(key)}, which a model of {layout.package} has")
    for key, array in flat.items():
        if key not in needed:
            raise UserError(f"{named(key)} is not part of a model of {layout.package} that has the other weights")
        if array.dtype.kind != "f":
            raise UserError(f"{named(key)} is of type {array.dtype}; weights are floating-point numbers")
        if array.ndim != len(needed[key]):
            raise UserError(f"{named(key)} has shape {shaped(key, array.shape)}; it must have {len(needed[key])} axes")
    vocab_size, num_topics = flat["hidden_0.kernel"].shape[0], flat["mu.kernel"].shape[1]
    hidden = [flat[f"hidden_{i}.kernel"].shape[1] for i in range(num_hidden)]
    if layout.depth:
        hidden = hidden[:1] * layout.depth
    decoder = [flat[f"decoder_{i}.kernel"].shape[1] for i in range(num_decoder)]
    embed_dim = 0 if decoder else flat["rho"].shape[1]
    shapes = _shapes(layout, [vocab_size, *hidden], decoder, num_topics, embed_dim)
    if dynamic:
        of_lstm = flat["alpha_mean"].shape[1], flat["eta_map.kernel"].shape[1]
        shapes |= _dynamic_shapes(vocab_size, hidden[0], num_topics, embed_dim, of_lstm, num_lstm)
    for key, shape in shapes.items():
        if flat[key].shape != shape:
            found, wanted = shaped(key, flat[key].shape), shaped(key, shape)
            raise UserError(f"{named(key)} has shape {found}, but the other weights require {wanted}")
    settings = {"num_topics": num_topics, "hidden": tuple(hidden)}
    if decoder:
        return settings | {"kind": "gsm", "decoder_hidden": tuple(decoder[:-1])}
    if dynamic:
        lstm = {"eta_hidden_size": flat["eta_map.kernel"].shape[1], "eta_layers": num_lstm}
        return settings | {"kind": "detm_paper", "embed_dim": embed_dim} | lstm
    return settings | {"kind": "etm", "embed_dim": embed_dim}


def _shapes(
    layout: Layout, widths: Sequence[int], decoder: Sequence[int], num_topics: int, embed_dim: int
) -> dict[str, tuple[int, ...]]:
    """Our shapes of all parameters of a layout. widths: V and the hidden layers'; decoder: widths, V last, or none."""
    layers = {f"hidden_{i}": pair for i, pair in enumerate(itertools.pairwise(widths))}
    layers |= {"mu": (widths[-1], num_topics), "logvar": (widths[-1], num_topics)}
    vocab_size, names = widths[0], set(layout.table.values())
    if "theta_layer.kernel" in names:
        layers["theta_layer"] = (num_topics, num_topics)
    tensors: dict[str, tuple[int, ...]] = {}
    if decoder:
        pairs = itertools.pairwise([num_topics, *decoder[:-1], vocab_size])
        layers |= {f"decoder_{i}": pair for i, pair in enumerate(pairs)}
    else:
        tensors = {"rho": (vocab_size, embed_dim)}
        if "alpha" in names:
            tensors["alpha"] = (num_topics, embed_dim)
        if "rho_bias" in names:
            tensors |= {"rho_bias": (vocab_size,), "alpha_bias": (num_topics,)}
    kernels: dict[str, tuple[int, ...]] = {f"{name}.kernel": shape for name, shape in layers.items()}
    return kernels | {f"{name}.bias": shape[1:] for name, shape in layers.items()} | tensors


def _dynamic_shapes(
    vocab_size: int, width: int, num_topics: int, embed_dim: int, of_lstm: tuple[int, int], num_lstm: int
) -> dict[str, tuple[int, ...]]:
    """Our shapes of what the dynamic model has besides. width: of the first hidden layer; of_lstm: T and E."""
    num_periods, units = of_lstm
    layers = {"eta_map": (vocab_size, units)}
    layers |= dict.fromkeys(("eta_mu", "eta_logvar"), (units + num_topics, num_topics))
    layers |= {f"lstm_{part}_{i}": (units, 4 * units) for i in range(num_lstm) for part in ("input", "state")}
    tensors: dict[str, tuple[int, ...]] = {f"{name}.kernel": shape for name, shape in layers.items()}
    tensors |= {f"{name}.bias": shape[1:] for name, shape in layers.items()}
    walk = (num_topics, num_periods, embed_dim)
    return tensors | {"eta_kernel": (num_topics, width), "alpha_mean": walk, "alpha_logvar": walk}


def _inverse(table: Mapping[str, str]) -> dict[str, str]:
    """The table from our names to theirs."""
    return {name: key for key, name in table.items()}


def _count(flat: Flat, pattern: str) -> int:
    """Number of parameters whose name matches the pattern."""
    return sum(bool(re.fullmatch(pattern, key)) for key in flat)


def _some(keys: Iterable[str]) -> str:
    """The first three keys, for an error."""
    first = [repr(key) for key in itertools.islice(keys, 4)]
    return ", ".join(first[:3]) + (", …" if len(first) > 3 else "") if first else "none"
