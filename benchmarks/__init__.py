"""The benchmarks: the tests that measure, the session and its visits, `instruments`, and the pytest glue, `plugins`."""
