"""pytest glue: each plugin calls the measuring code and writes its part of `extra_info`."""
