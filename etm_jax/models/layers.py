"""Layers in torch's initialisation, and parameters that say what they are. The one file that uses flax.

Shapes: B documents of a batch, H units of a hidden layer.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct
from flax.core import meta

from etm_jax.ops.mesh import NEVER, VocabAxis

Params = dict[str, Any]
Masks = tuple[jax.Array | None, ...]
needs_no_parameters = nn.nowrap
"""Marks a method of a module that reads none of its parameters, so that it works without any."""

DRAW_LIMIT = 2**26
"""The most parameters drawn in one call: a draw takes four times the memory of its result."""


class Variables(NamedTuple):
    """What a model is made of. params: what training moves; constants: arrays without gradient."""

    params: Params
    constants: Params


class Module(nn.Module):
    """A network whose parameters are declared in `setup`."""

    @needs_no_parameters
    def example(self) -> tuple[Any, ...]:
        """Arguments of a call, of the smallest size, by which the parameters are found."""
        raise NotImplementedError

    def constant(self, name: str, vocab: VocabAxis | None, shape: tuple[int, ...]) -> jax.Array:
        """An array without gradient, in `Variables.constants`; zeros unless `initial` gives others."""
        return cast(jax.Array, self.variable("constants", name, lambda: Declared(jnp.zeros(shape), 0.0, vocab)).value)


class Declared(struct.PyTreeNode, meta.AxisMetadata[Any]):
    """A parameter's declaration, where it is made: its shape (that of `value`), initial range, and axis of words.

    half_width: training starts uniformly within ± half_width; 0 for zeros. vocab: the axis with an entry for each word
    of the vocabulary, None where there is none. Flax hands the value alone to the module.
    """

    value: Any
    half_width: float = struct.field(pytree_node=False)
    vocab: VocabAxis | None = struct.field(pytree_node=False)

    def unbox(self) -> Any:
        return self.value

    def replace_boxed(self, val: Any) -> "Declared":
        return self.replace(value=val)

    def add_axis(self, index: int, params: dict[Any, Any]) -> "Declared":
        return self

    def remove_axis(self, index: int, params: dict[Any, Any]) -> "Declared":
        return self


def declare(half_width: float, vocab: VocabAxis | None = None) -> Callable[..., Any]:
    """What `Module.param` takes for an initialiser. It draws nothing: `init_variables` draws all parameters at once."""

    def declared(_: jax.Array, shape: tuple[int, ...]) -> Declared:
        return Declared(jnp.zeros(shape), half_width, vocab)

    return declared


def torch_range(fan_in: int) -> float:
    """1/√fan_in: within ± that torch's Linear starts both weight and bias.

    1 where fan_in is 0: a model without embeddings has no use for such a parameter.
    """
    return max(fan_in, 1) ** -0.5


class Linear(nn.Module):
    """torch's Linear, its initialisation included. kernel: [in, out], bias: [out].

    reads_words, gives_words: whether `in`, or `out`, is the vocabulary. fan_in: what torch starts it by; 0 for `in`.
    """

    width_in: int
    width_out: int
    reads_words: bool = False
    gives_words: bool = False
    fan_in: int = 0

    def setup(self) -> None:
        half_width = torch_range(self.fan_in or self.width_in)
        of_kernel = VocabAxis(-2) if self.reads_words else VocabAxis(-1) if self.gives_words else None
        # A word that only fills up a mesh of devices gets no probability.
        of_bias = VocabAxis(-1, NEVER) if self.gives_words else None
        self.kernel = self.param("kernel", declare(half_width, of_kernel), (self.width_in, self.width_out))
        self.bias = self.param("bias", declare(half_width, of_bias), (self.width_out,))

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.after_product(x @ self.kernel)

    def after_product(self, product: jax.Array) -> jax.Array:
        """The layer's output, given its input times its kernel: [B, out] → [B, out]."""
        return product + self.bias[None, :]


def side_by_side(x: jax.Array, *layers: Linear) -> list[jax.Array]:
    """What each of some layers makes of x, by one product: [B, in] → [B, out] each.

    Of two layers as small as a document has topics that takes a step of the default variant 3 to 5% less time.
    """
    product = x @ jnp.concatenate([layer.kernel for layer in layers], axis=1)
    ends = list(itertools.accumulate(layer.width_out for layer in layers))
    parts = jnp.split(product, ends[:-1], axis=1)
    return [layer.after_product(part) for layer, part in zip(layers, parts, strict=True)]


def linears(
    widths: Sequence[int], reads_words: bool = False, gives_words: bool = False, more_inputs: int = 0
) -> list[Linear]:
    """Linear layers between widths. reads_words, gives_words: of the first and of the last layer.

    more_inputs: which torch's first layer has besides, and which here have a parameter of their own.
    """
    last = len(widths) - 2
    return [
        Linear(
            i,
            o,
            reads_words=reads_words and n == 0,
            gives_words=gives_words and n == last,
            fan_in=0 if n else i + more_inputs,
        )
        for n, (i, o) in enumerate(itertools.pairwise(widths))
    ]


def hidden(
    first: jax.Array, rest: Sequence[Linear], masks: Masks, activation: Callable[[jax.Array], jax.Array] = jax.nn.relu
) -> jax.Array:
    """Hidden layers, each masked behind its activation. first: [B, H], the output of the first one's linear map."""
    first_mask, *rest_masks = masks or (None,) * (1 + len(rest))
    x = _masked(activation(first), first_mask)
    for layer, mask in zip(rest, rest_masks, strict=True):
        x = _masked(activation(layer(x)), mask)
    return x


def _masked(x: jax.Array, mask: jax.Array | None) -> jax.Array:
    return x if mask is None else x * mask


def decoded(z: jax.Array, layers: Sequence[Linear], masks: Masks = ()) -> jax.Array:
    """Linear layers with ReLU between them: [B, in] → [B, out]."""
    *inner, last = layers
    if inner:
        z = hidden(inner[0](z), inner[1:], masks)
    return last(z)


@partial(jax.jit, static_argnames="module")
def init_variables(key: jax.Array, module: Module) -> Variables:
    """Fresh variables as the module declares them: parameters uniform within their range, constants zero.

    All parameters are parts of one draw: XLA takes a tenth of a second and more to compile each.
    """
    declared = _declarations(module)
    leaves, structure = jax.tree.flatten(declared.params, is_leaf=_is_declared)
    # What starts at 0 is not drawn: with it or without, the others start alike.
    widths = [leaf.half_width for leaf in leaves]
    sizes = [leaf.value.size if width else 0 for leaf, width in zip(leaves, widths, strict=True)]
    arrays = _uniform(key, sizes, widths)
    values = [
        array.reshape(leaf.value.shape) if leaf.half_width else jnp.zeros(leaf.value.shape, array.dtype)
        for leaf, array in zip(leaves, arrays, strict=True)
    ]
    constants = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.value.shape, leaf.value.dtype), declared.constants, is_leaf=_is_declared
    )
    return Variables(cast(Params, jax.tree.unflatten(structure, values)), constants)


def _uniform(key: jax.Array, sizes: Sequence[int], half_widths: Sequence[float]) -> list[jax.Array]:
    """Numbers within ± a half-width: [size] of each, one behind the other of one draw.

    Many are drawn a block at a time, for the memory that a draw takes, and those of a large array written where they
    are to be: no second array of the first layer's size is made.
    """
    total = sum(sizes)
    if total <= DRAW_LIMIT:
        return _split(jax.random.uniform(key, (total,), minval=-1, maxval=1), sizes, half_widths)
    block = DRAW_LIMIT // 16
    keys = jax.random.split(key, -(-total // block))
    arrays: list[jax.Array] = []
    begin = 0
    for is_large, run in itertools.groupby(zip(sizes, half_widths, strict=True), lambda pair: pair[0] >= block):
        # The small ones that lie side by side come together, since each loop takes its time to compile.
        for pairs in ([pair] for pair in run) if is_large else [list(run)]:
            of_run, scales = zip(*pairs, strict=True)
            of_all = scales[0] if is_large else 1.0
            numbers = _scaled_range(keys, block, begin, sum(of_run), of_all)
            arrays += [numbers] if is_large else _split(numbers, of_run, scales)
            begin += sum(of_run)
    return arrays


def _split(numbers: jax.Array, sizes: Sequence[int], half_widths: Sequence[float]) -> list[jax.Array]:
    parts = jnp.split(numbers, list(itertools.accumulate(sizes))[:-1])
    return [jnp.asarray(width, part.dtype) * part for width, part in zip(half_widths, parts, strict=True)]


def _scaled_range(keys: jax.Array, block: int, begin: int, size: int, half_width: float) -> jax.Array:
    """Numbers within ± a half-width, those from `begin` on of a draw of a block under each key: [size]."""
    width = min(size, block)

    def with_block(i: jax.Array, numbers: jax.Array) -> jax.Array:
        # The first block begins before the array, and the last ends behind it: a window of full width within it has
        # some numbers of the block, and keeps the others.
        start = jnp.clip(i * block - begin, 0, size - width)
        first = begin + start - i * block
        place = first + jnp.arange(width)
        of_block = half_width * jax.random.uniform(keys[i], (block,), minval=-1, maxval=1)
        drawn = jax.lax.dynamic_slice(jnp.concatenate([of_block] * 3), (first + block,), (width,))
        old = jax.lax.dynamic_slice(numbers, (start,), (width,))
        new = jnp.where((place >= 0) & (place < block), drawn, old)
        return jax.lax.dynamic_update_slice(numbers, new, (start,))

    return jax.lax.fori_loop(begin // block, (begin + size - 1) // block + 1, with_block, jnp.zeros(size))


def vocab_axis(module: Module, path: Any) -> VocabAxis | None:
    """Which axis of the array at a path, in variables or in a state of training, is that of the words; None for none.

    An optimiser's moments lie as their parameter does; where a mesh is filled up, they are 0.
    """
    names = tuple(str(key.key) for key in path if isinstance(key, jax.tree_util.DictKey))
    axes = _vocab_axes(module)
    found = next((axes[names[i:]] for i in range(len(names)) if names[i:] in axes), None)
    is_moment = any(getattr(key, "name", "") == "opt_state" for key in path)
    return found._replace(padding=0.0) if found and is_moment else found


@lru_cache
def _vocab_axes(module: Module) -> dict[tuple[str, ...], VocabAxis]:
    """The parameters and constants that have an axis of words, by their names from the outermost in."""
    axes = {}
    for path, leaf in jax.tree.leaves_with_path(_declarations(module), is_leaf=_is_declared):
        if leaf.vocab is not None:
            axes[tuple(str(key.key) for key in path if isinstance(key, jax.tree_util.DictKey))] = leaf.vocab
    return axes


def _declarations(module: Module) -> Variables:
    """The declarations of a module's variables, found by calling it, without computing anything, on its `example`."""
    declared = jax.eval_shape(lambda key: module.init(key, *module.example()), jax.random.key(0))
    return Variables(declared.get("params", {}), declared.get("constants", {}))


def _is_declared(leaf: object) -> bool:
    return isinstance(leaf, Declared)
