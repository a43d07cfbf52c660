"""One run as people read it: tables, pictures, page."""
