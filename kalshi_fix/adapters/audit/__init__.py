"""The audit trail: what came in, what went out and what was decided, so that none of it can go.

One chain of segment files per process, below ``audit/`` in the data directory. `trail` takes
records, `segments` is the format, `verify` finds what was changed, `key_index` finds an order.
"""
