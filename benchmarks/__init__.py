"""The benchmarks, the measuring code (`measure`) and its pytest glue (`plugins`)."""
