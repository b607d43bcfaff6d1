"""Two text worlds whose truth is known: an encyclopedia to pretrain on, labelled reviews to transfer to.

A room of the computing half; may touch: errors, corpora. The text comes from a probabilistic grammar, with gold Penn
Treebank tags; in each world a lower-cased word has one tag, and `truth` tells it, with the word's world and sentiment.

    size = WorldSize(encyclopedia_tokens=400_000, reviews={"train": 3000, "valid": 500, "test": 500}, words=4000, noise=0.3)
    encyclopedia(size, seed=1), reviews(size, seed=1), truth(size, seed=1)
"""

from txray_lib.worlds.vocabulary import WorldSize, truth
from txray_lib.worlds.writing import encyclopedia, reviews

__all__ = ["WorldSize", "encyclopedia", "reviews", "truth"]
