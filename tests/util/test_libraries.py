"""Threads that share work, and the libraries that have threads of their own."""

import sys
from types import ModuleType

import numpy as np
import sklearn.utils._openmp_helpers

from etm_jax.util.threads import in_threads, libraries


def test_libraries_are_looked_for_again_after_an_import_alone(monkeypatch):
    libraries()  # Which imports what finds them.
    found = libraries()
    assert libraries() is found
    monkeypatch.setitem(sys.modules, "another", ModuleType("another"))
    again = libraries()
    assert again is not found
    assert [each["filepath"] for each in again.info()] == [each["filepath"] for each in found.info()]


def test_within_our_threads_a_library_has_one_and_afterwards_as_many_as_before():
    assert sklearn.utils._openmp_helpers
    before = [each["num_threads"] for each in libraries().info()]
    assert before
    within = list(in_threads(lambda _: [each["num_threads"] for each in libraries().info()], range(3)))
    np.testing.assert_array_equal(within, np.ones((3, len(before)), int))
    assert [each["num_threads"] for each in libraries().info()] == before
