"""Benchmarks: one module a promise; every figure beside what it is compared with."""
