"""Topics that were merged, dropped, reordered or named by hand after a model was fitted.

Such a change is a linear map of topic proportions, so that what was decided on some documents holds for all others: θ
of new documents is inferred by the model as it was fitted, and then mapped. K topics become J.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, Self

import numpy as np

from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.util.errors import UserError


def topic_columns(names: Iterable[str]) -> list[str]:
    """The columns of θ in tables of documents: `topic_3`, and `topic_3 taxes` for a topic that is called taxes.

    names: of the K topics; "" for those without.
    """
    return [f"topic_{k} {name}" if name else f"topic_{k}" for k, name in enumerate(names)]


class TopicEdit(NamedTuple):
    """What became of a fitted model's K topics.

    Attributes
    ----------
    num_topics : int
        K, the topics of the model as it was fitted.
    groups : tuple of J tuples of int
        The fitted topics that each new topic consists of. A topic in no group was dropped.
    weights : tuple of J tuples of float
        Weight of each of these in β and α of the new topic: its share of the group's words in the training documents.
        They sum to 1 in each group.
    names : tuple of J str
        What the new topics are called; "" for those without a name.

    Notes
    -----
    With shares s_k of the corpus' words, a new topic j of the group G_j has θ'_j ∝ Σ_{k ∈ G_j} θ_k, which sums to 1
    again where topics were dropped, and β'_j = Σ_{k ∈ G_j} s_k β_k / Σ_{k ∈ G_j} s_k: the word distribution of the text
    that the group explains. Where no topic was dropped, the corpus as a whole therefore keeps its predicted words. α'_j
    is the mean with the same weights; β'_j is not its softmax, and α' serves to place the topic among the words.
    """

    num_topics: int
    groups: tuple[tuple[int, ...], ...]
    weights: tuple[tuple[float, ...], ...]
    names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        share: np.ndarray,
        *,
        merge: Iterable[Iterable[int]] = (),
        drop: Iterable[int] = (),
        order: Sequence[int] = (),
        names: Mapping[int, str] | None = None,
        dashes: str = "",
    ) -> Self:
        """The edit that these requests describe; all of them number the topics as they are now.

        Parameters
        ----------
        share : ndarray of shape (K,)
            Shares of the training documents' words.
        merge : iterable of iterables of int
            Groups of at least two topics that become one, which takes the place of the group's first in β's order.
        drop : iterable of int
            Topics to leave out.
        order : sequence of int
            Topics that come first, in this order; a merged topic is named by any of its members. The others follow in
            their order.
        names : mapping of int to str
            A merged topic is called by the name of the first of its members that has one.
        dashes : str
            "--" where the requests are flags, for messages.

        Raises
        ------
        UserError
            If a topic does not exist or is asked for twice, or no topic would be left.
        """
        num_topics, names = len(share), names or {}
        merged, dropped = [list(group) for group in merge], list(drop)
        _check_numbers({"merge": list(chain(*merged)), "drop": dropped, "order": list(order)}, num_topics, dashes)
        _check_numbers({"names": list(names)}, num_topics, dashes)
        for group in merged:
            if len(group) < 2:
                raise UserError(f"{dashes}merge={_listed(group)} names one topic; give at least two, such as 3,7")
        if both := sorted(set(dropped) & set(chain(*merged))):
            raise UserError(f"topic {both[0]} is in {dashes}merge and in {dashes}drop; take it out of one of them")
        of_topic = {k: tuple(sorted(group)) for group in merged for k in group}
        kept = dict.fromkeys(of_topic.get(k, (k,)) for k in range(num_topics) if k not in set(dropped))
        if not kept:
            raise UserError(f"{dashes}drop={_listed(dropped)} leaves no topic; keep at least one")
        if gone := [k for k in order if k in set(dropped)]:
            raise UserError(f"topic {gone[0]} is in {dashes}order and in {dashes}drop; take it out of one of them")
        first = [of_topic.get(k, (k,)) for k in order]
        if len(set(first)) < len(first):
            raise UserError(f"{dashes}order={_listed(order)} names a merged topic twice; name one of its members")
        groups = tuple(dict.fromkeys([*first, *kept]))
        return cls(
            num_topics,
            groups,
            tuple(_weights(share[list(group)]) for group in groups),
            tuple(next((names[k] for k in group if names.get(k)), "") for group in groups),
        )

    def after(self, before: "TopicEdit | None") -> "TopicEdit":
        """The edit that has the effect of `before` and then this one, of the model as it was fitted."""
        if before is None:
            return self
        groups, weights, names = [], [], []
        for group, own, name in zip(self.groups, self.weights, self.names, strict=True):
            groups.append(tuple(k for j in group for k in before.groups[j]))
            weights.append(tuple(w * v for j, w in zip(group, own, strict=True) for v in before.weights[j]))
            names.append(name or next((before.names[j] for j in group if before.names[j]), ""))
        return TopicEdit(before.num_topics, tuple(groups), tuple(weights), tuple(names))

    def theta(self, theta: np.ndarray) -> np.ndarray:
        """Topic proportions: [D, K] → [D, J], of the same dtype; rows sum to 1.

        A document that consists of dropped topics alone gets equal proportions.
        """
        summed = theta.astype(np.float64) @ self._members()
        total = summed.sum(axis=1, keepdims=True)
        mapped = np.where(total > 0, summed / np.where(total > 0, total, 1), 1 / len(self.groups))
        return mapped.astype(theta.dtype)

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """∂θ'_j / ∂θ_k at one document's θ [K]: [J, K]."""
        members = self._members()
        total = max(float((theta @ members).sum()), 1e-30)
        return (members.T - np.outer(theta @ members / total, members.sum(axis=1))) / total

    def means(self, rows: np.ndarray) -> np.ndarray:
        """The weighted means of the groups' rows, β or α: [K, ·] → [J, ·], of the same dtype."""
        return (self._members(self.weights).T @ rows.astype(np.float64)).astype(rows.dtype)

    def embeddings(self, own: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The arrays of a model's own, with α [J, L] of the new topics where α [K, L] is among them."""
        return {**own, "alpha": self.means(own["alpha"])} if "alpha" in own else dict(own)

    def applied(self, model: TopicArrays) -> TopicArrays:
        """The model with the new topics. A Dirichlet prior of θ is summed; what the encoder had of topics is left out.

        What LDA infers new documents with, its own topics and prior, stays beside them as `unedited_…`.
        """
        own = self.embeddings(model.own)
        if "theta_prior" in own:
            own = {"unedited_beta": model.beta, "unedited_theta_prior": own["theta_prior"]} | own
            own["theta_prior"] = own["theta_prior"] @ self._members()
        parts = {name: getattr(model, name) for name in TopicArrays._fields if name.startswith("theta_")}
        mapped = {name: self.theta(theta) for name, theta in parts.items()}
        prior = None if model.prior is None else self.theta(model.prior[None])[0]
        beta = self.means(model.beta)
        return TopicArrays(beta=beta, own=own, activity=None, prior=prior, shifts=model.shifts, **mapped)

    def to_json(self) -> dict[str, Any]:
        """Plain values, of which `from_json` is the inverse."""
        topics = [
            {"of": list(group), "weights": list(weights), "name": name}
            for group, weights, name in zip(self.groups, self.weights, self.names, strict=True)
        ]
        return {"fitted_topics": self.num_topics, "topics": topics}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read `to_json`'s values. Raises ValueError, TypeError or KeyError where they are no edit."""
        topics, num_topics = values["topics"], values["fitted_topics"]
        edit = cls(
            num_topics,
            tuple(tuple(topic["of"]) for topic in topics),
            tuple(tuple(map(float, topic["weights"])) for topic in topics),
            tuple(str(topic["name"]) for topic in topics),
        )
        if type(num_topics) is not int:
            raise TypeError(f"its number of topics is {num_topics!r}")
        every = [k for group in edit.groups for k in group]
        if not all(type(k) is int and 0 <= k < num_topics for k in every) or len(set(every)) < len(every):
            raise ValueError("its topics are no groups of the fitted ones")
        if not every or any(
            len(w) != len(g) or not all(0 <= x <= 1 for x in w) or abs(sum(w) - 1) > 1e-6
            for g, w in zip(edit.groups, edit.weights, strict=True)
        ):
            raise ValueError("its weights do not sum to 1")
        return edit

    def _members(self, weights: Sequence[Sequence[float]] | None = None) -> np.ndarray:
        """[K, J]: the weight of each fitted topic in each new one; by default 1 for the members of its group."""
        members = np.zeros((self.num_topics, len(self.groups)))
        for j, group in enumerate(self.groups):
            members[list(group), j] = 1.0 if weights is None else weights[j]
        return members


def _weights(share: np.ndarray) -> tuple[float, ...]:
    """The shares of a group's topics, so that they sum to 1; equal weights where no document has any of them."""
    total = float(share.sum())
    return tuple((share / total).tolist()) if total > 0 else (1 / len(share),) * len(share)


def _check_numbers(named: Mapping[str, list[int]], num_topics: int, dashes: str) -> None:
    """Raise UserError where a request names a topic that does not exist, or one twice."""
    for name, numbers in named.items():
        for k in numbers:
            if not 0 <= k < num_topics:
                raise UserError(f"{dashes}{name} has topic {k}; topics are 0 to {num_topics - 1}")
            if numbers.count(k) > 1:
                raise UserError(f"{dashes}{name} has topic {k} twice; leave one of them")


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))
