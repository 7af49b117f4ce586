"""The benchmarks behind `make bench`: speed and memory against a baseline of the same run.

rows        one figure, its baseline and its bound; the table and the JSON file
sampling    baseline and measured in turn, medians and spread
machine     what the figures were measured on
builds      the C programs, natively and for pods, from one source
cases       a client and a server program, once or many times at once
native      runs a case as processes over loopback
node        the handle of a process that runs pods; requests: what it is asked
pods        that process; taps: what it sees of its network
scenes      pairs of pods, each with a link of its own
calls       counts Python calls in a node
bare        runs CPython in wasmtime without podnet, in a process of its own
measures/   one module for each line of the table
programs/   what is run: the same files everywhere
"""
