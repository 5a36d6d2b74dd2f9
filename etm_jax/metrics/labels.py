"""How well topic proportions separate labels that the model has not seen."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from etm_jax.metrics.evaluator import FittedRun, Measured, Row


class LabelMetrics(NamedTuple):
    """Agreement of θ and labels on the test documents; all values are in [0, 1].

    Attributes
    ----------
    purity : float
        Share of documents that carry the commonest label of their largest topic.
    nmi : float
        Mutual information of largest topic and label, divided by the mean of their entropies.
    accuracy, macro_f1 : float
        Of a linear classifier fitted on the training documents' θ.
    majority : float
        Accuracy of always predicting the training documents' commonest label.
    """

    purity: float
    nmi: float
    accuracy: float
    macro_f1: float
    majority: float


def evaluate(run: FittedRun) -> Measured:
    """Measure how well θ predicts the documents' labels.

    Parameters
    ----------
    run : FittedRun

    Returns
    -------
    Measured
        `labelled`: a `LabelMetrics`, or None where no labels were given.
    """
    if run.labels is None:
        return Measured({"labelled": None}, [])
    train_rows, train, test_rows, test = run.labels
    found = label_metrics(run.theta_train[train_rows], train, run.theta_test[test_rows], test)
    baseline = f"logistic regression on θ; the most common label alone gives {found.majority:.3f}"
    rows = [
        Row("purity", f"{found.purity:.3f}", "largest topics of test documents against the labels"),
        Row("NMI", f"{found.nmi:.3f}", "largest topics of test documents against the labels"),
        Row("accuracy", f"{found.accuracy:.3f}", baseline),
        Row("macro F1", f"{found.macro_f1:.3f}", "logistic regression on θ"),
    ]
    return Measured({"labelled": found}, rows)


def label_metrics(
    theta_train: np.ndarray, labels_train: Sequence[str], theta_test: np.ndarray, labels_test: Sequence[str]
) -> LabelMetrics:
    """Measure how well θ predicts labels, by the largest topics and by a linear classifier.

    The classifier is scikit-learn's logistic regression on standardised θ.

    Parameters
    ----------
    theta_train, theta_test : ndarray of shape (·, K)
        Topic proportions of the training and the test documents.
    labels_train, labels_test : sequence of str
        One for each row of θ.

    Returns
    -------
    LabelMetrics

    Raises
    ------
    ValueError
        Without test documents, and where the training documents have fewer than two different labels.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score, normalized_mutual_info_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not len(labels_test) or len(set(labels_train)) < 2:
        raise ValueError("labels of test documents, and two different ones of training documents, are needed")
    largest, truth = theta_test.argmax(axis=1), np.asarray(labels_test)
    # Proportions are small numbers: unscaled, the penalty on the classifier's weights would dominate.
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(theta_train.astype(np.float64), np.asarray(labels_train))
    predicted = classifier.predict(theta_test.astype(np.float64))
    names, counts = np.unique(np.asarray(labels_train), return_counts=True)
    return LabelMetrics(
        purity=purity(largest, truth),
        nmi=float(normalized_mutual_info_score(truth, largest)),
        accuracy=float(accuracy_score(truth, predicted)),
        macro_f1=float(f1_score(truth, predicted, average="macro", zero_division=0.0)),
        majority=float((truth == names[counts.argmax()]).mean()),
    )


def purity(clusters: np.ndarray, labels: np.ndarray) -> float:
    """Compute the share of documents that carry the commonest label of their cluster.

    Parameters
    ----------
    clusters, labels : ndarray of shape (D,), D ≥ 1

    Returns
    -------
    float
        In (0, 1].
    """
    common = (np.unique(labels[clusters == cluster], return_counts=True)[1].max() for cluster in np.unique(clusters))
    return float(sum(common) / len(labels))
