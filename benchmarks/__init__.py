"""Speed and memory against named peers, as ratios taken in one run: `python -m benchmarks`, or `make bench`.

measuring   how sides are timed, how memory is measured, what a row is
collecting  collection beside the bare pass, the token-at-a-time loops, the machine's peak, and its memory
transforming the same for a Transformer, and beside NeuroX
comparing   preferences, transfer, nulls, sums that spill
training    tagging and pretraining
building    the notebooks of the book, the tables of its explorer, the steps of the demo
browsing    the explorer in a browser
"""
