"""The encoder as pure functions: BERT (Devlin et al. 2019, arXiv 1810.04805) and RoBERTa (Liu et al. 2019, 1907.11692).

Both are the post-norm Transformer: x ← LN(x + attention(x)), x ← LN(x + W₂·act(W₁·x)). They differ in the rows of the
table of positions alone. B texts of a batch, T pieces of the longest, H the width, N layers, F the inner width.
"""

from typing import Any

import jax
import jax.numpy as jnp

from etm_jax.vectors.bert.config import BertConfig

Params = dict[str, Any]
"""Of `etm_jax.vectors.bert.weights`: `word` [V, H]; `position` [P, H]; `scale`, `bias` [H] of the first layer norm; and
`layers`, a dictionary of each layer's, stacked along a first axis N."""

_PRECISION = jax.lax.Precision.HIGHEST
"""Of float32 on TPUs and GPUs, which would else be multiplied in bfloat16 or TF32."""


def encode(params: Params, config: BertConfig, ids: jax.Array, lengths: jax.Array, last: int = 1) -> jax.Array:
    """The mean of the outputs of the last layers: [B, T, H].

    ids: [B, T] int32, each text's pieces from the first column on. lengths: [B] int32, pieces of each, at least one;
    what stands behind them is not read, and what comes out there means nothing. last: how many layers, at most N.
    """
    x, away = embed(params, config, ids), _away(params, ids, lengths)
    # In a loop one layer is compiled, whatever their number, and it computes as quickly as N that are written out.
    if last == 1:
        return jax.lax.scan(lambda x, p: (layer(p, config, x, away), None), x, params["layers"])[0]

    def step(carry: tuple[jax.Array, jax.Array], each: tuple[Params, jax.Array]) -> tuple[Any, None]:
        x, total = carry
        x = layer(each[0], config, x, away)
        return (x, total + x * each[1]), None

    share = jnp.where(jnp.arange(config.layers) < config.layers - last, 0, 1 / last).astype(x.dtype)
    return jax.lax.scan(step, (x, jnp.zeros_like(x)), (params["layers"], share))[0][1]


def hidden_states(params: Params, config: BertConfig, ids: jax.Array, lengths: jax.Array) -> jax.Array:
    """What goes into the first layer and what comes out of each: [N + 1, B, T, H]. ids, lengths: as for `encode`."""
    x, away = embed(params, config, ids), _away(params, ids, lengths)
    _, outputs = jax.lax.scan(lambda x, p: (layer(p, config, x, away),) * 2, x, params["layers"])
    return jnp.concatenate([x[None], outputs])


def _away(params: Params, ids: jax.Array, lengths: jax.Array) -> jax.Array:
    """What is added to the scores of the pieces: 0, and for padding the lowest number. [B, 1, 1, T]"""
    padding = jnp.arange(ids.shape[1])[None] >= lengths[:, None]
    dtype = params["word"].dtype
    # A finite number, as a text of no length would else divide by zero.
    return jnp.where(padding, jnp.finfo(dtype).min, 0).astype(dtype)[:, None, None, :]


def embed(params: Params, config: BertConfig, ids: jax.Array) -> jax.Array:
    """What goes into the first layer: [B, T] → [B, T, H]."""
    first = config.first_position
    x = params["word"][ids] + params["position"][first : first + ids.shape[1]][None]
    return layer_norm(x, params["scale"], params["bias"], config.eps)


def layer(p: Params, config: BertConfig, x: jax.Array, away: jax.Array) -> jax.Array:
    """One layer: [B, T, H] → [B, T, H]. away: [B, 1, 1, T], added to the scores: very negative for padding."""
    x = layer_norm(x + attention(p, config, x, away), p["scale1"], p["bias1"], config.eps)
    inner = activation(linear(x, p["up"], p["up_bias"]), config.activation)
    return layer_norm(x + linear(inner, p["down"], p["down_bias"]), p["scale2"], p["bias2"], config.eps)


def attention(p: Params, config: BertConfig, x: jax.Array, away: jax.Array) -> jax.Array:
    """Each piece's weighted mean of all pieces' values, of every head: [B, T, H] → [B, T, H].

    The queries' weights hold the 1/√(H/heads) already.
    """
    batch, pieces, width = x.shape
    mixed = linear(x, p["mix"], p["mix_bias"]).reshape(batch, pieces, 3, config.heads, width // config.heads)
    query, key, value = (mixed[:, :, part] for part in range(3))
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key, precision=_PRECISION) + away
    weights = softmax(scores)
    read = jnp.einsum("bhqk,bkhd->bqhd", weights, value, precision=_PRECISION)
    return linear(read.reshape(batch, pieces, width), p["out"], p["out_bias"])


def linear(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """x·W + b of the last axis, as one product of two matrices: [B, T, n] → [B, T, m]."""
    flat = jnp.matmul(x.reshape(-1, x.shape[-1]), kernel, precision=_PRECISION)
    return (flat + bias[None]).reshape(*x.shape[:-1], kernel.shape[1])


def softmax(scores: jax.Array) -> jax.Array:
    """Over the last axis, summed up in float32 or better."""
    wide = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    return jax.nn.softmax(wide, axis=-1).astype(scores.dtype)


def layer_norm(x: jax.Array, scale: jax.Array, bias: jax.Array, eps: float) -> jax.Array:
    """(x − mean) / √(variance + eps) · scale + bias over the last axis, computed in float32 or better."""
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    centred = wide - wide.mean(axis=-1, keepdims=True)
    variance = jnp.square(centred).mean(axis=-1, keepdims=True)
    normed = centred * jax.lax.rsqrt(variance + jnp.asarray(eps, wide.dtype))
    return (normed.astype(x.dtype) * scale[None, None] + bias[None, None]).astype(x.dtype)


def activation(x: jax.Array, name: str) -> jax.Array:
    """GELU by the error function (`gelu`) or by its approximation with tanh (`gelu_new`), or ReLU."""
    if name == "relu":
        return jax.nn.relu(x)
    return jax.nn.gelu(x, approximate=name != "gelu")
