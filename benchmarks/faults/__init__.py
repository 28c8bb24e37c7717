"""Faults planted in a real `litho serve` under load: `python -m litho.benchmarks.faults BUNDLE [--only NAME]`.

Clients in a process of their own ask without a pause while something breaks. The result says how long it took until
every request was answered again without a hand, how many requests failed, and what was left behind.
"""
