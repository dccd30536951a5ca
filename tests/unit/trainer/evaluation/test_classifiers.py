import numpy as np
import pytest

from trainer.evaluation.classifiers import k_means, knn_predict, logistic_predict


def blobs(seed, spread, count=240, classes=4, dimension=8):
    """Unit rows around one random direction per class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    rows = rng.normal(size=(classes, dimension))[labels] + spread * rng.normal(size=(count, dimension))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), labels


def test_neighbours_vote_as_in_scikit_learn():
    from sklearn.neighbors import KNeighborsClassifier

    rows, labels = blobs(0, 1.5)
    ours = knn_predict(rows[:200], labels[:200], rows[200:], k=1)
    theirs = KNeighborsClassifier(1, metric="cosine").fit(rows[:200], labels[:200]).predict(rows[200:])
    assert ours.tolist() == theirs.tolist()
    two = labels[:200] % 2  # an odd number of voters and two classes: no ties
    ours = knn_predict(rows[:200], two, rows[200:], k=5)
    theirs = KNeighborsClassifier(5, metric="cosine").fit(rows[:200], two).predict(rows[200:])
    assert ours.tolist() == theirs.tolist()


def test_a_tied_vote_goes_to_the_nearer_label():
    train = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    assert knn_predict(train, np.array([7, 5, 3]), np.array([[1.0, 0.0]]), k=3).tolist() == [7]


@pytest.mark.parametrize("strength", [0.1, 1.0, 30.0])
def test_logistic_regression_predicts_as_scikit_learn(strength):
    from sklearn.linear_model import LogisticRegression

    rows, labels = blobs(1, 1.0, count=120)
    train, test = slice(0, 80), slice(80, None)
    theirs = LogisticRegression(C=strength, max_iter=1000, tol=1e-8).fit(rows[train], labels[train] * 10)
    expected = theirs.predict(rows[test]).tolist()
    assert logistic_predict(rows[train], labels[train] * 10, rows[test], strength).tolist() == expected
    assert len(set(expected)) > 1


def test_one_class_is_predicted_everywhere():
    rows, _ = blobs(1, 1.0, count=6)
    assert logistic_predict(rows[:4], np.full(4, 9), rows[4:]).tolist() == [9, 9]


def test_k_means_finds_clear_clusters_and_repeats_itself():
    rows, labels = blobs(2, 0.05)
    found = k_means(rows, 4, seed=1)
    assert {len(set(found[labels == label])) for label in range(4)} == {1}
    assert len(set(found)) == 4
    assert (found == k_means(rows, 4, seed=1)).all()


def test_k_means_of_equal_or_few_rows():
    assert len(set(k_means(np.ones((5, 2)), 3))) >= 1
    assert sorted(k_means(np.eye(2), 5)) == [0, 1]
